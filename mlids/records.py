"""Records of the event store: the events that the lines of its files hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mlids import segments
from mlids.events import Event, Severity

_log = logging.getLogger(__name__)


def events(path: Path, needle: bytes = b"") -> Iterator[Event]:
    """The events of one file; a line that is none is passed over, with a word in the log.

    needle: only lines that have these bytes, in whatever case. Raises EOFError where the file is
    damaged, behind the last event that could be read.
    """
    for number, line in enumerate(segments.lines(path), 1):
        if needle and needle not in line.lower():
            continue
        try:
            event = Event.decode(line)
        except (msgspec.DecodeError, TypeError, ValueError):  # no JSON, or no object
            event = Event()
        if is_whole(event):
            yield event
        else:
            _log.warning("%s: line %d is no event", path, number)


def is_whole(event: Event) -> bool:
    """True where what is asked of every event is there: somebody may have edited the file."""
    stamp = event.get("timestamp")
    return (
        isinstance(stamp, str)
        and stamp[10:11] == "T"
        and stamp[11:13].isdecimal()
        and event.get("severity") in _SEVERITIES
        and isinstance(event.get("type"), str)
        and isinstance(event.get("source"), str)
        and isinstance(event.get("details"), dict)
    )


_SEVERITIES = [severity.value for severity in Severity]  # a list: what stands there may be any type


def holds(value: object, text: str) -> bool:
    """True where a value anywhere in it has the (casefolded) text."""
    if isinstance(value, dict):
        return any(holds(inner, text) for inner in value.values())
    if isinstance(value, list):
        return any(holds(inner, text) for inner in value)
    return text in str(value).casefold()
