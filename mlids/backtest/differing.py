"""What differs between two replays: detections that are gone, new, or more or less grave."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property

from mlids.archive import Archive
from mlids.backtest.changes import Difference
from mlids.backtest.planning import Outcome, Plan
from mlids.backtest.recorded import Judge, Judgement
from mlids.backtest.report import Check, Detection, Kind
from mlids.backtest.spells import Spell, text
from mlids.events import Severity, format_time

LISTED = 1000
COUNTED, CORRELATED = "stored logins, counted again", "stored events, correlated again"
READ, RECORDED = "files, read again", "as it was recorded"


class Differing:
    """The outcomes of what is stored, of the replay as it is, and of the one as it might be."""

    def __init__(
        self,
        plan: Plan,
        differences: Mapping[str, Difference],
        judge: Judge,
        stored: Outcome,
        before: Outcome,
        after: Outcome,
    ) -> None:
        self.plan = plan
        self.differences = differences
        self.judge = judge
        self.stored = stored
        self.before = before
        self.after = after
        level = min(one.spells.level for one in (stored, before, after))
        for outcome in (stored, before, after):
            outcome.spells.lower(level)

    @cached_property
    def gone(self) -> list[Spell]:
        """What the change silences."""
        return self.before.spells.without(self.after.spells)

    @cached_property
    def new(self) -> list[Spell]:
        """What the change adds."""
        return self.after.spells.without(self.before.spells)

    @cached_property
    def severity(self) -> list[tuple[Spell, str]]:
        """What is told as more or less grave, as it might be, and how grave it was."""
        found = []
        for spell in self.after.spells:
            was = _gravest(self.before.spells.meeting(spell))
            if was and was != _gravest(self.after.spells.meeting(spell)):
                found.append((spell, was))
        return found

    def detections(self, spells: Sequence[Spell], why: bool = False) -> list[Detection]:
        """The earliest of these spells as a report lists them. why: says why they are gone."""
        listed = heapq.nsmallest(LISTED, spells, key=lambda spell: (spell.first_ns, spell.key))
        return [self._detection(spell, why) for spell in listed]

    def changed(self) -> list[Detection]:
        """The same of those whose severity differs."""
        listed = heapq.nsmallest(LISTED, self.severity, key=lambda pair: pair[0].first_ns)
        made = []
        for spell, was in listed:
            detection = self._detection(spell, False)
            detection.was = was
            made.append(detection)
        return made

    def _detection(self, spell: Spell, gone: bool) -> Detection:
        why, sure = self._reason(spell) if gone else (spell.explanation, True)
        stored = self.stored.spells.meeting(spell)
        return Detection(
            type=spell.key[0],
            rule=spell.rule,
            entity=spell.key[2],
            severity=spell.severity,
            first=format_time(spell.first_ns),
            last=format_time(spell.last_ns),
            event=stored[0].id if stored else "",
            events=spell.count,
            why=why,
            sure=sure,
        )

    def sure(self, spell: Spell) -> bool:
        """Whether a spell that is gone is surely gone."""
        return self._reason(spell)[1]

    def _reason(self, spell: Spell) -> tuple[str, bool]:
        """Why a spell is gone, and whether that is sure."""
        if spell.plugin not in self.differences:
            return f"what led to it is not told: {spell.explanation}", True
        found = self.judge.judgement(spell.plugin, spell.seen, spell.explanation)
        if not isinstance(found, Judgement) or found.kept:
            return f"not so any more: {spell.explanation}", True
        return found.why, found.sure or self.basis(spell.plugin) == COUNTED

    def basis(self, plugin: str) -> str:
        """What the judgement about a plugin rests on."""
        if plugin in self.plan.counted:
            return COUNTED
        if plugin in self.plan.correlators:
            return CORRELATED
        read = [READ] if self.plan.files and plugin in self.plan.reread else []
        return ", else ".join(read + [RECORDED] * (plugin in self.judge.asked or not read))

    def kinds(self) -> list[Kind]:
        """Each rule that may differ, those with most events first."""
        gone = Counter((spell.key[0], spell.rule) for spell in self.gone)
        new = Counter((spell.key[0], spell.rule) for spell in self.new)
        outcomes = (self.stored, self.before, self.after)
        plugins = {row: plugin for one in outcomes for row, plugin in one.plugins.items()}
        made = [
            Kind(
                type=row[0],
                rule=row[1],
                basis=self.basis(plugin),
                stored=self.stored.rows[row],
                before=self.before.rows[row],
                after=self.after.rows[row],
                gone=gone[row],
                new=new[row],
            )
            for row, plugin in plugins.items()
        ]
        return sorted(made, key=lambda kind: (-kind.stored, -kind.after, kind.type, kind.rule))

    def check(self) -> Check:
        """How well the replay as it is tells what is stored, of what it told anew."""
        anew = [spell for spell in self.stored.spells if self._retold(spell.plugin)]
        missing = [spell for spell in anew if not self.before.spells.meeting(spell)]
        return Check(len(anew), len(anew) - len(missing), self.detections(missing))

    def _retold(self, plugin: str) -> bool:
        return self.basis(plugin) != RECORDED


class Successes:
    """Which of the addresses of some spells logged in, behind the beginning of their spell."""

    def __init__(self, archive: Archive, plan: Plan, spells: Sequence[Spell]) -> None:
        wanted: dict[str, int] = {}
        for spell in spells:
            if spell.ip:
                wanted[spell.ip] = min(spell.first_ns, wanted.get(spell.ip, spell.first_ns))
        self.first: dict[str, int] = {}  # by address: its first login since
        if not wanted:
            return
        until = plan.period.until_ns
        for event in archive.search('type:"Successful Login"', min(wanted.values()), until):
            ip = text(event["details"].get("ip"))
            if ip in wanted and ip not in self.first and event.time_ns >= wanted[ip]:
                self.first[ip] = event.time_ns


def _gravest(spells: Sequence[Spell]) -> str:
    ranks = [Severity(spell.severity) for spell in spells]
    return max(ranks, key=lambda one: one.rank).value if ranks else ""
