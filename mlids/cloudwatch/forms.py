"""The forms in which events are written: text, one JSON document, JSON lines.

Each is made so that more can be put behind what is there; only the document has a head (of one
length, whatever the count turns out to be) and a tail.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from mlids.cloudwatch.answers import LogEvent
from mlids.cloudwatch.periods import formatted

COUNT_DIGITS = 18


class Form(Protocol):
    """How events become bytes."""

    name: str
    suffix: str

    def head(self, group: str, stream: str, exported_at: str, total: int) -> bytes:
        """What stands in front; of the same length for any time and total."""

    def lines(self, events: Iterable[LogEvent], first: bool) -> bytes:
        """The events. first: nothing stands in front of them but the head."""

    def tail(self, total: int) -> bytes:
        """What stands behind."""


class Text:
    """``[2025-01-01 10:00:00] message``: time in UTC; further lines of a message begin with a tab.

    So each line that begins with a bracket begins an event, whatever a message holds.
    """

    name, suffix = "text", ".log"

    def head(self, group: str, stream: str, exported_at: str, total: int) -> bytes:
        """Nothing."""
        return b""

    def lines(self, events: Iterable[LogEvent], first: bool) -> bytes:
        """A line an event, or more where its message has more."""
        return "".join(
            [f"[{formatted(event.timestamp)}] {_tabbed(event.message)}\n" for event in events]
        ).encode()

    def tail(self, total: int) -> bytes:
        """Nothing."""
        return b""


def _tabbed(message: str) -> str:
    if "\n" not in message:
        return message
    return message.removesuffix("\n").removesuffix("\r").replace("\n", "\n\t")


class _Shown(msgspec.Struct, rename="camel"):
    timestamp: int
    timestamp_formatted: str
    message: str


class Document:
    """One JSON object: the names, exportedAt, totalEvents, and events, one a line."""

    name, suffix = "json", ".json"

    def head(self, group: str, stream: str, exported_at: str, total: int) -> bytes:
        """Up to the first event; the count is padded, as it is not known before the last one."""
        names = {"logGroupName": group, "logStreamName": stream, "exportedAt": exported_at}
        shown = "".join(f"  {_text(key)}: {_text(value)},\n" for key, value in names.items())
        count = f"{total},".ljust(COUNT_DIGITS)
        return f'{{\n{shown}  "totalEvents": {count}\n  "events": ['.encode()

    def lines(self, events: Iterable[LogEvent], first: bool) -> bytes:
        """An object an event, each behind a comma but the first."""
        encode = msgspec.json.encode
        shown = [
            encode(_Shown(event.timestamp, formatted(event.timestamp), event.message))
            for event in events
        ]
        start = b"\n    " if first else b",\n    "
        return start + b",\n    ".join(shown) if shown else b""

    def tail(self, total: int) -> bytes:
        """The brackets."""
        return b"\n  ]\n}\n" if total else b"]\n}\n"


class Lines:
    """A JSON object a line, with all that AWS says of an event."""

    name, suffix = "jsonl", ".jsonl"

    def head(self, group: str, stream: str, exported_at: str, total: int) -> bytes:
        """Nothing."""
        return b""

    def lines(self, events: Iterable[LogEvent], first: bool) -> bytes:
        """A line an event."""
        encode = msgspec.json.encode
        return b"".join([encode(event) + b"\n" for event in events])

    def tail(self, total: int) -> bytes:
        """Nothing."""
        return b""


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()


FORMS: dict[str, Form] = {form.name: form for form in (Text(), Document(), Lines())}
