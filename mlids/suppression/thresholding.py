"""Thresholding: of events that come too often some are stored and the rest counted.

The kinds are those that Suricata knows (its user guide, "Thresholding Keywords"), over sliding
windows of the events' own time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlids.events import Event
from mlids.suppression.entries import is_grave, pattern
from mlids.volume import NS
from mlids.windows import Windows, count

KEYS = 20_000


class Thresholding(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One rule of ``logging.thresholding``. Raises ValueError where it names no events."""

    type: Annotated[str, Meta(description="type of the events, with wildcards; empty: any")] = ""
    rule: Annotated[str, Meta(description="rule that made them, likewise; empty: any")] = ""
    by: Annotated[
        Literal["entity", "rule"],
        Meta(description="whether each entity of a rule counts apart, or all together"),
    ] = "entity"
    kind: Annotated[
        Literal["limit", "every", "both", "detection_filter"],
        Meta(
            description="limit: the first `count` within `seconds` are stored; every: each"
            " count-th; both: one, once there are `count` within `seconds`; detection_filter: those"
            " beyond `count` within `seconds`"
        ),
    ] = "limit"
    count: Annotated[int, Meta(ge=1, le=10_000, description="events")] = 1
    seconds: Annotated[int, Meta(ge=1, le=604_800, description="window")] = 3600

    def __post_init__(self) -> None:
        if not (self.type or self.rule):
            raise ValueError("say which events are meant: type, rule or both")

    @property
    def text(self) -> str:
        """The rule in a few words."""
        meant = " ".join(part for part in (self.type, self.rule) if part)
        return f"{self.kind} {self.count} in {self.seconds} s by {self.by}: {meant}"


class Counters:
    """All rules with what they counted; the first that means an event decides about it."""

    def __init__(self, rules: Sequence[Thresholding] = ()) -> None:
        self.counters = [_Counter(rule) for rule in rules]

    def holds_back(self, event: Event) -> Thresholding | None:
        """The rule by which an event is counted only, None where it is stored."""
        for counter in self.counters:
            if counter.means(event):
                return counter.rule if counter.is_over(event) else None
        return None

    @property
    def evicted(self) -> int:
        """Entities whose windows were forgotten early."""
        return sum(counter.windows.evicted for counter in self.counters)

    def save(self) -> dict[str, Any]:
        """The windows of each rule."""
        return {counter.rule.text: counter.save() for counter in self.counters}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave; rules that are new begin empty."""
        for counter in self.counters:
            if counter.rule.text in state:
                counter.restore(state[counter.rule.text])


class _Counter:
    """One rule. windows: the events it counts; told: those that were stored by `both`."""

    def __init__(self, rule: Thresholding) -> None:
        self.rule = rule
        self.span_ns = rule.seconds * NS
        self.windows = Windows(rule.count, self.span_ns, KEYS)
        self.told = Windows(1, self.span_ns, KEYS)
        self._type = pattern(rule.type) if rule.type else None
        self._rule = pattern(rule.rule) if rule.rule else None

    def means(self, event: Event) -> bool:
        if is_grave(event) or (self._type and not self._type(event["type"])):
            return False
        return not self._rule or self._rule(event.get("rule", ""))

    def is_over(self, event: Event) -> bool:
        """Count an event; True where it is one of those that are not stored."""
        rule, now = self.rule, event.time_ns
        key = f"{event['type']}\x1f{event.get('rule', '')}"
        if rule.by == "entity":
            key += f"\x1f{event.entity}"
        if rule.kind == "both" and self._count(self.told, key, now):
            return True
        full = self._count(self.windows, key, now) >= rule.count
        if rule.kind == "limit" and full:
            return True
        self.windows.add(key, (now,))
        if rule.kind == "limit":
            return False
        if rule.kind == "detection_filter":
            return not full
        return not self._is_last(key, now)

    def _is_last(self, key: str, now: int) -> bool:
        """every, both: whether this one is the count-th, after which it begins anew."""
        if self._count(self.windows, key, now) < self.rule.count:
            return False
        self.windows.remove(key, 0, {mark[0] for mark in self.windows.get(key)})
        if self.rule.kind == "both":
            self.told.add(key, (now,))
        return True

    def _count(self, windows: Windows, key: str, now: int) -> int:
        ring = windows.get(key)
        return count(ring, max(now, ring[-1][0]), self.span_ns) if ring else 0

    def save(self) -> list[Any]:
        return [self.windows.save(), self.told.save()]

    def restore(self, state: list[Any]) -> None:
        self.windows.restore(state[0])
        self.told.restore(state[1])
