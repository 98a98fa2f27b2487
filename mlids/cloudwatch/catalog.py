"""Log groups and streams, and what the credentials allow, as plain dicts.

Sources: the CloudWatch Logs API reference (DescribeLogGroups, DescribeLogStreams).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from mlids.cloudwatch.access import Access
from mlids.cloudwatch.faults import DENIED, REFUSED, code_of
from mlids.cloudwatch.periods import Moment, formatted, moment_ms

_log = logging.getLogger(__name__)

ORDERS = ("LastEventTime", "LogStreamName")
ACTIONS = ("DescribeLogGroups", "DescribeLogStreams", "FilterLogEvents", "GetLogEvents")

_LATE_MS = 86_400_000  # AWS brings lastEventTimestamp up to date within an hour, "in rare cases
# longer"; a stream whose time is a day older than a period has nothing in it
_PAGE = 50  # the most that AWS gives at once
_ATTEMPTS = 5  # at a page that cannot be read
_PAUSE_S = 0.5  # before the second of them, twice as long before each further one
_BEGINNINGS = 3  # of a list whose token is of no use any more
_STALLS = 3  # how often a token that leads to nothing new is asked for
_IDLE = 500  # pages in a row with nothing new, after which AWS is not believed any more


def list_log_streams(
    access: Access,
    group: str,
    limit: int | None = None,
    start_time: Moment = None,
    end_time: Moment = None,
    order_by: str = "LastEventTime",
    descending: bool = True,
) -> list[dict[str, Any]]:
    """The streams of a group in AWS's order, those alone with events in the period if one is given.

    Each has logStreamName, creationTime, firstEventTimestamp, lastEventTimestamp (ms since 1970),
    each time again as text (creationTimeFormatted, firstEventTimeFormatted,
    lastEventTimeFormatted) and storedBytes; None where AWS does not say.
    limit: how many of them. AWS tells a stream's last event with a delay of up to an hour.
    Raises ValueError for a wrong order, limit or period, and botocore's errors.
    """
    if order_by not in ORDERS:
        raise ValueError(f"order_by: {order_by!r} is none of {', '.join(ORDERS)}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit: {limit} is less than 1")
    start, end = moment_ms(start_time), moment_ms(end_time, end=True)
    if start is not None and end is not None and start > end:
        raise ValueError("start_time is after end_time")
    by_time = order_by == "LastEventTime" and descending
    found: list[dict[str, Any]] = []
    asked = {"logGroupName": group, "orderBy": order_by, "descending": descending}
    for page in _pages(access.client.describe_log_streams, "logStreams", "logStreamName", asked):
        found += [_stream(one) for one in page if _meets(one, start, end)]
        if limit is not None and len(found) >= limit:
            return found[:limit]
        if start is not None and by_time and _is_long_past(page, start):
            break
    return found


def log_stream(access: Access, group: str, name: str) -> dict[str, Any]:
    """One stream, as `list_log_streams` describes it.

    Raises botocore's errors, ``client.exceptions.ResourceNotFoundException`` where there is none.
    """
    asked = {"logGroupName": group, "logStreamNamePrefix": name}
    for page in _pages(access.client.describe_log_streams, "logStreams", "logStreamName", asked):
        for raw in page:
            if raw.get("logStreamName") == name:
                return _stream(raw)
    raise _absent(access, "stream", "DescribeLogStreams")


def _meets(stream: dict[str, Any], start: int | None, end: int | None) -> bool:
    """Whether [first event, last event] and [start, end] have a moment in common."""
    if start is None and end is None:
        return True
    first, last = stream.get("firstEventTimestamp"), stream.get("lastEventTimestamp")
    if first is None and last is None:
        return False
    is_before = last is not None and start is not None and last < start
    is_behind = first is not None and end is not None and first > end
    return not is_before and not is_behind


def _is_long_past(page: list[dict[str, Any]], start: int) -> bool:
    last = page[-1].get("lastEventTimestamp") if page else None
    return last is not None and last < start - _LATE_MS


def _stream(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "logStreamName": raw.get("logStreamName"),
        "creationTime": raw.get("creationTime"),
        "creationTimeFormatted": formatted(raw.get("creationTime")),
        "firstEventTimestamp": raw.get("firstEventTimestamp"),
        "firstEventTimeFormatted": formatted(raw.get("firstEventTimestamp")),
        "lastEventTimestamp": raw.get("lastEventTimestamp"),
        "lastEventTimeFormatted": formatted(raw.get("lastEventTimestamp")),
        "storedBytes": raw.get("storedBytes"),
    }


def log_groups(access: Access, prefix: str = "") -> list[dict[str, Any]]:
    """The groups of the region whose names begin so, as `log_group_info` describes each."""
    return [_group(raw) for page in _groups(access, prefix) for raw in page]


def log_group_info(access: Access, group: str) -> dict[str, Any]:
    """One group: logGroupName, creationTime (ms), creationTimeFormatted, storedBytes,
    retentionInDays (None: kept for ever) and metricFilterCount.

    Raises botocore's errors, ``client.exceptions.ResourceNotFoundException`` where there is none.
    """
    for page in _groups(access, group):
        for raw in page:
            if raw.get("logGroupName") == group:
                return _group(raw)
    raise _absent(access, "group", "DescribeLogGroups")


def _absent(access: Access, what: str, operation: str) -> Exception:
    """What AWS says where there is no such group or stream, for lists in which it is not."""
    text = f"The specified log {what} does not exist."
    error = {"Error": {"Code": "ResourceNotFoundException", "Message": text}}
    found: Exception = access.client.exceptions.ResourceNotFoundException(error, operation)
    return found


def _groups(access: Access, prefix: str) -> Iterator[list[dict[str, Any]]]:
    asked = {"logGroupNamePrefix": prefix} if prefix else {}
    return _pages(access.client.describe_log_groups, "logGroups", "logGroupName", asked)


def _group(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "logGroupName": raw.get("logGroupName"),
        "creationTime": raw.get("creationTime"),
        "creationTimeFormatted": formatted(raw.get("creationTime")),
        "storedBytes": raw.get("storedBytes"),
        "retentionInDays": raw.get("retentionInDays"),
        "metricFilterCount": raw.get("metricFilterCount"),
    }


def _pages(
    call: Callable[..., dict[str, Any]], key: str, name: str, asked: dict[str, Any]
) -> Iterator[list[dict[str, Any]]]:
    """The items of each page that did not come before, to the last page.

    An empty page is not the last one, and a token may come twice: it is asked again, and where that
    does not help the list is begun anew. Raises botocore's errors, ``ResponseParserError`` where
    AWS leads nowhere: half a list must not pass for a whole one.
    """
    from botocore.parsers import ResponseParserError

    names: set[str] = set()
    for _ in range(_BEGINNINGS):
        tokens: set[str | None] = set()
        token: str | None = None
        stalls = idle = 0
        while stalls < _STALLS and idle < _IDLE:
            answer = _answer(call, key, asked, token)
            if answer is None:  # the token is not good any more
                break
            fresh = [one for one in answer[key] if one.get(name) not in names]
            names.update(one.get(name, "") for one in fresh)
            yield fresh
            tokens.add(token)
            token = answer.get("nextToken")
            if not token:
                return
            stalls = stalls + 1 if token in tokens and not fresh else 0
            idle = 0 if fresh else idle + 1
            if stalls == _STALLS and not answer[key]:
                return  # nothing more, again and again
    raise ResponseParserError(f"{key}: AWS sends pages that lead nowhere")


def _answer(
    call: Callable[..., dict[str, Any]], key: str, asked: dict[str, Any], token: str | None
) -> dict[str, Any] | None:
    """One page of a list; None where AWS does not know the token any more.

    botocore takes a body that was cut short for an empty answer, so the list must be in it.
    """
    from botocore.exceptions import ClientError
    from botocore.parsers import ResponseParserError

    for attempt in range(_ATTEMPTS):
        try:
            answer = call(**asked, limit=_PAGE, **({"nextToken": token} if token else {}))
        except ClientError as error:
            if token and code_of(error) == "InvalidParameterException":
                return None
            raise
        if isinstance(answer.get(key), list):
            return answer
        time.sleep(_PAUSE_S * 2**attempt)
    raise ResponseParserError(f"{key}: AWS answers without a list")


def credentials_valid(access: Access) -> bool:
    """Whether AWS accepts the credentials, whatever they allow.

    False where there are none, or they are refused or expired. Raises what else went wrong.
    """
    from botocore import exceptions

    try:
        access.client.describe_log_groups(limit=1)
    except exceptions.ClientError as error:
        code = code_of(error)
        if code in DENIED and error.operation_name == "DescribeLogGroups":
            return True
        if code in DENIED | REFUSED:  # a role that may not be assumed gives no credentials
            return False
        raise
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.SSOError,
        exceptions.LoginError,
        exceptions.TokenRetrievalError,
        exceptions.RefreshWithMFAUnsupportedError,
    ):
        return False
    return True


def identity(access: Access) -> dict[str, str] | None:
    """Whose credentials these are: `account`, `arn`; None where AWS (STS) does not say."""
    try:
        answer = access.service("sts").get_caller_identity()
        return {"account": answer["Account"], "arn": answer["Arn"]}
    except Exception as error:  # STS may be out of reach where CloudWatch is not
        _log.debug("identity unknown: %s", type(error).__name__)
        return None


def permissions(access: Access, group: str) -> dict[str, bool | None]:
    """Whether each of `ACTIONS` is allowed on a group; None where AWS does not tell now.

    Each is tried once, for one item at most. AWS looks at the rights first, so that a group which
    does not exist can still be asked for. Raises botocore's errors but for denials.
    """
    client = access.client
    allowed: dict[str, bool | None] = {}
    on_group: dict[str, Any] = {"logGroupName": group, "limit": 1}
    allowed["DescribeLogGroups"], _ = _tried(client.describe_log_groups, limit=1)
    allowed["DescribeLogStreams"], answer = _tried(client.describe_log_streams, **on_group)
    streams = answer.get("logStreams") or [{"logStreamName": "mlids"}]
    instant = {"startTime": 0, "endTime": 1}
    allowed["FilterLogEvents"], _ = _tried(client.filter_log_events, **on_group, **instant)
    stream = streams[0]["logStreamName"]
    allowed["GetLogEvents"], _ = _tried(
        client.get_log_events, logStreamName=stream, **on_group, **instant
    )
    return allowed


def _tried(call: Callable[..., dict[str, Any]], **asked: Any) -> tuple[bool | None, dict[str, Any]]:
    from botocore.exceptions import ClientError

    try:
        return True, call(**asked)
    except ClientError as error:
        code = code_of(error)
        if code in REFUSED:
            raise
        known = {"ResourceNotFoundException": True, "InvalidParameterException": True}
        return (False if code in DENIED else known.get(code)), {}
