"""Falco's alerts as JSON (json_output: true), on a line each, bare or behind a header of syslog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlids.layouts import values
from mlids.layouts.json_records import JsonLayout, Record, nested, times


class Falco(JsonLayout):
    """Columns: time, host, message (the output), user."""

    marks = (
        (b'"priority"', b'"rule"', b'"output_fields"'),
        (b'"priority"', b'"rule"', b'"output"'),
    )
    certainty = 0.97

    def columns_of(self, records: Sequence[Record]) -> dict[str, Any]:
        """The columns of these alerts."""
        return {
            "time": times([_time(record) for record in records]),
            "host": [values.text(record.get("hostname")) for record in records],
            "message": [values.text(record.get("output")) for record in records],
            "user": [values.text(nested(r, "output_fields", "user.name")) for r in records],
        }


def _time(record: Record) -> int:
    stamp = values.moment(record.get("time"))
    return stamp or values.moment(nested(record, "output_fields", "evt.time"))
