"""Threshold: so many events, or so many different values of a field, in a sliding window.

The rules are the user's (`correlators.threshold.rules`); none is shipped, since what is many
differs from place to place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mlids.correlation import conditions
from mlids.correlation.conditions import Match, SeverityName
from mlids.episodes import Account, Episodes
from mlids.events import Correlator, Event, Severity
from mlids.volume import NS
from mlids.windows import Mark, Windows, within

MOST_EVENTS = 100  # ids that an event names
MOST_EVIDENCE = 10


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One rule. Raises ValueError where a field to count by is none that events have."""

    name: Annotated[str, Meta(min_length=1, pattern=r"^[\w.-]+$", description="of the rule")]
    match: Match = Match()
    by: Annotated[
        str | list[str], Meta(description="field, or fields, of which each value counts apart")
    ] = "ip"
    count: Annotated[int, Meta(ge=2, le=10_000, description="events, or different values")]
    seconds: Annotated[int, Meta(ge=1, le=604_800, description="window")] = 600
    distinct: Annotated[
        str, Meta(description="field whose different values are counted; empty: events are")
    ] = ""
    severity: Annotated[SeverityName, Meta(description="of the event that tells it")] = "MEDIUM"
    message: Annotated[str, Meta(description="what is said of it; empty: what was counted")] = ""

    def __post_init__(self) -> None:
        for field in (*_fields(self), *([self.distinct] if self.distinct else [])):
            if not conditions.known_field(field):
                raise ValueError(f"{field!r} is no field of events; say details.{field}")


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the correlator `threshold`."""

    rules: Annotated[
        list[Rule],
        Meta(description="name, match, by, count, seconds …; see explanation/correlation.md"),
    ] = []
    max_keys: Annotated[int, Meta(ge=100, description="values that a rule counts at a time")] = (
        20_000
    )


class ThresholdCorrelator(Correlator):
    """Tells where a rule of the user's counts too many events, or too many different values."""

    Settings = Settings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._counters = [_Counter(rule, self.settings.max_keys) for rule in self.settings.rules]

    def correlate(self, events: Iterable[Event]) -> Iterable[Event]:
        """What these events make too many."""
        for event in events:
            for counter in self._counters:
                yield from counter.take(event)

    def flush(self) -> Iterable[Event]:
        """Tell the triggers that were held back."""
        for counter in self._counters:
            yield from counter.episodes.flush()

    def save(self) -> dict[str, Any]:
        """The windows of each rule."""
        return {counter.rule.name: counter.save() for counter in self._counters}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave; rules that are new begin empty."""
        for counter in self._counters:
            if counter.rule.name in state:
                counter.restore(state[counter.rule.name])

    def counts(self) -> dict[str, int]:
        """Values that had to be forgotten early."""
        return {"evicted": sum(counter.windows.evicted for counter in self._counters)}


class _Counter:
    """One rule with what it counted. Marks: time, distinct value, id, place of the evidence."""

    def __init__(self, rule: Rule, keys: int) -> None:
        self.rule = rule
        self.windows = Windows(rule.count, rule.seconds * NS, keys)
        self.episodes = Episodes(rule.seconds, source="system")
        self._meant = conditions.matcher(rule.match)
        self._fields = _fields(rule)

    def take(self, event: Event) -> Iterator[Event]:
        now = event.time_ns
        yield from self.episodes.close(now)
        if not self._meant(event) or (key := conditions.key(event, self._fields)) is None:
            return
        rule, name = self.rule, "\x1f".join(key)
        counted = conditions.value(event, rule.distinct) if rule.distinct else ""
        if rule.distinct:
            if not counted:
                return
            self.windows.remove(name, 1, (counted,))  # its latest time is what counts
        place = next(iter(event.get("evidence", ())), None)
        ring = self.windows.add(name, (now, counted, event.get("id", ""), place))
        ring = list(within(ring, ring[-1][0], rule.seconds * NS))
        if len(ring) >= rule.count:
            account = self._account(key, ring)
            yield from self.episodes.trigger((rule.name, *key), ring[-1][0], account)

    def _account(self, key: Sequence[str], ring: Sequence[Mark]) -> Account:
        rule = self.rule
        pairs = ", ".join(f"{f} {v!r}" for f, v in zip(self._fields, key, strict=True))
        what = f"different values of {rule.distinct}" if rule.distinct else "events"
        seen = f"{len(ring)} {what} of {pairs} within {rule.seconds} s"
        details: dict[str, Any] = dict(conditions.entity_details(self._fields, key))
        details["description"] = f"{rule.message}: {seen}" if rule.message else seen
        details["metadata"] = {
            "rule": rule.name,
            "count": len(ring),
            "threshold": rule.count,
            "window_s": rule.seconds,
            "by": dict(zip(self._fields, key, strict=True)),
            "events": [mark[2] for mark in ring if mark[2]][-MOST_EVENTS:],
        }
        if rule.distinct:
            details["metadata"]["values"] = [mark[1] for mark in ring][-MOST_EVIDENCE:]
        return Account(
            type="Threshold Exceeded",
            severity=Severity(rule.severity).value,
            rule=f"threshold/{rule.name}",
            details=details,
            explanation=f"{seen} (threshold {rule.count})",
            evidence=[dict(mark[3]) for mark in reversed(ring[-MOST_EVIDENCE:]) if mark[3]],
            tags=["threshold", rule.name],
        )

    def save(self) -> dict[str, Any]:
        return {"windows": self.windows.save(), "episodes": self.episodes.save()}

    def restore(self, state: dict[str, Any]) -> None:
        self.windows.restore(state["windows"])
        self.episodes.restore(state["episodes"])


def _fields(rule: Rule) -> list[str]:
    return [rule.by] if isinstance(rule.by, str) else rule.by
