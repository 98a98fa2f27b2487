"""Stories: the `Incident` event that says what an attacker did, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlids.correlation import risk, tactics
from mlids.correlation.trails import Stage, Trail
from mlids.events import Event, detection_id, format_time

TYPE = "Incident"
RULE = "incident"
CRITICAL_TACTICS = 3
MOST_EVIDENCE = 10
SHOWN = 120  # characters of an entity in one line


def identity(trail: Trail) -> str:
    """The correlation_id of a trail's incident, the same at every replay."""
    return detection_id(RULE, trail.name, trail.first_ns)


def incident(trail: Trail, now_ns: int) -> Event:
    """The incident as it stands; tells what was not told of it yet."""
    stages = sorted(trail.stages.values(), key=lambda stage: stage.first_ns)
    known = trail.tactics(now_ns)
    value = round(trail.risk(now_ns), 2)
    entity = trail.ip or trail.name
    text = " → ".join(stage.tactic or stage.type for stage in stages)
    trail.told, trail.told_stages = trail.seen, len(trail.stages)
    details: dict[str, Any] = {
        "ip": trail.ip,
        "user": _one(trail.users) or (_after("user ", trail.name).partition("@")[0]),
        "path": _after("path ", trail.name),
        "target": _one(trail.machines or trail.targets) or _after("host ", trail.name),
        "description": f"{entity[:SHOWN]}: {text}; {trail.seen} events, risk {value:.2f}",
    }
    details = {name: one for name, one in details.items() if one}
    details["metadata"] = {
        "entity": trail.name,
        "users": list(trail.users),
        "targets": list(trail.targets),
        "machines": list(trail.machines),
        "risk": value,
        "threshold": risk.OPENS,
        "tactics": known,
        "stages": [_told(stage) for stage in stages],
        "events": list(trail.events),  # the trail grows on; an event does not
        "triggers": trail.seen,
        "reason": trail.reason,
    }
    return Event.new(
        TYPE,
        "CRITICAL" if len(known) >= CRITICAL_TACTICS else "HIGH",
        "system",
        details,
        time_ns=trail.last_ns,
        rule=RULE,
        tags=["incident", *known],
        techniques=list(dict.fromkeys(s.technique for s in stages if s.technique)),
        evidence=_evidence(stages),
        explanation=(
            f"{trail.seen} events in {len(stages)} stages between {format_time(trail.first_ns)} and"
            f" {format_time(trail.last_ns)}; opened by {trail.reason}"
        ),
        correlation_id=trail.incident,
    )


def _told(stage: Stage) -> dict[str, Any]:
    known = tactics.technique(stage.technique)
    return {
        "tactic": stage.tactic,
        "tactic_id": tactics.tactic_ids().get(stage.tactic, ""),
        "technique": stage.technique,
        "technique_name": known.name if known else "",
        "type": stage.type,
        "severity": stage.severity,
        "first": format_time(stage.first_ns),
        "last": format_time(stage.last_ns),
        "count": stage.count,
        "events": list(stage.events),
        "description": stage.description,
    }


def _evidence(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """Where each stage's worst event is to be found, the latest stage first: it decided."""
    places = [place for stage in reversed(list(stages)) for place in stage.evidence]
    return places[:MOST_EVIDENCE]


def _one(names: list[str]) -> str:
    return names[0] if names else ""


def _after(prefix: str, name: str) -> str:
    return name[len(prefix) :] if name.startswith(prefix) else ""
