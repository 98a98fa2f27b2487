"""The events of rules that match and of correlations that are met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlids import addresses
from mlids.events import Event, Severity, detection_id
from mlids.sigma.correlation import Firing
from mlids.sigma.engine import Hit, matched
from mlids.sigma.rules import Meta
from mlids.sigma.views import View
from mlids.volume import NS, Telling

SHOWN = 3  # fields that an explanation names


def address(view: View) -> str:
    """The address that is blamed: only from fields that no attacker writes; "" where none is."""
    for name in view.entry.ip:
        for text, _ in (*view.texts(name), *view.texts(f"={name}")):
            if known := addresses.normalise(text):
                return known
    return ""


def first(view: View, names: Sequence[str]) -> str:
    """The first of these fields that has a value."""
    for name in names:
        for text, _ in (*view.texts(name), *view.texts(f"={name}")):
            if text and text not in ("-", "unset"):
                return text[:256]
    return ""


def match_event(
    hit: Hit, time_ns: int, evidence: Sequence[Mapping[str, Any]], suppressed: int = 0
) -> Event:
    """A rule that matches a record. suppressed: earlier ones that were held back."""
    meta, view = hit.rule.meta, hit.view
    fields = matched(hit)
    shown = ", ".join(f"{name}={text}" for name, text in list(fields.items())[:SHOWN])
    blamed = {
        "ip": address(view),
        "user": first(view, view.entry.user),
        "target": first(view, view.entry.target),
    }
    details: dict[str, Any] = {name: text for name, text in blamed.items() if text}
    details["description"] = f"{meta.title}: {shown}" if shown else meta.title
    details["metadata"] = _metadata(meta) | {"logsource": hit.rule.logsource, "fields": fields}
    if suppressed:
        details["suppressed"] = suppressed
    return Event.new(
        "Rule Match",
        meta.severity,
        view.entry.side,
        details,
        time_ns=time_ns,
        rule=f"sigma/{meta.id}",
        tags=("sigma", *meta.tags),
        techniques=meta.techniques,
        confidence=_confidence(meta),
        evidence=evidence[:10],
        explanation=f"one record matches {meta.title!r}" + (f": {shown}" if shown else ""),
        correlation_id=detection_id("sigma", meta.id, *blamed.values(), view.source),
    )


def chain_event(firing: Firing, telling: Telling) -> Event:
    """A correlation that is met, at the times that the volume law tells of it."""
    chain, meta = firing.chain, firing.chain.meta
    group = dict(zip(chain.group_by, firing.group, strict=True))
    span_s = chain.span_ns // NS
    by = ", ".join(f"{name}={text[:100]}" for name, text in group.items())
    texts = {addresses.normalise(text) for text in firing.group}
    details: dict[str, Any] = {}
    # Matches of one group may have several sources, unless the group is of one.
    if firing.ip and firing.ip in texts:
        details["ip"] = firing.ip
    if firing.user and firing.user in firing.group:
        details["user"] = firing.user
    details["description"] = f"{meta.title} ({by})" if by else meta.title
    figure = int(firing.observed) if firing.observed == int(firing.observed) else firing.observed
    details["metadata"] = _metadata(meta) | {
        "observed": figure,
        "threshold": chain.wanted or chain.count,
        "window_s": span_s,
        "correlation": chain.kind,
        "group": group,
        "rules": chain.members,
        "total": telling.total,
    }
    if telling.suppressed:
        details["suppressed"] = telling.suppressed
    return Event.new(
        "Rule Match",
        meta.severity,
        "application",
        details,
        time_ns=telling.last_ns,
        rule=f"sigma/{meta.id}",
        tags=("sigma", "correlation", *meta.tags),
        techniques=meta.techniques,
        confidence=_confidence(meta),
        evidence=firing.evidence,
        explanation=f"{_WHAT.get(chain.kind, chain.kind)} {figure}, asked for: {chain.asked},"
        f" within {span_s} s" + (f" for {by}" if by else ""),
        correlation_id=detection_id("sigma", meta.id, *firing.group, telling.first_ns),
    )


def gap_event(text: str, figures: Mapping[str, int], time_ns: int) -> Event:
    """Rules that see nothing, because they are broken or no input has what they ask for."""
    return Event.new(
        "Monitoring Gap",
        Severity.LOW,
        "system",
        {"description": text, "metadata": dict(figures)},
        time_ns=time_ns,
        rule="sigma",
        tags=("sigma", "blind"),
        explanation=text,
        correlation_id=detection_id("sigma", "unable", text),
    )


_WHAT = {
    "event_count": "matches:",
    "value_count": "different values:",
    "temporal": "rules that matched:",
    "temporal_ordered": "rules that matched in order:",
    "value_sum": "sum:",
    "value_avg": "average:",
    "value_median": "median:",
    "value_percentile": "percentile:",
}


def _metadata(meta: Meta) -> dict[str, Any]:
    return {"title": meta.title, "level": meta.level, "status": meta.status, "technique": meta.id}


def _confidence(meta: Meta) -> float:
    """How far the authors of a rule trust it, by its status."""
    return {"stable": 0.9, "test": 0.7, "experimental": 0.5}.get(meta.status, 0.6)
