"""Judges records by rules: each by itself, bursts of them, and sequences.

What bursts and sequences keep is bounded: so many keys of each rule, the last marks of each key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlids.ingested.conditions import Lists, Path, values
from mlids.ingested.findings import Place
from mlids.ingested.rules import Compiled, RuleFile, build
from mlids.windows import Mark, Windows, within

NS = 1_000_000_000
STEPS_KEPT = 16  # marks of a sequence's key
MOST_EVIDENCE = 9  # beside the deciding record
WHAT, PLACE = 1, 2  # fields of a mark, behind its time


class Hit(NamedTuple):
    """A rule that a record completes. key: of a burst or sequence; seen: its marks, latest last."""

    rule: Compiled
    key: str = ""
    observed: int = 1
    seen: Sequence[Mark] = ()

    def explanation(self) -> str:
        """What was observed, the threshold, the window."""
        burst, sequence = self.rule.rule.burst, self.rule.rule.sequence
        if burst is not None:
            held = f"threshold {burst.count} in {burst.within_s:g} s"
            return f"{self.observed} different {burst.of} of {self.key}; {held}"
        if sequence is not None:
            held = f"threshold {len(sequence.steps)} steps in {sequence.within_s:g} s"
            return f"{self.observed} steps by {self.key}; {held}"
        return f"1 record (threshold 1, no window): {self.rule.rule.title}"

    def evidence(self) -> tuple[dict[str, Any], ...]:
        """Where the records before the deciding one are to be found."""
        places = (Place(0, *mark[PLACE]).evidence() for mark in reversed(self.seen[:-1]))
        return tuple(places)[:MOST_EVIDENCE]


class Engine:
    """The rules of one product, and what they remember. keys: at most, of each rule."""

    def __init__(self, file: RuleFile, lists: Lists, keys: int = 1000) -> None:
        compiled = build(file, lists)
        self.rules = [rule for rule in compiled if not rule.rule.fallback]
        self.fallbacks = [rule for rule in compiled if rule.rule.fallback]
        self._windows: dict[str, Windows] = {}
        for rule in compiled:
            over = rule.rule.burst or rule.rule.sequence
            if over is not None:
                keep = rule.rule.burst.count if rule.rule.burst else STEPS_KEPT
                self._windows[rule.name] = Windows(2 * keep, int(over.within_s * NS), keys)

    @property
    def evicted(self) -> int:
        """Keys that were forgotten before their time."""
        return sum(windows.evicted for windows in self._windows.values())

    def judge(self, record: Mapping[str, Any], place: Place) -> list[Hit]:
        """The rules that a record completes."""
        found = [hit for rule in self.rules for hit in self._of(rule, record, place)]
        if found:
            return found
        return [hit for rule in self.fallbacks for hit in self._of(rule, record, place)][:1]

    def _of(self, rule: Compiled, record: Mapping[str, Any], place: Place) -> list[Hit]:
        if not rule.holds(record):
            return []
        if rule.rule.burst is not None:
            return self._burst(rule, record, place)
        if rule.rule.sequence is not None:
            return self._sequence(rule, record, place)
        return [Hit(rule)]

    def _burst(self, rule: Compiled, record: Mapping[str, Any], place: Place) -> list[Hit]:
        burst, key = rule.rule.burst, _key(rule.by, record)
        assert burst is not None
        if not key:
            return []
        what = _text(record, rule.of)
        windows = self._windows[rule.name]
        windows.remove(key, WHAT, (what,))  # what is seen again counts once, and anew
        ring = windows.add(key, (place.time_ns, what, place[1:]))
        seen = within(ring, ring[-1][0], int(burst.within_s * NS))
        return [Hit(rule, key, len(seen), seen)] if len(seen) >= burst.count else []

    def _sequence(self, rule: Compiled, record: Mapping[str, Any], place: Place) -> list[Hit]:
        sequence, key = rule.rule.sequence, _key(rule.by, record)
        assert sequence is not None
        steps = [number for number, step in enumerate(rule.steps) if step(record)]
        if not key or not steps:
            return []
        windows = self._windows[rule.name]
        for number in steps:
            ring = windows.add(key, (place.time_ns, number, place[1:]))
        seen = within(ring, ring[-1][0], int(sequence.within_s * NS))
        count = len(rule.steps)
        last = count - 1 in steps or not sequence.ordered
        if not last or not _complete(seen, count, sequence.ordered):
            return []
        return [Hit(rule, key, count, seen)]

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {name: windows.save() for name, windows in self._windows.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `save` gave; rules that are gone are passed over."""
        for name, kept in state.items():
            if name in self._windows:
                self._windows[name].restore(kept)


def _complete(seen: Sequence[Mark], count: int, ordered: bool) -> bool:
    """Whether all steps are among the marks, one record for each; in their order if it matters."""
    if not ordered:
        return len({mark[WHAT] for mark in seen}) == count
    step = 0
    for mark in seen:
        if mark[WHAT] == step:
            step += 1
            if step == count:
                return True
    return False


def _key(paths: list[Path], record: Mapping[str, Any]) -> str:
    """What records belong together by; "" where the record does not say it."""
    texts = [_text(record, path) for path in paths]
    return " ".join(texts) if all(texts) else ""


def _text(record: Mapping[str, Any], path: Path) -> str:
    found = values(record, path)
    return str(found[0])[:256] if found and found[0] is not None else ""
