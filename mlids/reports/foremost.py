"""Foremost: whom to look at first, one line an incident or entity, however much it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from mlids.controls.words import moment
from mlids.coverage import Stored
from mlids.documents import Table, Value
from mlids.events import Event, Severity

READ = 2000  # events of each grave severity that are looked at, the latest
INCIDENT = "Incident"
ID = 8  # characters of an event's id that are enough to find it
LONGEST = 56  # characters of what happened: a line on a usual terminal


class Foremost(msgspec.Struct, frozen=True):
    """The grave events of one incident, or of one entity without any.

    severity: of the gravest; count: grave events; what: the latest of the gravest, in words; type,
    id: its type and its id; last: when the latest grave event was.
    """

    severity: str
    type: str
    entity: str
    what: str
    count: int
    last: str
    id: str


def foremost(
    stored: Stored, since_ns: int, until_ns: int, most: int, query: str = ""
) -> list[Foremost]:
    """Who was behind the HIGH and CRITICAL events of a period, the gravest first.

    most: how many of them; query: only of events that match.
    """
    groups: dict[str, list[Event]] = {}
    for event in _grave(stored, since_ns, until_ns, query):
        groups.setdefault(_whose(event), []).append(event)
    found = list(map(_one, groups.values()))
    found.sort(key=lambda one: (Severity(one.severity).rank, one.last), reverse=True)
    return found[:most]


def _grave(stored: Stored, since_ns: int, until_ns: int, query: str) -> Iterator[Event]:
    also = f" AND ({query})" if query.strip() else ""
    for severity in (Severity.CRITICAL, Severity.HIGH):
        yield from stored.search(f"severity:{severity}{also}", since_ns, until_ns, READ, True)


def _whose(event: Event) -> str:
    return event.entity or str(event["correlation_id"])


def _one(events: Sequence[Event]) -> Foremost:
    def weight(event: Event) -> tuple[int, bool, int]:
        rank = Severity(event["severity"]).rank
        return rank, event["type"] != INCIDENT, event.time_ns  # which says less than its events

    worst = max(events, key=weight)
    told = str(worst["details"].get("description", "")).removeprefix(worst.entity)
    return Foremost(
        severity=worst["severity"],
        type=worst["type"],
        entity=worst.entity,
        what=told.lstrip(": "),
        count=len(events),
        last=max(event.timestamp for event in events),
        id=str(worst.get("id", "")),
    )


def table(found: Sequence[Foremost]) -> list[Table]:
    """As a table for people; none where there is nothing grave."""
    rows: list[list[Value]] = [
        [one.severity, moment(one.last), one.id[:ID], one.count, one.entity, _short(one)]
        for one in found
    ]
    columns = ["severity", "last", "id", "events", "who", "what"]
    note = (
        "The event: analyze --search 'id:ID*' --format jsonl; stories: analyze --report incidents."
    )
    return [Table("Look at these first", columns, rows, note)] if rows else []


def _short(one: Foremost) -> str:
    text = one.what if one.type in one.what else f"{one.type}: {one.what}"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
