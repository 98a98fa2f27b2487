"""What is told of a record of another product, and how it becomes an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from mlids.episodes import Account
from mlids.events import Event, detection_id

LONGEST = 512  # characters of a value that is told
MOST_VALUES = 20  # of a list that are told
SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell. key: of what goes on, and is told by the volume law; (): a single sign."""

    type: str = "Rule Match"
    severity: str
    source: str = "application"
    rule: str  # behind "ingested/"
    description: str
    explanation: str
    details: dict[str, Any]
    metadata: dict[str, Any]
    techniques: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    key: tuple[Any, ...] = ()
    evidence: tuple[dict[str, Any], ...] = ()  # beside the deciding record's own


class Place(NamedTuple):
    """When and where a record was seen."""

    time_ns: int
    source: str
    line: int
    offset: int

    def evidence(self) -> dict[str, Any]:
        """Where to look it up."""
        return {"source": self.source, "line": self.line, "offset": self.offset}


def event(finding: Finding, place: Place, number: int) -> Event:
    """The event of a single sign; number: of the finding among those of its line."""
    return Event.new(
        finding.type,
        finding.severity,
        finding.source,
        _details(finding),
        time_ns=place.time_ns,
        rule=f"ingested/{finding.rule}",
        tags=finding.tags,
        techniques=finding.techniques,
        evidence=(place.evidence(), *finding.evidence),
        explanation=finding.explanation,
        correlation_id=detection_id("ingested", *place[1:], finding.rule, number),
    )


def account(finding: Finding, place: Place) -> Account:
    """What is said of something that goes on."""
    return Account(
        type=finding.type,
        severity=finding.severity,
        rule=f"ingested/{finding.rule}",
        details=_details(finding),
        explanation=finding.explanation,
        evidence=[place.evidence(), *finding.evidence],
        techniques=list(finding.techniques),
        tags=list(finding.tags),
    )


def _details(finding: Finding) -> dict[str, Any]:
    details = {name: plain(value) for name, value in finding.details.items() if value}
    metadata = {n: plain(v) for n, v in finding.metadata.items() if v not in (None, "", [], {})}
    return {**details, "description": plain(finding.description), "metadata": metadata}


def plain(value: Any) -> Any:
    """A value that may be told: texts and lists bounded, what is nested as text."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST else value[:LONGEST] + "…"
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [plain(each) for each in value[:MOST_VALUES]]
    return plain(msgspec.json.encode(value).decode())


def at(record: Any, *path: str) -> Any:
    """The value at a path of keys; None where it leads nowhere."""
    for key in path:
        if not isinstance(record, Mapping):
            return None
        record = record.get(key)
    return record


def words(value: Any) -> str:
    """A value as text, "" for what is none."""
    return str(value) if isinstance(value, str | int | float) and value is not True else ""


def techniques_in(tags: Iterable[Any]) -> tuple[str, ...]:
    """ATT&CK techniques among tags: ``T1059.004``, ``attack.t1059``."""
    found = (str(tag).rpartition("attack.")[2].upper() for tag in tags)
    return tuple(dict.fromkeys(t for t in found if t[:1] == "T" and t[1:5].isdigit()))
