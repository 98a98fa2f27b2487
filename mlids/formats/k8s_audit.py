"""The audit log of the Kubernetes API server: one event, or one list of events, a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlids.layouts import values
from mlids.layouts.json_records import JsonLayout, Record, nested, times

UNAUTHENTICATED = 401


class K8sAudit(JsonLayout):
    """Columns: time, src (the last of sourceIPs), user, outcome, agent, message (verb and URI).

    Paths are no column: commands that administrators run in pods stand in them, and are no attacks
    on a web server.
    """

    marks = (
        (b'"requestURI"', b'"verb"'),
        (b'"audit.k8s.io/',),
    )
    certainty = 0.98

    def columns_of(self, records: Sequence[Record]) -> dict[str, Any]:
        """The columns of these events; of a list those of its first."""
        firsts = [_first(record) for record in records]
        return {
            "time": times([when(each) for each in firsts]),
            "src": [source(each) for each in firsts],
            "user": [values.text(nested(each, "user", "username")) for each in firsts],
            "outcome": [_outcome(each) for each in firsts],
            "agent": [values.text(each.get("userAgent")) for each in firsts],
            "message": [_message(each) for each in firsts],
        }


def _first(record: Record) -> Record:
    items = record.get("items")
    first = items[0] if isinstance(items, list) and items else record
    return first if isinstance(first, dict) else {}


def when(event: Record) -> int:
    """When the stage was reached, else when the request came."""
    names = ("stageTimestamp", "requestReceivedTimestamp", "timestamp")
    return next((time for name in names if (time := values.moment(event.get(name)))), 0)


def source(event: Record) -> bytes | None:
    """The address that the server saw: the last. Clients choose those before it."""
    addresses = event.get("sourceIPs")
    return values.address(addresses[-1]) if isinstance(addresses, list) and addresses else None


def _outcome(event: Record) -> bytes | None:
    return b"failure" if nested(event, "responseStatus", "code") == UNAUTHENTICATED else None


def _message(event: Record) -> bytes | None:
    verb, place = values.text(event.get("verb")), values.text(event.get("requestURI"))
    return verb + b" " + place if verb and place else None
