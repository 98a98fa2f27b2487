"""What AWS and botocore refuse, each as one line with a code, for people and for cron.

Python callers get botocore's own errors; commands and the monitor tell them through `told`.
Sources: the lists of common errors in the API references of CloudWatch Logs and STS, and
`botocore.exceptions`.
"""

from __future__ import annotations

import errno
import re
import socket
from functools import lru_cache
from typing import Any

from mlids.encoders import terminal_safe
from mlids.errors import TRY_AGAIN, MLIDSError

DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"}
)
LATE = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
SIGNATURE = frozenset(
    {
        *("InvalidSignatureException", "SignatureDoesNotMatch"),
        *("IncompleteSignature", "IncompleteSignatureException"),
    }
)
UNKNOWN = frozenset(
    {
        *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"),
        *("InvalidToken", "AuthFailure", "NotSignedUp", "OptInRequired"),
        *("MissingAuthenticationToken", "MissingAuthenticationTokenException"),
    }
)
REFUSED = LATE | EXPIRED | SIGNATURE | UNKNOWN
BUSY = frozenset(
    {
        *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"),
        *("TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException"),
        *("ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout"),
        *("InternalFailure", "InternalError", "InternalServerError", "InternalServiceException"),
    }
)
# Classes of botocore (and their subclasses) by code; the first that fits counts.
_CLASSES = {
    "E201": (
        *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
        *("ProfileNotFound", "ConfigParseError", "ConfigNotFound", "InvalidConfigError"),
        *("MetadataRetrievalError", "UnknownCredentialError"),
    ),
    "E202": (
        *("SSOError", "LoginError", "TokenRetrievalError", "NoAuthTokenError"),
        "RefreshWithMFAUnsupportedError",
    ),
    "E205": ("InvalidRegionError", "NoRegionError", "UnknownRegionError", "UnknownEndpointError"),
    "E207": ("CapacityNotAvailableError",),
    "E206": (
        *("ConnectionError", "HTTPClientError", "ReadTimeoutError", "IncompleteReadError"),
        "ChecksumError",
    ),
}
_STS = frozenset(
    {"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetCallerIdentity"}
)
_WHOLE_REGION = frozenset({"DescribeLogGroups", "GetQueryResults", "StopQuery"})
_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso"}
_SHOWN = 400  # characters of a text of AWS


def code_of(error: Exception) -> str:
    """AWS's code of a `ClientError`, such as ``ThrottlingException``; "" of any other error."""
    response: dict[str, Any] = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def is_fault(error: Exception) -> bool:
    """Whether the error is AWS's, botocore's or the system's, and no mistake in a program."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    known = BotoCoreError | ClientError | ResponseParserError | OSError | MLIDSError
    return isinstance(error, known) or _is_bad_endpoint(error)


def is_passing(error: Exception) -> bool:
    """Whether the same may go well a little later: AWS is out of reach, throttles or fails."""
    return is_fault(error) and told(error).exit_status == TRY_AGAIN


def told(error: Exception, *, group: str = "", stream: str = "", region: str = "") -> MLIDSError:
    """The error in one line that shows no secret and can be shown on a terminal.

    group, stream, region: what was asked for. A `MLIDSError` is given back as it is.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    if isinstance(error, MLIDSError):
        return error
    group, stream, region = map(terminal_safe, (group, stream, region))
    if isinstance(error, ClientError):
        return _refusal(error, group, stream, region)
    if isinstance(error, BotoCoreError):
        return _failure(error, region)
    if isinstance(error, OSError):
        return _system(error)
    if isinstance(error, ResponseParserError):
        return MLIDSError("E207", f"AWS's answers make no sense: {_line(error)}")
    if _is_bad_endpoint(error):
        hint = "an endpoint URL looks like https://logs.eu-west-1.amazonaws.com"
        return MLIDSError("E209", _line(error), hint)
    return MLIDSError("E209", f"{type(error).__name__}: {_line(error)}")


def _refusal(error: Any, group: str, stream: str, region: str) -> MLIDSError:
    """What AWS answered."""
    code, operation = _line(code_of(error)), str(error.operation_name)
    text = _line(error.response.get("Error", {}).get("Message", "") or code)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in REFUSED:
        return _refused_credentials(code, text)
    if code in DENIED:
        action, resource = _action(operation), _resource(operation, group, region)
        return MLIDSError("E203", f"permission denied: needs {action} on {resource} ({text})")
    if code == "ResourceNotFoundException":
        return _not_found(text, group, stream, region)
    if code in BUSY or status >= 500:
        return MLIDSError("E207", f"AWS refuses {operation} for now: {code} ({text})")
    return MLIDSError("E209", f"AWS refused {operation}: {code} ({text})")


