"""Violations that OPA Gatekeeper logs as JSON, of its audit and its admission, and constraints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlids.layouts import values
from mlids.layouts.json_records import JsonLayout, Record, times


class Gatekeeper(JsonLayout):
    """Columns: time, message, user (who sent the request)."""

    marks = (
        (b'"constraint_kind"', b'"event_type"'),
        (b'"constraint_kind"', b'"constraint_name"'),
        (b'"process"', b'"level"', b'"ts"', b'"msg"'),
        (b'"constraints.gatekeeper.sh/', b'"kind"'),
    )
    certainty = 0.96

    def columns_of(self, records: Sequence[Record]) -> dict[str, Any]:
        """The columns of these lines."""
        return {
            "time": times([_time(record) for record in records]),
            "message": [values.text(record.get("msg")) for record in records],
            "user": [values.text(record.get("request_username")) for record in records],
        }


def _time(record: Record) -> int:
    if time := values.moment(record.get("ts")):
        return time
    status = record.get("status")
    return values.moment(status.get("auditTimestamp")) if isinstance(status, dict) else 0
