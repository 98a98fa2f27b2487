import errno
import socket

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from mlids.cloudwatch import catalog
from mlids.cloudwatch.access import Access
from mlids.cloudwatch.faults import code_of, is_fault, is_passing, told
from mlids.errors import MLIDSError

GROUP = "/ecs/app"


def refusal(code, message="", operation="FilterLogEvents", status=400):
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (exceptions.NoCredentialsError(), "E201", 3),
        (exceptions.PartialCredentialsError(provider="env", cred_var="secret"), "E201", 3),
        (exceptions.CredentialRetrievalError(provider="sso", error_msg="x"), "E201", 3),
        (exceptions.ProfileNotFound(profile="x"), "E201", 3),
        (exceptions.ConfigParseError(path="/x"), "E201", 3),
        (exceptions.UnauthorizedSSOTokenError(), "E202", 3),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="x"), "E202", 3),
        (exceptions.InvalidRegionError(region_name="us east 1"), "E205", 3),
        (exceptions.NoRegionError(), "E205", 3),
        (exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), "E206", 75),
        (exceptions.ConnectTimeoutError(endpoint_url="https://x"), "E206", 75),
        (exceptions.ReadTimeoutError(endpoint_url="https://x"), "E206", 75),
        (exceptions.ConnectionClosedError(endpoint_url="https://x"), "E206", 75),
        (exceptions.SSLError(endpoint_url="https://x", error="self signed"), "E206", 75),
        (exceptions.ProxyConnectionError(proxy_url="http://x"), "E206", 75),
        (exceptions.HTTPClientError(error="x"), "E206", 75),
        (exceptions.CapacityNotAvailableError(), "E207", 75),
        (exceptions.ParamValidationError(report="a\nb"), "E209", 3),
        (ValueError("Invalid endpoint: x"), "E209", 3),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "E106", 3),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "E004", 3),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), "E007", 3),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "E206", 75),
        (socket.gaierror(-2, "Name or service not known"), "E206", 75),
        (TimeoutError("timed out"), "E206", 75),
        (ResponseParserError("no page of log events"), "E207", 75),
        (RuntimeError("odd"), "E209", 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_goes_wrong_here_and_on_the_way(error, code, status):
    found = told(error, group=GROUP, region="eu-west-1")
    assert (found.code, found.exit_status) == (code, status)
    assert found.message and "\n" not in found.message


@pytest.mark.parametrize(
    ("aws", "code", "status"),
    [
        *((name, "E202", 3) for name in ("ExpiredToken", "ExpiredTokenException", "AuthFailure")),
        *((name, "E202", 3) for name in ("UnrecognizedClientException", "InvalidClientTokenId")),
        *((name, "E202", 3) for name in ("InvalidSignatureException", "SignatureDoesNotMatch")),
        *((name, "E202", 3) for name in ("IncompleteSignature", "RequestExpired")),
        ("MissingAuthenticationTokenException", "E202", 3),
        *((name, "E203", 3) for name in ("AccessDeniedException", "AccessDenied")),
        ("ResourceNotFoundException", "E204", 3),
        *((name, "E207", 75) for name in ("ThrottlingException", "TooManyRequestsException")),
        *((name, "E207", 75) for name in ("LimitExceededException", "InternalFailure")),
        ("ServiceUnavailableException", "E207", 75),
        *((name, "E209", 3) for name in ("InvalidParameterException", "MalformedQueryException")),
    ],
)
def test_what_aws_refuses(aws, code, status):
    found = told(refusal(aws, "as AWS says"), group=GROUP, region="eu-west-1")
    assert (found.code, found.exit_status) == (code, status)


def test_any_answer_of_500_or_more_may_be_tried_again():
    assert told(refusal("500", status=500)).code == "E207"
    assert told(refusal("502", "<html>", status=502)).code == "E207"
    assert told(refusal("404", status=404)).code == "E209"


@pytest.mark.parametrize(
    ("operation", "group", "region", "needs"),
    [
        (
            "FilterLogEvents",
            GROUP,
            "eu-west-1",
            "needs logs:FilterLogEvents on arn:aws:logs:eu-west-1:*:log-group:/ecs/app:* ",
        ),
        (
            "GetLogEvents",
            GROUP,
            "cn-north-1",
            "needs logs:GetLogEvents on arn:aws-cn:logs:cn-north-1:*:log-group:/ecs/app:* ",
        ),
        (
            "DescribeLogGroups",
            GROUP,
            "us-gov-east-1",
            "needs logs:DescribeLogGroups on arn:aws-us-gov:logs:us-gov-east-1:*:log-group:* ",
        ),
        ("StartQuery", "arn:aws:logs:x:1:log-group:g", "x", "needs logs:StartQuery on arn:aws:logs:x:1:log-group:g "),
        ("AssumeRole", GROUP, "eu-west-1", "needs sts:AssumeRole on the role "),
        ("StartQuery", "", "", "needs logs:StartQuery on arn:aws:logs:*:*:log-group:* "),
    ],
)  # fmt: skip
def test_a_denial_names_the_action_and_what_on(operation, group, region, needs):
    error = refusal("AccessDeniedException", "User: u is not authorized", operation)
    message = told(error, group=group, region=region).message
    assert needs in message and "User: u is not authorized" in message


def test_a_missing_group_and_a_missing_stream_are_told_apart():
    gone = refusal("ResourceNotFoundException", "The specified log group does not exist.")
    for stream in ("", "web"):
        found = told(gone, group=GROUP, stream=stream, region="eu-west-1")
        assert found.message == "no log group /ecs/app in the region eu-west-1"
        assert "cloudwatch groups" in found.hint
    gone = refusal("ResourceNotFoundException", "The specified log stream does not exist.")
    found = told(gone, group=GROUP, stream="web", region="eu-west-1")
    assert found.message == "no log stream web in the group /ecs/app in the region eu-west-1"
    assert "cloudwatch list" in found.hint


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("RequestExpired", "Request has expired."),
        ("InvalidSignatureException", "Signature expired: 20250113T000000Z is now earlier than"),
        ("SignatureDoesNotMatch", "Signature not yet current: 20250113T000000Z is still later"),
    ],
)
def test_a_wrong_clock_is_said_to_be_one(code, message):
    assert "clock" in told(refusal(code, message)).message


