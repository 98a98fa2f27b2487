import io
import logging
import threading
import time
import traceback

import pytest

from mlids.cloudwatch import answers
from mlids.cloudwatch.access import Access
from mlids.cloudwatch.answers import Answer
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
CANARY = "c4n4ry-S3CRET/of/the/key"


@pytest.fixture
def config(aws_env, monkeypatch):
    """`config("credentials", "[default] …")` writes a file of the user; the environment is empty."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)

    def write(name, text):
        folder = aws_env / ".aws"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    return write


def test_the_region_is_the_argument_the_environment_the_profile_or_us_east_1(config, monkeypatch):
    assert Access().region == "us-east-1"
    config("config", "[default]\nregion = eu-west-3\n[profile x]\nregion = eu-north-1\n")
    assert Access().region == "eu-west-3"
    assert Access(profile_name="x").region == "eu-north-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert Access(profile_name="x").region == "eu-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert Access().region == "eu-west-1"
    assert Access("sa-east-1").region == "sa-east-1"
    assert Access("sa-east-1").client.meta.region_name == "sa-east-1"


def test_credentials_are_sought_in_boto3s_order(config, monkeypatch):
    assert Access().credentials is None
    config("credentials", "[default]\naws_access_key_id = FILE\naws_secret_access_key = x\n")
    assert Access().credentials.access_key == "FILE"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert Access().credentials.access_key == "ENVIRONMENT"
    given = Access(aws_access_key_id="ARGUMENT", aws_secret_access_key="x").credentials
    assert (given.access_key, given.method) == ("ARGUMENT", "explicit")


@pytest.mark.parametrize("half", ["aws_access_key_id", "aws_secret_access_key"])
def test_half_of_a_pair_of_keys_is_refused(aws_env, half):
    from botocore.exceptions import PartialCredentialsError

    with pytest.raises(PartialCredentialsError):
        Access(**{half: "x"})


@pytest.mark.parametrize(
    "url",
    [
        *("nonsense", "ftp://host", "http://", "http://[::1", "http://host:99999", "http://a b"),
        *("http://user:c4n4ry@host:x", "https://h\x00", "//host"),
    ],
)
def test_an_endpoint_that_is_none_is_refused_at_once(aws_env, url):
    with pytest.raises(ValueError, match="Invalid endpoint") as caught:
        Access(endpoint_url=url)
    assert "c4n4ry" not in str(caught.value)


def test_a_role_is_assumed_with_what_was_found(moto_url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto_url)
    role = "arn:aws:iam::123456789012:role/reader"
    access = Access(role_arn=role, external_id="x-1", endpoint_url=moto_url)
    assert access.credentials.method == "assume-role, by env"
    assert access.client.describe_log_groups()["logGroups"] == []
    assert access.credentials.access_key != "testing"
    arn = access.service("sts").get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/reader/mlids"


def test_a_role_without_credentials_to_assume_it_with(config):
    from botocore.exceptions import NoCredentialsError

    with pytest.raises(NoCredentialsError):
        _ = Access(role_arn="arn:aws:iam::123456789012:role/reader").client


@pytest.mark.parametrize(
    ("endpoint", "named", "where"),
    [
        ("http://127.0.0.1:5000", "", "http://127.0.0.1:5000"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:6000", "http://127.0.0.1:6000"),
        ("https://vpce-1.logs.eu-west-1.vpce.amazonaws.com", "", "https://sts.eu-west-1"),
        (None, "", "https://sts.eu-west-1"),
    ],
)
def test_where_other_services_are_asked(aws_env, monkeypatch, endpoint, named, where):
    if named:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", named)
    access = Access("eu-west-1", endpoint_url=endpoint)
    assert access.service("sts").meta.endpoint_url.startswith(where)
    if endpoint:
        assert access.client.meta.endpoint_url == endpoint


def test_clients_are_made_once_whatever_threads_ask(aws_env):
    access, found = Access(), []
    start = threading.Barrier(8)

    def ask():
        start.wait()
        found.append((access.client, access.reader, access.service("sts")))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len({tuple(map(id, clients)) for clients in found}) == 1
    assert len(set(map(id, found[0]))) == 3


def test_how_requests_are_made(aws_env):
    config = Access(connections=17, attempts=3).client.meta.config
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 3}
    assert (config.connect_timeout, config.read_timeout) == (10, 30)
    assert config.max_pool_connections == 17
    assert "mlids/" in config.user_agent


def test_the_reader_hands_on_pages_and_the_client_does_not(server):
    running = server({GROUP: {"web": [Record(1_736_764_245_000, "hello")]}})
    access = Access(endpoint_url=running.url)
    page = answers.taken(access.reader.filter_log_events(logGroupName=GROUP))
    assert isinstance(page, Answer) and page.events[0].message == "hello"
    plain = access.client.filter_log_events(logGroupName=GROUP)
    assert plain["events"][0]["message"] == "hello"


def most_in_a_second(calls, operation):
    times = [call.moment for call in calls if call.operation == operation]
    return max(sum(1 for t in times if start <= t < start + 0.95) for start in times)


def test_every_attempt_keeps_the_pace_of_its_kind(server):
    running = server({GROUP: {}}, break_every=3, kinds=("before",))
    access = Access(endpoint_url=running.url, requests_per_second=4)

    def work():
        for _ in range(3):
            access.client.describe_log_groups(limit=1)
            access.reader.filter_log_events(logGroupName=GROUP)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for operation in ("DescribeLogGroups", "FilterLogEvents"):
        assert len([c for c in running.calls if c.operation == operation]) > 9
        assert most_in_a_second(running.calls, operation) <= 4
    assert access.pace.waited > 1


def test_zero_requests_a_second_sets_no_bound(server):
    running = server({GROUP: {}})
    access = Access(endpoint_url=running.url, requests_per_second=0)
    began = time.monotonic()
    for _ in range(30):
        access.client.describe_log_groups(limit=1)
    assert time.monotonic() - began < 3


def test_no_secret_is_shown_in_repr_traceback_or_our_log(server):
    running = server({GROUP: {}}, errors={"*": "AccessDeniedException"})
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("mlids")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        access = Access(
            aws_access_key_id="AKIAC4N4RY",
            aws_secret_access_key=CANARY,
            aws_session_token=CANARY,
            external_id=CANARY,
            endpoint_url=running.url.replace("://", f"://user:{CANARY.replace('/', '')}@"),
            attempts=1,
        )
        texts = [repr(access), str(access), f"{access!r}", repr(access.pace)]
        try:
            access.client.describe_log_groups()
        except Exception as error:
            texts += [*traceback.format_exception(error), repr(error)]
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
    assert access.__repr__().startswith("Access(region='us-east-1', endpoint='http://127.0.0.1:")
    shown = "\n".join([*texts, stream.getvalue()])
    assert CANARY not in shown and CANARY.replace("/", "") not in shown and "C4N4RY" not in shown


def test_repr_names_what_was_chosen(config):
    config("config", "[profile x]\nregion = eu-north-1\n")
    access = Access(profile_name="x", role_arn="arn:aws:iam::1:role/r")
    assert repr(access) == "Access(region='eu-north-1', profile='x', role='arn:aws:iam::1:role/r')"


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Mon, 13 Jan 2025 10:27:45 GMT", 180_000),
        ("Mon, 13 Jan 2025 10:33:45 GMT", 0),  # behind it nothing is missed
        ("yesterday", 7),
        (None, 7),
    ],
)
def test_the_clock_is_held_against_that_of_aws(aws_env, monkeypatch, date, ahead):
    access = Access()
    access.ahead_ms = 7
    monkeypatch.setattr("mlids.cloudwatch.access.time.time", lambda: 1_736_764_245.0)
    access._compare_clocks({"headers": {"date": date} if date else {}})
    assert access.ahead_ms == ahead


def test_answers_tell_the_time_of_aws(moto_url):
    access = Access("us-east-1", endpoint_url=moto_url)
    access.ahead_ms = 10**9
    access.client.describe_log_groups()
    assert access.ahead_ms < 60_000
