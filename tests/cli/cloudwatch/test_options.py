import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from botocore.exceptions import ClientError

from mlids.cli.cloudwatch import options
from mlids.cli.cloudwatch.options import Moment
from mlids.cloudwatch import extractor
from mlids.cloudwatch.access import Access
from mlids.errors import MLIDSError
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
DAY = 1_736_726_400_000  # 2025-01-13


@pytest.mark.parametrize(
    ("text", "end", "ms"),
    [
        ("2025-01-13", False, DAY),
        ("2025-01-13", True, DAY + 86_399_999),
        ("2025-01-13T00:00", True, DAY),
        ("2025-01-13T02:00+02:00", False, DAY),
    ],
)
def test_moments(text, end, ms):
    assert Moment(end).convert(text, None, None) == ms


@pytest.mark.parametrize("end", [False, True])
def test_so_long_ago(end):
    found = Moment(end).convert("2h", None, None)
    assert abs(time.time() * 1000 - 7_200_000 - found) < 5000


@pytest.mark.parametrize("text", ["", "soon", "7x", "2025-13-01", "1736726400000", "nan"])
def test_anything_else_is_refused(text):
    with pytest.raises(click.BadParameter, match="is no time"):
        Moment().convert(text, None, None)


def test_the_group_is_that_of_the_extractor():
    assert options.GROUP == extractor.GROUP


def asked(*arguments):
    """The period that a command with these options gets."""

    @click.command()
    @options.period
    def command(start, end):
        return start, end

    return command.main(list(arguments), standalone_mode=False)


def test_a_period_needs_neither_end():
    assert asked() == (None, None)
    assert asked("--start-date", "2025-01-13") == (DAY, None)
    assert asked("--end-date", "2025-01-13") == (None, DAY + 86_399_999)


def test_days_count_back_from_the_end():
    start, end = asked("--days", "0.5")
    assert end is None and abs(time.time() * 1000 - 43_200_000 - start) < 5000
    assert asked("--days", "1", "--end-date", "2025-01-13") == (DAY - 1, DAY + 86_399_999)
    assert asked("--days", "36500", "--end-date", "2025-01-13")[0] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        ("--days", "0"),
        ("--days", "-1"),
        ("--days", "nan"),
        ("--days", "inf"),
        ("--days", "1", "--start-date", "2025-01-13"),
        ("--start-date", "2025-01-14", "--end-date", "2025-01-13"),
        ("--start-date", "2999-01-01"),
        ("--start-date", "soon"),
    ],
    ids=" ".join,
)
def test_periods_that_are_none_are_wrong_use(wrong):
    with pytest.raises(click.UsageError):
        asked(*wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--endpoint-url", "nonsense"),
        ("--requests-per-second", "-1"),
        ("--requests-per-second", "nan"),
        ("--nonsense",),
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_in_a_clear_line(typed, wrong):
    done = typed("groups", *wrong)
    assert done.returncode == 2
    assert "Error:" in done.stderr and "Traceback" not in done.stderr


def test_options_reach_the_access(aws_env):
    access = options.made(
        "eu-west-3", None, "arn:aws:iam::1:role/r", "x", "http://localhost:1", 0.5
    )
    assert access.region == "eu-west-3" and access.role == "arn:aws:iam::1:role/r"
    assert access.pace.per_second == 0.5
    assert access.client.meta.endpoint_url == "http://localhost:1"


@pytest.mark.parametrize(
    ("arguments", "faults", "code", "status"),
    [
        (("--region", "us east 1"), {}, "E205", 3),
        (("--profile", "none"), {}, "E201", 3),
        ((), {"errors": {"*": "ExpiredTokenException"}}, "E202", 3),
        ((), {"denied": frozenset({"DescribeLogGroups"})}, "E203", 3),
        ((), {"errors": {"*": "InvalidParameterException"}}, "E209", 3),
    ],
)
def test_errors_of_aws_become_codes_and_an_exit_status(
    typed, server, arguments, faults, code, status
):
    running = server({GROUP: {}}, **faults)
    done = typed("groups", *arguments, at=running.url)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(code) and "Traceback" not in done.stderr


def test_no_network_and_throttling_may_be_tried_again(typed, server, free_port, monkeypatch):
    monkeypatch.setitem(Access.__init__.__kwdefaults__, "attempts", 1)
    done = typed("groups", at=f"http://127.0.0.1:{free_port}")
    assert done.returncode == 75 and done.stderr.startswith("E206")
    done = typed("groups", at=server({GROUP: {}}, throttle=1.0).url)
    assert done.returncode == 75 and done.stderr.startswith("E207")


def test_no_credentials(typed, server, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    done = typed("info", at=server({GROUP: {}}).url)
    assert done.returncode == 3 and done.stderr.startswith("E201")


def test_a_missing_group_is_named_with_the_region(typed, server, monkeypatch):
    running = server({GROUP: {}})
    done = typed("list", "--log-group", "/none", "--region", "eu-west-3", at=running.url)
    assert done.returncode == 3
    assert "E204 no log group /none in the region eu-west-3" in done.stderr
    monkeypatch.setenv("MLIDS_LOG_GROUP", "/of/the/environment")
    assert "/of/the/environment" in typed("info", at=running.url).stderr


@pytest.mark.parametrize(
    ("streams", "told"),
    [(("web",), "no log stream web in the group /g in"), (("web", "db"), "no log group /g in")],
)
def test_a_missing_stream_is_named_where_it_is_the_only_one(aws_env, streams, told):
    answer = {"Error": {"Code": "ResourceNotFoundException", "Message": "It does not exist."}}

    @click.command()
    @options.log_group
    @click.argument("streams", nargs=-1)
    @options.aws
    def command(access, log_group, streams):
        raise ClientError(answer, "GetLogEvents")

    with pytest.raises(MLIDSError, match=told):
        command.main(["--log-group", "/g", *streams], standalone_mode=False)


def test_mistakes_of_our_own_are_not_called_aws_errors():
    @click.command()
    @options.aws
    def command(access):
        raise KeyError("mistake")

    with pytest.raises(KeyError):
        command.main([], standalone_mode=False)


@pytest.mark.parametrize("error", [BrokenPipeError(), click.UsageError("x"), KeyboardInterrupt()])
def test_what_the_console_deals_with_passes(error):
    @click.command()
    @options.aws
    def command(access):
        raise error

    with pytest.raises((type(error), click.exceptions.Abort)):
        command.main([], standalone_mode=False)


def test_as_a_user_types_it(aws_env, server, tmp_path):
    running = server({GROUP: {"web": [Record(DAY, "x")]}})
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(root / "index.py"), "cloudwatch", "list", "--log-group", GROUP,
         "--endpoint-url", running.url],
        capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ), timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].endswith("  web")
