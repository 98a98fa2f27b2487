"""Incident: events of one attacker add up, and one event tells them as a story.

Risk is severity times confidence, halved every 6 hours, with a bonus for each further ATT&CK tactic
(`mlids.correlation.risk`); whose event it is, is decided in `mlids.correlation.trails`. An incident
opens at a risk of 1.0, or where a later tactic of the kill chain follows an earlier one and one of
both is HIGH. The idea is risk-based alerting; Splunk Enterprise Security ships two such rules, one
over the sum of the risk of an entity and one over its number of ATT&CK tactics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mlids.correlation import risk, stories, tactics
from mlids.correlation.signs import HIGH, LOGINS, MEDIUM, Sign, sign
from mlids.correlation.trails import Stage, Trail, Trails
from mlids.events import Correlator, Event


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the correlator `incident`."""

    threshold: Annotated[
        float, Meta(ge=0.5, le=10, description="risk of one attacker at which an incident opens")
    ] = risk.OPENS
    max_entities: Annotated[
        int, Meta(ge=100, description="attackers without an incident that are remembered")
    ] = 20_000
    max_incidents: Annotated[int, Meta(ge=10, description="open incidents that are remembered")] = (
        500
    )


class IncidentCorrelator(Correlator):
    """Joins what one attacker does into one incident with its ATT&CK stages."""

    Settings = Settings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._trails = Trails(self.settings.max_entities, self.settings.max_incidents)
        self._joined: dict[str, str] = {}  # of the latest events: id and incident

    def correlate(self, events: Iterable[Event]) -> Iterable[Event]:
        """The incidents that these events open or carry on."""
        self._joined = {}
        for event in events:
            if event["source"] != "system":  # those are about MLIDS, or are correlated already
                yield from self._taken(sign(event))

    def joined(self, event: Event) -> str:
        """The incident that an event of the latest `correlate` belongs to."""
        return self._joined.get(event.get("id", ""), "")

    def _taken(self, new: Sign) -> Iterator[Event]:
        for over in self._trails.end(new.time_ns):
            yield from _rest(over)
        if new.event["type"] in LOGINS:
            self._trails.hear(new)
        trail = self._trails.owner(new)
        if trail is None:
            return
        self._trails.add(trail, new)
        opened = "" if trail.incident else self._reason(trail, new)
        if opened:
            trail.incident, trail.reason = stories.identity(trail), opened
            for gone in self._trails.promote(trail):
                yield from _rest(gone)
        if trail.incident:
            if opened or (new.address and new.is_access):
                for late in self._trails.claim(trail):
                    self._trails.add(trail, late)
            self._joined[new.id] = trail.incident
            if len(trail.stages) > trail.told_stages or trail.seen >= trail.next:
                yield self._told(trail)

    def _told(self, trail: Trail) -> Event:
        while trail.next <= trail.seen:
            trail.next *= 10
        return stories.incident(trail, trail.last_ns)

    def _reason(self, trail: Trail, new: Sign) -> str:
        """Why an incident opens now, "" where it does not."""
        if new.rank < MEDIUM or trail.is_simple(self.settings.threshold):
            return ""
        value = trail.risk(trail.last_ns)
        if value >= self.settings.threshold:
            limit = self.settings.threshold
            return f"risk {value:.2f} (threshold {limit:g}, halved every 6 h)"
        for earlier, later in _sequences(trail):
            return f"the ordered sequence {earlier} → {later} within 24 h"
        return ""

    def flush(self) -> Iterable[Event]:
        """Tell how open incidents stand, where they grew since they were told."""
        for trail in self._trails.open.values():
            yield from _rest(trail)

    def save(self) -> dict[str, Any]:
        """All trails."""
        return self._trails.save()

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._trails.restore(state)

    def counts(self) -> dict[str, int]:
        """Trails that were forgotten before their time."""
        return {"evicted": self._trails.evicted}


def _rest(trail: Trail) -> Iterator[Event]:
    if trail.seen > trail.told:
        yield stories.incident(trail, trail.last_ns)


def _sequences(trail: Trail) -> Iterator[tuple[str, str]]:
    """Pairs of tactics, the later one of the kill chain seen later, one of them HIGH or more."""
    places = tactics.order()

    def follows(a: Stage, b: Stage) -> bool:
        return places[a.tactic] < places[b.tactic] and a.first_ns < b.last_ns

    found = [s for s in trail.stages.values() if s.tactic and s.rank >= MEDIUM]
    for a in found:
        for b in found:
            if max(a.rank, b.rank) >= HIGH and follows(a, b):
                yield a.tactic, b.tactic