def _refused_credentials(code: str, text: str) -> MLIDSError:
    """For a wrong signature AWS shows the request that it expected, session token and all."""
    skewed = re.search(r"signature (expired|not yet current)|too skewed", text, re.IGNORECASE)
    if code in LATE or skewed:
        message = "AWS refuses the time of the request: the clock of this machine is wrong"
        return MLIDSError("E202", f"{message} ({code})", "set the clock: timedatectl shows it")
    if code in EXPIRED:
        return MLIDSError("E202", f"the AWS credentials have expired ({code})")
    if code in SIGNATURE:
        message = f"AWS refuses the signature ({code}): the secret key does not fit the key id"
        return MLIDSError("E202", message, "check AWS_SECRET_ACCESS_KEY, and this machine's clock")
    return MLIDSError("E202", f"AWS does not know these credentials ({code})")


def _not_found(text: str, group: str, stream: str, region: str) -> MLIDSError:
    place = f" in the region {region}" if region else ""
    if stream and "log group" not in text.lower():
        hint = "python index.py cloudwatch list shows the streams of the group"
        what = f"no log stream {stream} in the group {group}"
        return MLIDSError("E204", what + place, hint)
    if group:
        return MLIDSError("E204", f"no log group {group}{place}")
    return MLIDSError("E204", f"{text}{place}")


def _failure(error: Any, region: str) -> MLIDSError:
    """What botocore could not do."""
    from botocore import exceptions

    code = next((code for code in _CLASSES if isinstance(error, _classes(code))), "E209")
    if code == "E206":
        return _unreachable(error, region)
    is_file = isinstance(error, exceptions.ProfileNotFound | exceptions.ConfigParseError)
    hint = "check --profile, AWS_PROFILE and the files in ~/.aws" if is_file else ""
    return MLIDSError(code, _line(error), hint)


def _classes(code: str) -> tuple[type[Exception], ...]:
    """The classes of a code that this botocore has."""
    from botocore import exceptions

    return tuple(getattr(exceptions, n) for n in _CLASSES[code] if hasattr(exceptions, n))


def _unreachable(error: Any, region: str) -> MLIDSError:
    from botocore.exceptions import EndpointConnectionError, SSLError

    if isinstance(error, EndpointConnectionError):
        url = str(error.kwargs.get("endpoint_url", ""))
        if f".{region}." in url and "amazonaws" in url and region not in _regions():
            return MLIDSError("E205", f"AWS has no region {region}, or none that is known")
    if isinstance(error, SSLError):
        hint = "where a proxy has a certificate of its own, name it with AWS_CA_BUNDLE"
        return MLIDSError("E206", _line(error), hint)
    return MLIDSError("E206", _line(error))


def _system(error: OSError) -> MLIDSError:
    """What the operating system refused."""
    named = f"{_line(error.filename)}: " if isinstance(error.filename, str) else ""
    text = named + _line(error.strerror or error)
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return MLIDSError("E206", text)
    if isinstance(error, PermissionError):
        return MLIDSError("E004", text, "choose a folder that this user may write to")
    if isinstance(error, FileNotFoundError):
        return MLIDSError("E007", text)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "free space, then run the same command again" if full else "choose another file"
    return MLIDSError("E106", text, hint)


def _is_bad_endpoint(error: Exception) -> bool:
    """Botocore has no class of its own for it."""
    return isinstance(error, ValueError) and str(error).startswith("Invalid endpoint")


def _action(operation: str) -> str:
    """The IAM action: that of the operation's name, but for other services than CloudWatch Logs."""
    service = "sts" if operation in _STS else "sso" if "RoleCredentials" in operation else "logs"
    return f"{service}:{operation}"


def _resource(operation: str, group: str, region: str) -> str:
    if operation in _STS:
        return "the role"
    if not group or operation in _WHOLE_REGION:
        group = "*"
    elif not group.startswith("arn:"):
        group += ":*"
    else:
        return group
    partition = next((p for start, p in _PARTITIONS.items() if region.startswith(start)), "aws")
    return f"arn:{partition}:logs:{region or '*'}:*:log-group:{group}"


@lru_cache(maxsize=1)
def _regions() -> frozenset[str]:
    """The regions that this boto3 knows."""
    import boto3

    session = boto3.Session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("logs", partition)
    )


def _line(text: object) -> str:
    """One line that a terminal can show, without user and password of addresses in it."""
    line = " ".join(str(text).split())
    return terminal_safe(re.sub(r"//[^/\s]*@", "//", line), _SHOWN)
