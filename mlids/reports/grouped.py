"""Events counted by one field, as a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlids.documents import Document, Section, Table
from mlids.events import format_time
from mlids.reports import tables


def data(
    field: str, rows: Sequence[tuple[str, int]], query: str, since_ns: int, until_ns: int
) -> dict[str, Any]:
    """The counts as JSON carries them."""
    return {
        "since": format_time(since_ns),
        "until": format_time(until_ns),
        "query": query,
        "field": field,
        "values": [{"value": value, "events": count} for value, count in rows],
    }


def document(found: dict[str, Any], made: str) -> Document:
    """The counts for people."""
    rows = [[one["value"], one["events"]] for one in found["values"]]
    table = Table("", [found["field"], "events"], rows)
    asked = f"Of events that match {found['query']}" if found["query"] else "Of all events"
    title = f"Events by {found['field']}"
    section = Section(asked, [], [table])
    return tables.document(title, found["since"], found["until"], made, [section])
