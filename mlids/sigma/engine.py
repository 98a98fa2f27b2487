"""Holds the rules against batches of lines: which of them match which lines.

For each kind of log (its format, and what the user says of it) the rules that are for it are bound
to its records once: what they call a field is resolved, rules that can never fire are set aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np

from mlids.batches import LineBatch
from mlids.sigma.audit import RECORDS, Built
from mlids.sigma.binding import Bound, Shape, bound_all
from mlids.sigma.folding import fold
from mlids.sigma.nodes import Fate
from mlids.sigma.rules import Rule, RuleSet
from mlids.sigma.screening import Screen
from mlids.sigma.sources import Entry
from mlids.sigma.views import View, as_json

MOST_KINDS = 64  # kinds of logs that stay bound
_HEXADECIMAL = re.compile(rb"=((?:[0-9A-Fa-f]{2}){3,})(?![0-9A-Za-z])")
MOST_LISTED = 10_000  # records that one line may list


class Hit(NamedTuple):
    """A rule that matches. row: of the line, -1 for records built of several lines."""

    rule: Rule
    view: View
    row: int


class Verdict(msgspec.Struct, frozen=True):
    """Whether a rule can fire at all, and if not, why not; formats: those whose lines it is for."""

    rule: Rule
    formats: tuple[str, ...] = ()
    reason: str = ""

    @property
    def able(self) -> bool:
        """Whether it can."""
        return not self.reason


class Kind:
    """The rules for the lines of one kind of log."""

    def __init__(self, bound: Sequence[Bound]) -> None:
        self.bound = [one for one in bound if not one.entry.built]
        self.built: dict[str, list[Bound]] = {}
        for one in bound:
            if one.entry.built:
                self.built.setdefault(one.entry.built, []).append(one)
        entries = [one.entry for one in self.bound]
        self._hexadecimal = _joined(one.hexadecimal for one in entries)
        self._respelled = _joined(one.respelled for one in entries)
        self._lists = {one.entry.each for one in self.bound if one.entry.each}

    @cached_property
    def screen(self) -> Screen:
        """Of the rules for single lines."""
        return Screen([one.literals for one in self.bound], all(b.entry.json for b in self.bound))

    @cached_property
    def built_screens(self) -> dict[str, Screen]:
        """Of the rules for records that are built of several lines."""
        return {
            what: Screen([one.literals for one in some], json=True)
            for what, some in self.built.items()
        }

    def hits(self, batch: LineBatch, screened: bool = True) -> list[Hit]:
        """What matches of single lines, by row. screened: False holds each rule to each line."""
        if not self.bound or not len(batch):
            return []
        if not screened:
            return self._tested(batch, dict.fromkeys(range(len(batch)), range(len(self.bound))))
        candidates, odd = self.screen.lines(batch.data, batch.starts, batch.ends)
        odd |= self._rows(batch, self._respelled)
        self._look_again(batch, odd, candidates)
        self._look_inside(batch, sorted(self._rows(batch, self._hexadecimal) - odd), candidates)
        if always := self.screen.always:
            for row in range(len(batch)):
                candidates.setdefault(row, set()).update(always)
        return self._tested(batch, candidates)

    def _rows(self, batch: LineBatch, pattern: str) -> set[int]:
        """Rows whose line holds a pattern ("": none does)."""
        if not pattern:
            return set()
        import re2

        first, last = int(batch.starts[0]), int(batch.ends[-1])
        places = [m.start() for m in re2.finditer(pattern.encode(), batch.data[first:last])]
        rows = np.searchsorted(batch.starts, np.array(places, dtype=np.int64) + first, side="right")
        return {row for row in (rows - 1).tolist() if row >= 0}

    def _look_inside(
        self, batch: LineBatch, rows: list[int], candidates: dict[int, set[int]]
    ) -> None:
        """Screen rows once more with what their hexadecimal digits stand for."""
        if not rows:
            return
        texts = [_HEXADECIMAL.sub(_plain, batch.line(row)) for row in rows]
        ends = np.cumsum([len(text) + 1 for text in texts]) - 1
        starts = ends - [len(text) for text in texts]
        found, _ = self.screen.lines(b"\n".join(texts), starts, ends)
        for at, numbers in found.items():
            candidates.setdefault(rows[at], set()).update(numbers)

    def _look_again(self, batch: LineBatch, odd: set[int], candidates: dict[int, set[int]]) -> None:
        """Screen rows whose values are spelled otherwise in the line, as records."""
        if not odd:
            return
        rows = sorted(odd)
        records = batch.take(np.array(rows, dtype=np.intp)).records()
        for row, record in zip(rows, records, strict=True):
            line = batch.line(row).decode("utf-8", "backslashreplace")
            text = fold(f"{line}\n{as_json(record)}")
            self._add(candidates, row, text.encode("utf-8", "replace"))

    def _add(self, candidates: dict[int, set[int]], row: int, folded: bytes) -> None:
        if found := self.screen.rules_of(folded):
            candidates.setdefault(row, set()).update(found)

    def _tested(
        self, batch: LineBatch, candidates: Mapping[int, Sequence[int] | set[int]]
    ) -> list[Hit]:
        rows = sorted(candidates)
        if not rows:
            return []
        records = batch.take(np.array(rows, dtype=np.intp)).records()
        found: list[Hit] = []
        if self.built:  # they are asked for again when the lines of an event are put together
            batch.memo[RECORDS] = dict(zip(rows, records, strict=True))
        for row, record in zip(rows, records, strict=True):
            line = batch.line(row)
            numbers = sorted(candidates[row])
            for one in self._single(record):
                found += self._held(numbers, one, line, batch.source, row)
        return found

    def _single(self, record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The record itself, or those that it lists."""
        for name in self._lists:
            listed = record.get(name)
            if isinstance(listed, list):
                yield from (one for one in listed[:MOST_LISTED] if isinstance(one, dict))
                return
        yield record

    def _held(
        self, numbers: Sequence[int], record: Mapping[str, Any], line: bytes, source: str, row: int
    ) -> Iterator[Hit]:
        """Which of these rules match a record; a rule that is bound twice counts once."""
        views: dict[int, View] = {}
        gates: dict[int, bool] = {}
        seen: set[int] = set()
        for number in numbers:
            bound = self.bound[number]
            rule, reader, gate = bound[:3]
            view = views.get(id(reader))
            if view is None:
                view = views[id(reader)] = View(record, reader, line, source)
            if gate is not None:
                opened = gates.get(id(gate))
                if opened is None:
                    opened = gates[id(gate)] = gate.test(view)
                if not opened:
                    continue
            if bound.test(view) and id(rule) not in seen:
                seen.add(id(rule))
                yield Hit(rule, view, row)

    def built_hits(self, built: Built, screened: bool = True) -> list[Hit]:
        """What matches of a record that was built of several lines."""
        some = self.built.get(built.what, ())
        if not some:
            return []
        numbers: Sequence[int] = range(len(some))
        if screened:
            screen = self.built_screens[built.what]
            text = built.line.decode("utf-8", "backslashreplace") + as_json(built.record)
            numbers = sorted(
                {*screen.rules_of(fold(text).encode("utf-8", "replace")), *screen.always}
            )
        found = []
        view = View(built.record, some[0].reader, built.line, built.source)
        for number in numbers:
            bound = some[number]
            if bound.reader is not view.reader:
                view = View(built.record, bound.reader, built.line, built.source)
            if bound.test(view):
                found.append(Hit(bound.rule, view, -1))
        return found


