"""Incidents: the timeline of each, with its stages, tactics and events; and where there are none,
the strongest detections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mlids.controls.words import counted, moment, named
from mlids.coverage import Stored
from mlids.documents import Document, Section, Table, Value
from mlids.events import Event, Severity, format_time
from mlids.inputgaps import metadata
from mlids.moments import parse_time
from mlids.reports import tables
from mlids.reports.foremost import ID

DAY_NS = 24 * 3600 * 10**9
LISTED = 100  # events of one incident that are looked up
AT_ONCE = 40  # ids in one query
READ = 20_000  # Incident events, and of the grave ones the latest, that are looked at
ENTITIES = 10_000  # told apart; an attacker chooses addresses and names
NOTHING = "No incident was declared in this period; the strongest detections stand in its place."


class Stage(msgspec.Struct, frozen=True):
    """One step: its tactic and technique (ATT&CK), what was seen, how often, and its events."""

    tactic: str
    technique: str
    type: str
    first: str
    last: str
    count: int
    description: str
    events: list[str]


class Happening(msgspec.Struct, frozen=True):
    """One stored event, in short."""

    id: str
    timestamp: str
    type: str
    severity: str
    source: str
    description: str


class Incident(msgspec.Struct, frozen=True):
    """One incident as it was told last; told: how often; events: what it is made of, by time;
    missing: how many of its events could not be found any more.
    """

    id: str
    entity: str
    severity: str
    risk: float
    first: str
    last: str
    told: int
    tactics: list[str]
    stages: list[Stage]
    description: str
    explanation: str
    events: list[Happening]
    missing: int


class Strong(msgspec.Struct):
    """The grave events of one entity."""

    entity: str
    critical: int = 0
    high: int = 0
    types: dict[str, int] = {}
    first: str = ""
    last: str = ""
    events: list[str] = []


class IncidentReport(msgspec.Struct):
    """Incidents, the gravest first; strongest: only where there are none; note: says so."""

    made: str
    since: str
    until: str
    total: int
    incidents: list[Incident]
    strongest: list[Strong]
    note: str = ""


def report(
    stored: Stored,
    since_ns: int,
    until_ns: int,
    now_ns: int,
    *,
    top: int = 50,
    look_up: bool = True,
) -> IncidentReport:
    """The incidents that were told in a period.

    top: how many are listed; look_up: whether the events that they are made of are looked up too.
    """
    last: dict[str, Event] = {}
    told: dict[str, int] = {}
    for event in stored.search('type:"Incident"', since_ns, until_ns, READ):
        key = str(event["correlation_id"])
        told[key] = told.get(key, 0) + 1
        if key not in last or event.time_ns >= last[key].time_ns:
            last[key] = event
    latest = sorted(last.values(), key=_gravity, reverse=True)[:top]
    found = [
        _incident(stored if look_up else None, event, told[str(event["correlation_id"])])
        for event in latest
    ]
    strongest = [] if last else _strongest(stored, since_ns, until_ns, top)
    moments = format_time(now_ns), format_time(since_ns), format_time(until_ns)
    return IncidentReport(*moments, len(last), found, strongest, "" if last else NOTHING)


def _gravity(event: Event) -> tuple[int, float, int]:
    return Severity(event["severity"]).rank, _number(_told(event, "risk")), event.time_ns


def _told(event: Event, key: str) -> Any:
    """A value of the details, or of the metadata among them."""
    return event["details"].get(key, metadata(event).get(key))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _incident(stored: Stored | None, event: Event, told: int) -> Incident:
    listed = _told(event, "stages")
    stages = [_stage(one) for one in listed if isinstance(one, Mapping)] if _many(listed) else []
    stages.sort(key=lambda stage: stage.first)
    named_ids = _told(event, "events")
    ids = [*_texts(named_ids), *(one for stage in stages for one in stage.events)]
    wanted = list(dict.fromkeys(ids))[:LISTED]
    begin = min((stage.first for stage in stages if stage.first), default=event.timestamp)
    found = _events(stored, event, wanted, begin) if stored else []
    known = {one.id for one in found}
    return Incident(
        id=str(event["correlation_id"]),
        entity=str(_told(event, "entity") or event.entity),
        severity=event["severity"],
        risk=_number(_told(event, "risk")),
        first=min([begin, *(one.timestamp for one in found)]),
        last=max([event.timestamp, *(stage.last for stage in stages)]),
        told=told,
        tactics=list(dict.fromkeys(stage.tactic for stage in stages if stage.tactic)),
        stages=stages,
        description=str(event["details"].get("description", "")),
        explanation=str(event.get("explanation", "")),
        events=found,
        missing=sum(one not in known for one in wanted) if stored else 0,
    )


def _many(value: object) -> bool:
    return isinstance(value, list)


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _stage(told: Mapping[str, Any]) -> Stage:
    count = told.get("count")
    return Stage(
        tactic=str(told.get("tactic") or ""),
        technique=str(told.get("technique") or ""),
        type=str(told.get("type") or ""),
        first=str(told.get("first") or ""),
        last=str(told.get("last") or ""),
        count=count if isinstance(count, int) else 0,
        description=str(told.get("description") or ""),
        events=_texts(told.get("events")),
    )


def _events(stored: Stored, incident: Event, wanted: Sequence[str], begin: str) -> list[Happening]:
    """The events that an incident lists, and those that were stamped with its id later.

    They are looked for from its begin on until a day after it was told last.
    """
    found: dict[str, Event] = {}
    span = _before(begin), incident.time_ns + DAY_NS
    for query in _queries(str(incident["correlation_id"]), wanted):
        for event in stored.search(query, *span, 2 * LISTED):
            if event["type"] != incident["type"] and len(found) < LISTED:
                found[str(event.get("id", ""))] = event
    return [_happening(one) for one in sorted(found.values(), key=lambda one: one.time_ns)]


def _before(begin: str) -> int:
    """A minute before a moment that an event tells, the begin of time where it tells none."""
    try:
        return parse_time(begin) - 60 * 10**9
    except ValueError:
        return 0


def _queries(key: str, wanted: Sequence[str]) -> Iterator[str]:
    """An id with a quote or a backslash is none of ours, and would not stay inside its quotes."""
    plain = [one for one in wanted if one.replace("-", "").isalnum()]
    for at in range(0, len(plain), AT_ONCE):
        yield " OR ".join(f'id:"{one}"' for one in plain[at : at + AT_ONCE])
    if key.replace("-", "").isalnum():
        yield f'correlation_id:"{key}"'


def _happening(event: Event) -> Happening:
    return Happening(
        str(event.get("id", "")),
        event.timestamp,
        event["type"],
        event["severity"],
        event["source"],
        str(event["details"].get("description", "")),
    )


def _strongest(stored: Stored, since_ns: int, until_ns: int, top: int) -> list[Strong]:
    """Whose events are the gravest, by CRITICAL and then HIGH ones."""
    found: dict[str, Strong] = {}
    for event in stored.search("severity>=HIGH", since_ns, until_ns, READ, True):
        entity = event.entity
        if entity not in found and len(found) >= ENTITIES:
            entity = "others"
        one = found.setdefault(entity, Strong(entity))
        critical = event["severity"] == Severity.CRITICAL
        one.critical, one.high = one.critical + critical, one.high + (not critical)
        one.types = {**one.types, event["type"]: one.types.get(event["type"], 0) + 1}
        one.first = min(one.first or event.timestamp, event.timestamp)
        one.last = max(one.last, event.timestamp)
        if len(one.events) < 10:
            one.events = [*one.events, str(event.get("id", ""))]
    return sorted(found.values(), key=lambda one: (-one.critical, -one.high))[:top]


def document(report: IncidentReport) -> Document:
    """The report for people."""
    sections = [_overview(report), *map(_timeline, report.incidents)]
    return tables.document("Incidents", report.since, report.until, report.made, sections)


def _overview(report: IncidentReport) -> Section:
    if not report.incidents:
        rows: list[list[Value]] = [
            [one.entity, one.critical, one.high, named(list(one.types)), moment(one.last)]
            for one in report.strongest
        ]
        columns = ["whom it is about", "CRITICAL", "HIGH", "what", "last"]
        text = "There are no HIGH or CRITICAL events either."
        table = [Table("Strongest detections", columns, rows)] if rows else []
        return Section("Overview", [report.note] + ([] if rows else [text]), table)
    rows = [
        [moment(one.first), moment(one.last), one.severity, one.entity, ", ".join(one.tactics)]
        for one in report.incidents
    ]
    columns = ["first sign", "last sign", "severity", "whom it is about", "tactics"]
    text = f"{counted(report.total, 'incident')}, the gravest first."
    return Section("Overview", [text], [Table("Incidents", columns, rows)])


def _timeline(incident: Incident) -> Section:
    stages: list[list[Value]] = [
        [moment(one.first), moment(one.last), one.tactic, one.technique, one.count, one.description]
        for one in incident.stages
    ]
    events: list[list[Value]] = [
        [one.timestamp[:19].replace("T", " "), one.severity, one.type, one.id[:ID], one.description]
        for one in incident.events
    ]
    columns = ["first", "last", "tactic", "technique", "events", "what was seen"]
    found = [Table("Stages", columns, stages)] if stages else []
    gone = counted(incident.missing, "event")
    note = f"{gone} of it are not in the log" if incident.missing else ""
    if events or note:
        columns = ["time", "severity", "type", "id", "what was seen"]
        found.append(Table("Events", columns, events, note))
    risk = f", risk {incident.risk:g}" if incident.risk else ""
    facts = f"{incident.severity}{risk}, told {counted(incident.told, 'time')}."
    texts = [one for one in (incident.description, incident.explanation, facts) if one]
    return Section(f"Incident {incident.entity or incident.id}", texts, found)
