"""CSV (RFC 4180): a heading and one row an event; no cell is taken for a formula.

A cell that a spreadsheet would calculate begins with an apostrophe, and what is no printable text,
line ends too, is shown as an escape (OWASP, CSV Injection). Lists and objects are JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from mlids.encoders import csv_safe
from mlids.events import Event
from mlids.exports.facts import stored, text

COLUMNS = ("timestamp", "severity", "type", "source", "ip", "target", "port", "protocol", "user")
FURTHER = ("rule", "description", "explanation", "correlation_id", "id", "host", "path", "service")
LISTS = ("techniques", "tags")  # one text, with spaces between


def render(events: Iterable[Event]) -> Iterator[bytes]:
    """The heading and the rows."""
    yield _row([*COLUMNS, *FURTHER, *LISTS])
    for event in events:
        yield _row([csv_safe(value) for value in _values(stored(event))])


def _values(event: Event) -> Iterator[str]:
    details = event.get("details")
    known = {**details, **event} if isinstance(details, dict) else event
    for name in (*COLUMNS, *FURTHER):
        yield text(known.get(name))
    for name in LISTS:
        value = event.get(name)
        yield " ".join(map(text, value)) if isinstance(value, list) else text(value)


def _row(values: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue().encode()