class Engine:
    """The rules, bound to the kinds of logs as they come."""

    def __init__(self, rules: RuleSet, entries: Sequence[Entry]) -> None:
        self.rules = rules
        self.entries = tuple(entries)
        self._kinds: dict[tuple[int, ...], Kind] = {}
        self._known: dict[tuple[str, str], Kind] = {}

    def kind(self, batch: LineBatch) -> Kind | None:
        """The rules for a batch; None where there is none for its kind."""
        return self.kind_of(batch.format.name, batch.source) if batch.format else None

    def kind_of(self, format: str, source: str) -> Kind | None:
        """The rules for lines of a format from a source; None where there is none."""
        key = (format, source)
        kind = self._known.get(key)
        if kind is None:
            if len(self._known) >= MOST_KINDS * 16:
                self._known.clear()
            kind = self._known[key] = self._kind(*key)
        return kind if kind.bound or kind.built else None

    def _kind(self, format: str, source: str) -> Kind:
        numbers = tuple(n for n, one in enumerate(self.entries) if one.covers(format, source))
        known = self._kinds.get(numbers)
        if known is None:
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            pairs = [
                (rule, self.entries[number])
                for rule in self.rules.rules
                for number in numbers
                if self.entries[number].takes(rule.product, rule.category, rule.service)
            ]
            known = self._kinds[numbers] = Kind(bound_all(pairs))
        return known

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """For each rule whether it can fire, in the order of the rules."""
        return [self._verdict(rule) for rule in self.rules.rules]

    def _verdict(self, rule: Rule) -> Verdict:
        fitting = [
            one for one in self.entries if one.takes(rule.product, rule.category, rule.service)
        ]
        if not fitting:
            hint = "; say with detectors.sigma.sources which log that is"
            return Verdict(rule, (), f"no log format provides {rule.logsource}{hint}")
        formats: dict[str, None] = {}
        for entry in fitting:
            if rule.node.fate(Shape(entry)) is not Fate.NEVER:
                formats |= dict.fromkeys(entry.formats or ["any"])
        if formats:
            return Verdict(rule, tuple(formats))
        wanted = dict.fromkeys(rule.node.fields())
        missing = [
            field for field in wanted if not any(Shape(one).provides(field) for one in fitting)
        ]
        named = ", ".join(missing[:5]) or ", ".join(list(wanted)[:5]) or "what it asks for"
        logs = ", ".join(dict.fromkeys(name for one in fitting for name in one.formats))
        return Verdict(rule, (), f"{logs} has no field {named}")

    @property
    def unable(self) -> list[Verdict]:
        """The rules that can never fire."""
        return [one for one in self.verdicts if not one.able]

    def unable_chains(self) -> dict[str, str]:
        """The correlations that can never fire, by id, with why."""
        never = {one.rule.meta.id for one in self.unable}
        found: dict[str, str] = {}
        for chain in self.rules.chains:
            lost = [one for one in chain.members if one in never or one in found]
            needed = len(lost) == len(chain.members) or (
                lost and chain.kind.startswith("temporal") and not chain.expression
            )
            if needed:
                found[chain.meta.id] = f"it needs {lost[0]}, which can never fire"
        return found


def _joined(patterns: Iterable[str]) -> str:
    """One expression for several, "" for none."""
    return "|".join(f"(?:{pattern})" for pattern in sorted(set(patterns)) if pattern)


def _plain(found: re.Match[bytes]) -> bytes:
    """A value with the bytes that its hexadecimal digits stand for, as text."""
    return b"=" + bytes.fromhex(found[1].decode()).replace(b"\0", b" ")


def matched(hit: Hit, most: int = 10) -> dict[str, Any]:
    """The fields by which a rule matches, with their values, shortened."""
    found: dict[str, Any] = {}
    for field, text in hit.rule.node.matched(hit.view):
        name = field or "keyword"
        if len(found) < most:
            found.setdefault(name, text if len(text) <= 200 else f"{text[:199]}…")
    return found
