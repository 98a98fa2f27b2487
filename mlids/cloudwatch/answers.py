"""Pages of log events, decoded straight into small structs.

botocore reads an answer twice, with `json` and then shape by shape, which takes ten times as long
as all else here. So the body is decoded before it looks (its event ``before-parse``), and botocore
is left with the signing, the retries and the errors.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

OPERATIONS = ("FilterLogEvents", "GetLogEvents")
_HELD = "mlidsAnswer"  # the key under which botocore hands the page on


class LogEvent(msgspec.Struct, rename="camel", gc=False):
    """One event. timestamp, ingestion_time: ms since 1970; event_id: "" where AWS gives none."""

    timestamp: int
    message: str = ""
    ingestion_time: int = 0
    event_id: str = ""
    log_stream_name: str = ""


class Answer(msgspec.Struct, rename="camel"):
    """One page of events, and the token of the next one where there is any."""

    events: list[LogEvent] = []
    next_token: str | None = None
    next_forward_token: str | None = None

    @property
    def token(self) -> str | None:
        """What asks for the next page, of whichever operation it was."""
        return self.next_forward_token if self.next_token is None else self.next_token


_decoder = msgspec.json.Decoder(Answer)


def decoded(body: bytes) -> Answer:
    """The page in a body. Raises `msgspec.DecodeError` for anything else.

    Half of a surrogate pair and bytes that are no UTF-8 become U+FFFD: what is written must be
    text that everybody can read.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError):
        return _repaired(body)


def _repaired(body: bytes) -> Answer:
    try:
        value = json.loads(body.decode("utf-8", "replace"))
        text = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
        return _decoder.decode(text.decode("utf-16", "replace").encode())
    except (ValueError, RecursionError) as error:
        raise msgspec.DecodeError(f"no page of log events: {error}") from error


def install(client: Any) -> None:
    """Let a boto3 client hand on pages as `Answer`; `taken` gets them out of its responses."""
    for operation in OPERATIONS:
        client.meta.events.register(f"before-parse.cloudwatch-logs.{operation}", _before_parse)


def taken(response: dict[str, Any]) -> Answer:
    """The page in what a client gave on which `install` was called."""
    answer = response[_HELD]
    assert isinstance(answer, Answer)
    return answer


def _before_parse(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    if response_dict["status_code"] == 200:  # errors are botocore's
        customized_response_dict[_HELD] = decoded(response_dict["body"])
        response_dict["body"] = b"{}"
