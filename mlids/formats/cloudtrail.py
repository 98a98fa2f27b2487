"""AWS CloudTrail: one record a line, or whole files of them in one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlids.layouts import values
from mlids.layouts.json_records import JsonLayout, Record, nested, times


class CloudTrail(JsonLayout):
    """Columns: time, src, user, agent, message (the event's name), outcome (of console logins).

    Of a line with several records they are those of its first.
    """

    marks = (
        (b'"eventSource"', b'"eventName"', b'"awsRegion"'),
        (b'"eventSource"', b'"eventName"', b'"userIdentity"'),
    )
    certainty = 0.98

    def columns_of(self, records: Sequence[Record]) -> dict[str, Any]:
        """The columns of these records."""
        firsts = [_first(record) for record in records]
        return {
            "time": times([values.moment(each.get("eventTime")) for each in firsts]),
            "src": [values.address(each.get("sourceIPAddress")) for each in firsts],
            "user": [_user(each) for each in firsts],
            "outcome": [_outcome(each) for each in firsts],
            "agent": [values.text(each.get("userAgent")) for each in firsts],
            "message": [values.text(each.get("eventName")) for each in firsts],
        }


def _first(record: Record) -> Record:
    several = record.get("Records")
    first = several[0] if isinstance(several, list) and several else record
    return first if isinstance(first, dict) else {}


def _user(record: Record) -> bytes | None:
    identity = record.get("userIdentity")
    if not isinstance(identity, dict):
        return None
    if identity.get("type") == "Root":
        return b"root"
    named = identity.get("userName") or identity.get("arn") or identity.get("principalId")
    return values.text(named)


def _outcome(record: Record) -> bytes | None:
    if record.get("eventName") != "ConsoleLogin":
        return None
    return values.outcome(nested(record, "responseElements", "ConsoleLogin"))
