"""JSON lines: one event a line, as it is stored; invisible characters are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlids.encoders import json_safe
from mlids.events import Event


def render(events: Iterable[Event]) -> Iterator[bytes]:
    """One event a line."""
    return (json_safe(event.encoded()) + b"\n" for event in events)
