"""One JSON array (RFC 8259) of events, as they are stored; invisible characters are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlids.encoders import json_safe
from mlids.events import Event


def render(events: Iterable[Event]) -> Iterator[bytes]:
    """The array, one event a line."""
    separator = b"[\n"
    for event in events:
        yield separator + json_safe(event.encoded())
        separator = b",\n"
    yield b"\n]\n" if separator == b",\n" else b"[]\n"