def test_a_region_without_an_address_is_unknown_and_a_known_one_out_of_reach():
    def unreachable(region):
        url = f"https://logs.{region}.amazonaws.com/"
        return told(exceptions.EndpointConnectionError(endpoint_url=url), region=region).code

    assert unreachable("eu-west-99") == "E205"
    assert unreachable("eu-west-1") == unreachable("us-gov-west-1") == "E206"
    own = exceptions.EndpointConnectionError(endpoint_url="http://localhost:4566/")
    assert told(own, region="eu-west-99").code == "E206"


def test_no_secret_and_nothing_that_a_terminal_obeys():
    canonical = "The Canonical String should have been 'x-amz-security-token:C4NARY'"
    errors = [
        refusal("SignatureDoesNotMatch", canonical),
        refusal("InvalidSignatureException", canonical),
        exceptions.ProxyConnectionError(proxy_url="http://me:C4NARY@proxy:3128"),
        exceptions.EndpointConnectionError(endpoint_url="https://me:C4@NARY@host/"),
        refusal("InvalidParameterException", "\x1b[31m\u202e http://me:C4NARY@host"),
        refusal("ResourceNotFoundException", "no stream"),
        OSError(errno.EIO, "bad", "/x\x1b[2J"),
    ]
    for error in errors:
        found = told(error, group="\x1b]0;g", stream="\u202es\n", region="\x1b[r")
        assert "C4NARY" not in found.message and "NARY" not in found.message
        assert found.message.isprintable()


def test_a_profile_that_is_not_there_is_looked_for_in_its_files():
    assert "~/.aws" in told(exceptions.ProfileNotFound(profile="x")).hint


def test_a_long_answer_is_cut():
    assert len(told(refusal("ValidationException", "x" * 100_000)).message) < 1000


def test_our_own_errors_pass_through():
    error = MLIDSError("E210", "busy")
    assert told(error) is error and error.exit_status == 75


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (exceptions.NoCredentialsError(), True),
        (refusal("X"), True),
        (OSError("x"), True),
        (ValueError("Invalid endpoint: x"), True),
        (ValueError("x"), False),
        (KeyError("x"), False),
        (ResponseParserError("x"), True),
    ],
)
def test_mistakes_in_programs_are_no_faults(error, known):
    assert is_fault(error) is known


def test_the_code_of_an_error():
    assert code_of(refusal("X")) == "X"
    assert code_of(ValueError()) == code_of(exceptions.NoCredentialsError()) == ""


def caught(access, **asked):
    with pytest.raises(Exception) as found:
        catalog.list_log_streams(access, GROUP, **asked)
    return told(found.value, group=GROUP, region=access.region)


def test_real_errors_of_moto_and_of_ports_that_nobody_serves(moto_url, free_port, monkeypatch):
    found = caught(Access(endpoint_url=moto_url))
    assert (found.code, found.message) == ("E204", "no log group /ecs/app in the region us-east-1")
    found = caught(Access(endpoint_url=f"http://127.0.0.1:{free_port}", attempts=1))
    assert (found.code, found.exit_status) == ("E206", 75)
    found = caught(Access(endpoint_url=moto_url.replace("http:", "https:"), attempts=1))
    assert found.code == "E206"
    assert caught(Access("us east 1")).code == "E205"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert caught(Access(endpoint_url=moto_url)).code == "E201"


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ({"denied": frozenset({"DescribeLogStreams"})}, "E203"),
        ({"throttle": 1.0}, "E207"),
        ({"unavailable": 99}, "E207"),
        ({"expire_after": 0}, "E202"),
        ({"errors": {"*": "UnrecognizedClientException"}}, "E202"),
        ({"errors": {"*": "InvalidParameterException"}}, "E209"),
        ({"breaks": 1.0, "kinds": ("before",)}, "E206"),
        ({"breaks": 1.0, "kinds": ("body",)}, "E206"),
    ],
    ids=str,
)
def test_real_answers_of_a_server(server, faults, code):
    running = server({GROUP: {}}, **faults)
    assert caught(Access(endpoint_url=running.url, attempts=1)).code == code


def test_what_may_go_well_a_little_later():
    passing = [
        exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:9"),
        refusal("ThrottlingException"),
        refusal("Strange", status=503),
    ]
    lasting = [refusal("AccessDeniedException"), exceptions.NoCredentialsError(), KeyError("x")]
    assert [is_passing(error) for error in passing + lasting] == [True] * 3 + [False] * 3
