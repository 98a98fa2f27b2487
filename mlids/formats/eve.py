"""Suricata's EVE: one JSON object an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlids.layouts import values
from mlids.layouts.json_records import JsonLayout, Record, nested, times

HTTP = {
    "method": ("http", "http_method"),
    "target": ("http", "url"),
    "status": ("http", "status"),
    "size": ("http", "length"),
    "agent": ("http", "http_user_agent"),
    "referrer": ("http", "http_refer"),
    "vhost": ("http", "hostname"),
    "message": ("alert", "signature"),
    "host": ("host",),
}


class Eve(JsonLayout):
    """Columns: time, src, message (an alert's signature), and those of an access log for HTTP."""

    marks = (
        (b'"event_type"', b'"flow_id"'),
        (b'"event_type"', b'"src_ip"', b'"timestamp"'),
        (b'"event_type"', b'"stats"', b'"timestamp"'),
    )
    certainty = 0.98

    def columns_of(self, records: Sequence[Record]) -> dict[str, Any]:
        """The columns of these events."""
        columns = {name: [_text(record, path) for record in records] for name, path in HTTP.items()}
        columns["src"] = [values.address(record.get("src_ip")) for record in records]
        return {"time": times([values.moment(r.get("timestamp")) for r in records]), **columns}


def _text(record: Record, path: tuple[str, ...]) -> bytes | None:
    """A field; requests are those of HTTP records, since alerts repeat them."""
    if path[0] == "http" and record.get("event_type") != "http":
        return None
    return values.text(nested(record, *path))
