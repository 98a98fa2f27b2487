"""Sequence: events of one entity that follow each other in the order of a rule's steps.

The rules are the user's (`correlators.sequence.rules`). Order is that of the events' own times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mlids.correlation import conditions, tactics
from mlids.correlation.conditions import Match, SeverityName
from mlids.episodes import Account, Episodes
from mlids.events import Correlator, Event, Severity, format_time
from mlids.volume import NS

LONGEST = 500  # characters of a description that is kept


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One rule. Raises ValueError where a field to join by is none that events have."""

    name: Annotated[str, Meta(min_length=1, pattern=r"^[\w.-]+$", description="of the rule")]
    steps: Annotated[list[Match], Meta(min_length=2, max_length=20, description="in their order")]
    by: Annotated[
        str | list[str], Meta(description="field, or fields, that all steps have in common")
    ] = "ip"
    seconds: Annotated[
        int, Meta(ge=1, le=2_592_000, description="from the first step to the last")
    ] = 3600
    type: Annotated[str, Meta(min_length=1, description="of the event that tells it")] = "Incident"
    severity: Annotated[SeverityName, Meta(description="of the event that tells it")] = "HIGH"
    message: Annotated[str, Meta(description="what is said of it; empty: its steps")] = ""

    def __post_init__(self) -> None:
        for field in _fields(self):
            if not conditions.known_field(field):
                raise ValueError(f"{field!r} is no field of events; say details.{field}")


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the correlator `sequence`."""

    rules: Annotated[
        list[Rule], Meta(description="name, steps, by, seconds …; see explanation/correlation.md")
    ] = []
    max_keys: Annotated[int, Meta(ge=100, description="entities that a rule follows at a time")] = (
        20_000
    )


class Mark(msgspec.Struct, array_like=True):
    """One step that was taken, as it is told."""

    time_ns: int
    id: str
    type: str
    severity: str
    technique: str
    description: str
    evidence: list[dict[str, Any]]


class SequenceCorrelator(Correlator):
    """Tells where the steps of a rule of the user's were all taken, in their order."""

    Settings = Settings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._followers = [_Follower(rule, self.settings.max_keys) for rule in self.settings.rules]

    def correlate(self, events: Iterable[Event]) -> Iterable[Event]:
        """The sequences that these events complete."""
        for event in events:
            for follower in self._followers:
                yield from follower.take(event)

    def flush(self) -> Iterable[Event]:
        """Tell the completions that were held back."""
        for follower in self._followers:
            yield from follower.episodes.flush()

    def save(self) -> dict[str, Any]:
        """How far each entity got."""
        return {follower.rule.name: follower.save() for follower in self._followers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave; rules that are new begin empty."""
        for follower in self._followers:
            if follower.rule.name in state:
                follower.restore(state[follower.rule.name])

    def counts(self) -> dict[str, int]:
        """Entities that had to be forgotten early."""
        return {"evicted": sum(follower.evicted for follower in self._followers)}


Paths = list[list[Mark]]  # by number of steps taken (less one): the latest way to get so far


class _Follower:
    """One rule with how far each entity got."""

    def __init__(self, rule: Rule, keys: int) -> None:
        self.rule = rule
        self.keys = keys
        self.evicted = 0
        self.episodes = Episodes(rule.seconds, source="system")
        self._fields = _fields(rule)
        self._meant = [conditions.matcher(step) for step in rule.steps]
        self._paths: dict[str, Paths] = {}  # ordered by last step

    def take(self, event: Event) -> Iterator[Event]:
        yield from self.episodes.close(event.time_ns)
        steps = [n for n, meant in enumerate(self._meant) if meant(event)]
        if not steps or (key := conditions.key(event, self._fields)) is None:
            return
        name = "\x1f".join(key)
        paths = self._paths.pop(name, None)
        if paths is None:
            if steps[0] != 0:
                return
            paths = [[] for _ in self.rule.steps]
            self._make_room()
        self._paths[name] = paths
        mark = _mark(event)
        for step in reversed(steps):  # one event takes one step of a way
            self._advance(paths, step, mark)
        if done := paths[-1]:
            del self._paths[name]
            account = self._account(key, done)
            yield from self.episodes.trigger((self.rule.name, *key), mark.time_ns, account)

    def _advance(self, paths: Paths, step: int, mark: Mark) -> None:
        if step == 0:
            if not paths[0] or mark.time_ns >= paths[0][0].time_ns:
                paths[0] = [mark]
        elif before := paths[step - 1]:
            began, last = before[0].time_ns, before[-1].time_ns
            if last <= mark.time_ns < began + self.rule.seconds * NS:
                paths[step] = [*before, mark]

    def _make_room(self) -> None:
        if len(self._paths) >= self.keys:
            del self._paths[next(iter(self._paths))]
            self.evicted += 1

    def _account(self, key: Sequence[str], done: Sequence[Mark]) -> Account:
        rule = self.rule
        pairs = ", ".join(f"{f} {v!r}" for f, v in zip(self._fields, key, strict=True))
        steps = " → ".join(mark.type for mark in done)
        spent = (done[-1].time_ns - done[0].time_ns) / NS
        details: dict[str, Any] = dict(conditions.entity_details(self._fields, key))
        details["description"] = f"{rule.message or steps}: {pairs}, within {spent:.0f} s"
        details["metadata"] = {
            "rule": rule.name,
            "by": dict(zip(self._fields, key, strict=True)),
            "window_s": rule.seconds,
            "stages": [_stage(mark) for mark in done],
            "events": [mark.id for mark in done if mark.id],
        }
        return Account(
            type=rule.type,
            severity=Severity(rule.severity).value,
            rule=f"sequence/{rule.name}",
            details=details,
            explanation=(
                f"{len(done)} steps ({steps}) of {pairs} within {spent:.0f} s"
                f" (threshold: all {len(rule.steps)} within {rule.seconds} s)"
            ),
            evidence=[place for mark in reversed(done) for place in mark.evidence],
            techniques=list(dict.fromkeys(mark.technique for mark in done if mark.technique)),
            tags=["sequence", rule.name],
        )

    def save(self) -> dict[str, Any]:
        return {"paths": list(self._paths.items()), "episodes": self.episodes.save()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, paths in msgspec.convert(state["paths"], list[tuple[str, Paths]]):
            if len(paths) == len(self.rule.steps):  # else the rule is another one by now
                self._paths[name] = paths
        self.episodes.restore(state["episodes"])


def _mark(event: Event) -> Mark:
    techniques = [name for name in event.get("techniques", ()) if isinstance(name, str)]
    return Mark(
        event.time_ns,
        str(event.get("id", "")),
        str(event["type"]),
        str(event["severity"]),
        techniques[0] if techniques else "",
        str(event["details"].get("description", ""))[:LONGEST],
        [dict(place) for place in event.get("evidence", ())[:1]],
    )


def _stage(mark: Mark) -> dict[str, Any]:
    known = tactics.technique(mark.technique)
    return {
        "tactic": known.tactics[0] if known else "",
        "technique": mark.technique,
        "type": mark.type,
        "severity": mark.severity,
        "first": format_time(mark.time_ns),
        "last": format_time(mark.time_ns),
        "count": 1,
        "events": [mark.id] if mark.id else [],
        "description": mark.description,
    }


def _fields(rule: Rule) -> list[str]:
    return [rule.by] if isinstance(rule.by, str) else rule.by
