"""Stored events in the formats of other tools; the name of a file here is the name of its format.

Each has ``render(events)``, which yields bytes piece by piece however many events there are, and
gives the same bytes for the same events. `facts` is what formats have in common.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator

from mlids.events import Event

# Each format with the ending of its files.
ENDINGS = {
    "csv": "csv",
    "json": "json",
    "jsonl": "jsonl",
    "ecs": "ecs.jsonl",
    "ocsf": "ocsf.jsonl",
    "cef": "cef",
    "rfc5424": "syslog",
    "stix": "stix.json",
}
NAMES = tuple(ENDINGS)
_LINES, _TEXT = "application/x-ndjson", "text/plain; charset=utf-8"
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "jsonl": _LINES,
    "ecs": _LINES,
    "ocsf": _LINES,
    "cef": _TEXT,
    "rfc5424": _TEXT,
    "stix": "application/stix+json;version=2.1",
}


def render(name: str, events: Iterable[Event]) -> Iterator[bytes]:
    """Events in the format of a name. Raises KeyError for an unknown one."""
    if name not in ENDINGS:
        raise KeyError(name)
    pieces: Iterator[bytes] = importlib.import_module(f"mlids.exports.{name}").render(events)
    return pieces
