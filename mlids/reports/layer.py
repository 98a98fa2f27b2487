"""Layers for the ATT&CK Navigator: which techniques were seen, how often, and how grave.

The format is 4.5 of https://github.com/mitre-attack/attack-navigator (layers/spec/v4.5).
"""

from __future__ import annotations

import re
from typing import Any

from mlids.controls.words import counted, moment
from mlids.coverage import Stored
from mlids.events import Severity, format_time
from mlids.reports import incidents

LAYER, NAVIGATOR = "4.5", "4.9.0"  # the format, and the oldest Navigator that reads it
COLOURS = {
    Severity.LOW: "#c6dbef",
    Severity.MEDIUM: "#fed976",
    Severity.HIGH: "#fd8d3c",
    Severity.CRITICAL: "#b10026",
}
"""Light to dark as it gets worse, so that they differ in grey and to colour-blind eyes too."""
_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
_MOST = 10_000  # incidents


def layer(
    stored: Stored, since_ns: int, until_ns: int, now_ns: int, *, only_incidents: bool = False
) -> dict[str, Any]:
    """The techniques of all events of a period, or only those of its incidents, as a layer.

    A technique's score is the number of its events, its colour that of the gravest.
    """
    count = _of_incidents if only_incidents else _of_events
    found = count(stored, since_ns, until_ns, now_ns)
    what = "incidents" if only_incidents else "events"
    period = f"{moment(format_time(since_ns))} to {moment(format_time(until_ns))} UTC"
    most = max((sum(counts.values()) for counts in found.values()), default=0)
    return {
        "name": f"MLIDS {what}, {period}",
        "versions": {"layer": LAYER, "navigator": NAVIGATOR},
        "domain": "enterprise-attack",
        "description": f"Techniques of {what} that MLIDS saw; the score is their number",
        "sorting": 3,  # by score, the highest first
        "layout": {"layout": "side", "showName": True, "expandedSubtechniques": "annotated"},
        "techniques": [_technique(id, counts) for id, counts in sorted(found.items())],
        "gradient": {"colors": ["#ffffff", "#b10026"], "minValue": 0, "maxValue": max(1, most)},
        "legendItems": [
            {"label": f"{severity.value} is the gravest", "color": colour}
            for severity, colour in COLOURS.items()
        ],
    }


_Counts = dict[str, dict[Severity, int]]  # by technique


def _of_events(stored: Stored, since_ns: int, until_ns: int, now_ns: int) -> _Counts:
    found: _Counts = {}
    for severity in Severity:
        tally = stored.tally(f"severity:{severity}", since_ns, until_ns)
        for technique, count in tally.values.get("technique", {}).items():
            if _TECHNIQUE.fullmatch(technique):
                found.setdefault(technique, {})[severity] = count
    return found


def _of_incidents(stored: Stored, since_ns: int, until_ns: int, now_ns: int) -> _Counts:
    found: _Counts = {}
    report = incidents.report(stored, since_ns, until_ns, now_ns, top=_MOST, look_up=False)
    for incident in report.incidents:
        severity = Severity(incident.severity)
        for stage in incident.stages:
            if _TECHNIQUE.fullmatch(stage.technique):
                counts = found.setdefault(stage.technique, {})
                counts[severity] = counts.get(severity, 0) + stage.count
    return found


def _technique(id: str, counts: dict[Severity, int]) -> dict[str, Any]:
    gravest = max(counts, key=lambda severity: severity.rank)
    total = sum(counts.values())
    parts = ", ".join(f"{count:,} {severity}" for severity, count in counts.items())
    return {
        "techniqueID": id,
        "score": total,
        "color": COLOURS[gravest],
        "comment": f"{counted(total, 'event')}: {parts}",
        "enabled": True,
        "showSubtechniques": "." in id,
    }
