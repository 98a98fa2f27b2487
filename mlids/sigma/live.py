"""The rules on the live stream: matches, correlations of them, limits, and what is told of blind
rules; all that has state.

Matches are taken in the order of their lines, so that nothing depends on how the input was cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from mlids.batches import LineBatch
from mlids.events import Event, Severity
from mlids.sigma import events
from mlids.sigma.audit import AuditEvents, Built
from mlids.sigma.chains import Chain
from mlids.sigma.correlation import Counting, Firing, Match
from mlids.sigma.engine import Engine, Hit
from mlids.sigma.limits import Limits
from mlids.sigma.rules import RuleSet
from mlids.sigma.sources import Entry
from mlids.volume import NS, Repeats, Telling

AUDIT = "auditd"  # the format whose events are built of several lines
QUIET_S = 60  # a correlation with a shorter time span goes on over pauses of this length
MOST_TEXT = 1024  # letters of a value that is counted or grouped by
NAMED = 3  # broken rules that an event names

Found = tuple[int, Hit, int, list[dict[str, Any]]]  # row, hit, time, evidence


class Live:
    """Rules and the state of what they saw.

    least: rules below this severity are not told; keys: groups remembered for each correlation;
    limit: events of one rule a minute.
    """

    def __init__(
        self, rules: RuleSet, entries: Sequence[Entry], least: Severity, keys: int, limit: int
    ) -> None:
        self.engine = Engine(_chosen(rules, least), entries)
        self.least = least
        self.problems = rules.problems
        self._limits = Limits(limit)
        self._held: dict[str, tuple[Hit, int, list[dict[str, Any]]]] = {}
        chains = self.engine.rules.chains
        self._audit = AuditEvents()
        self._counting = {one.meta.id: Counting(one, keys) for one in chains}
        quiet = {one.meta.id: max(one.span_ns // NS, QUIET_S) for one in chains}
        self._repeats = {name: Repeats(seconds, keys) for name, seconds in quiet.items()}
        self._firings: dict[str, dict[tuple[str, ...], Firing]] = {name: {} for name in quiet}
        self._keys = keys
        self._members: dict[str, list[Chain]] = {}
        for one in chains:
            for member in dict.fromkeys(one.members):
                self._members.setdefault(member, []).append(one)
        self._falling = any(not one.rising for one in chains)
        self._last_ns = 0  # of the latest match whose time is known
        self._end: LineBatch | None = None  # the last line that was seen
        self._end_ns = 0
        self._told = ""

    def inspect(self, batch: LineBatch) -> Iterator[Event]:
        """The events of a batch; of an empty one those that its time makes due."""
        yield from self._blind(batch)
        if not len(batch):
            if batch.now:
                yield from self._paused(batch.now)
            return
        if self._falling and batch.format:
            self._end = batch.take(np.array([len(batch) - 1]))
        for _, hit, time_ns, evidence in self._found(batch):
            yield from self._taken(hit, time_ns or self._last_ns or batch.written, evidence)
        self._keep_held()

    def flush(self) -> Iterator[Event]:
        """What is held back at the end of the input."""
        for built in self._audit.flush():
            yield from self._of_built(built)
        end_ns = self._reached()
        if end_ns:
            for counting in list(self._counting.values()):
                for firing in counting.close(end_ns):
                    yield from self._fired(firing)
        for name, repeats in self._repeats.items():
            yield from self._tellings(name, repeats.flush())
        self._keep_held()
        for last, held in self._limits.close():
            yield _released(last, held)

    # -- matches

    def _found(self, batch: LineBatch) -> list[Found]:
        """What matches, in the order of the lines; records of several stand at their last one."""
        kind = self.engine.kind(batch)
        if kind is None:
            return []
        hits = kind.hits(batch)
        times = self._times(batch, [hit.row for hit in hits])
        found = [
            (hit.row, hit, time_ns, [batch.evidence(hit.row)])
            for hit, time_ns in zip(hits, times, strict=True)
        ]
        if kind.built:
            for row, built in self._audit.add(batch):
                found += [
                    (row, hit, built.time_ns, built.evidence) for hit in kind.built_hits(built)
                ]
            found.sort(key=lambda one: (one[0], one[1].row < 0))
        return found

    def _times(self, batch: LineBatch, rows: list[int]) -> list[int]:
        """When the lines were written; 0 where their format cannot tell."""
        if not rows:
            return []
        column = batch.take(np.array(rows, dtype=np.intp)).column("time")
        return [int(one) for one in column]

    def _of_built(self, built: Built) -> Iterator[Event]:
        kind = self.engine.kind_of(AUDIT, built.source)
        for hit in kind.built_hits(built) if kind else ():
            yield from self._taken(hit, built.time_ns, built.evidence)

    def _taken(self, hit: Hit, time_ns: int, evidence: list[dict[str, Any]]) -> Iterator[Event]:
        self._last_ns = time_ns
        meta = hit.rule.meta
        if hit.rule.told and meta.severity.rank >= self.least.rank:
            held = self._limits.take(meta.id, time_ns)
            if held is None:
                self._held[meta.id] = (hit, time_ns, evidence)
            else:
                self._held.pop(meta.id, None)
                yield events.match_event(hit, time_ns, evidence, held)
        if meta.id in self._members:
            view = hit.view
            match = Match(
                meta.id,
                time_ns,
                lambda field: [text[:MOST_TEXT] for text, _ in view.texts(field)],
                evidence[0],
                events.address(view),
                events.first(view, view.entry.user),
            )
            yield from self._matched(match)

    def _keep_held(self) -> None:
        """Turn what was held back last into plain data, once for each rule and batch."""
        for rule, (hit, time_ns, evidence) in self._held.items():
            self._limits.keep(rule, dict(events.match_event(hit, time_ns, evidence)))
        self._held.clear()

    # -- correlations

    def _matched(self, match: Match) -> Iterator[Event]:
        for chain in self._members.get(match.rule, ()):
            name = chain.meta.id
            yield from self._tellings(name, self._repeats[name].close(match.time_ns))
            for firing in list(self._counting[name].add(match)):
                yield from self._fired(firing)

    def _fired(self, firing: Firing) -> Iterator[Event]:
        chain, name = firing.chain, firing.chain.meta.id
        kept = self._firings[name]
        kept.pop(firing.group, None)
        kept[firing.group] = firing
        if len(kept) > self._keys:
            del kept[next(iter(kept))]
        tellings = list(self._repeats[name].trigger(firing.group, firing.time_ns))
        yield from self._tellings(name, iter(tellings))
        if any(telling.total == 1 for telling in tellings) and name in self._members:
            group = dict(zip(chain.group_by, firing.group, strict=True))
            match = Match(
                name,
                firing.time_ns,
                lambda field: [group[field]] if field in group else [],
                firing.evidence[0],
                firing.ip,
                firing.user,
            )
            yield from self._matched(match)

    def _tellings(self, name: str, tellings: Iterator[Telling]) -> Iterator[Event]:
        for telling in tellings:
            firing = self._firings[name].get(telling.key)  # type: ignore[call-overload]
            if firing and firing.chain.told and self._loud(firing.chain):
                yield events.chain_event(firing, telling)

    def _loud(self, chain: Chain) -> bool:
        return chain.meta.severity.rank >= self.least.rank

    def _paused(self, now_ns: int) -> Iterator[Event]:
        for built in self._audit.pause(now_ns):
            yield from self._of_built(built)
        for name, counting in self._counting.items():
            for firing in list(counting.close(now_ns)):
                yield from self._fired(firing)
            yield from self._tellings(name, self._repeats[name].close(now_ns))
        self._keep_held()
        for last, held in self._limits.close(now_ns):
            yield _released(last, held)

    def _reached(self) -> int:
        """The time of the last line."""
        if self._end is not None:
            self._end_ns = int(self._end.column("time")[0]) or self._end_ns
            self._end = None
        return self._end_ns

    # -- rules that see nothing

    def _blind(self, batch: LineBatch) -> Iterator[Event]:
        """Once: how many rules are broken or can never fire."""
        text, figures = self._blindness
        if self._told == text or not (len(batch) or batch.now):
            return
        self._told = text
        time_ns = batch.now
        if len(batch):
            column = batch.take(np.array([0])).column("time") if batch.format else [0]
            time_ns = int(column[0]) or batch.written
        yield events.gap_event(text, figures, time_ns)

    @cached_property
    def _blindness(self) -> tuple[str, dict[str, int]]:
        """What is to be told of rules that are broken or can never fire, "": nothing."""
        rules, broken = self.engine.rules, self.problems
        unable = len(self.engine.unable) + len(self.engine.unable_chains())
        if not unable and not broken:
            return "", {}
        known = len(rules.rules) + len(rules.chains) + len(broken)
        text = f"of {known:,} Sigma rules {unable:,} can never fire here"
        if broken:
            named = "; ".join(str(one) for one in broken[:NAMED])
            text += f" and {len(broken):,} are broken ({named})"
        text += ": index.py rules check says which and why"
        return text, {"rules": known, "unable": unable, "broken": len(broken)}

    # -- what survives a restart

    def counts(self) -> dict[str, int]:
        """Losses to be told."""
        return {
            "evicted_audit_events": self._audit.evicted,
            "evicted_groups": sum(one.evicted for one in self._counting.values())
            + sum(one.evicted for one in self._repeats.values()),
        }

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "audit": self._audit.save(),
            "limits": self._limits.save(),
            "counting": {name: one.save() for name, one in self._counting.items()},
            "repeats": {name: one.save() for name, one in self._repeats.items()},
            "firings": {
                name: [[list(group), *one[2:]] for group, one in kept.items()]
                for name, kept in self._firings.items()
            },
            "times": [self._last_ns, self._reached()],
            "told": self._told,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `save` gave; what it holds of rules that are gone is left out."""
        self._audit.restore(state["audit"])
        self._limits.restore(state["limits"])
        for name, counting in self._counting.items():
            counting.restore(state["counting"].get(name, ()))
            self._repeats[name].restore(state["repeats"].get(name, []))
            for group, *values in state["firings"].get(name, ()):
                firing = Firing(counting.chain, tuple(group), *values)
                self._firings[name][firing.group] = firing
        self._last_ns, self._end_ns = state["times"]
        self._told = state["told"]


def _chosen(rules: RuleSet, least: Severity) -> RuleSet:
    """Rules that are told, or that a correlation counts."""
    used = {member for chain in rules.chains for member in chain.members}
    loud = [
        one for one in rules.rules if one.meta.severity.rank >= least.rank or one.meta.id in used
    ]
    return msgspec.structs.replace(rules, rules=loud)


def _released(last: dict[str, Any], held: int) -> Event:
    """The last event that was held back, and how many it stands for beside itself."""
    details = dict(last["details"])
    if held:
        details["suppressed"] = held
    return Event({**last, "details": details})
