"""What is stored of a period, and the plan of what of it is told anew, from which evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from mlids import registry
from mlids.archive import Archive
from mlids.backtest import signs
from mlids.backtest.changes import Difference
from mlids.backtest.progress import Progress
from mlids.backtest.sources import Readable, Sources, all_logins
from mlids.backtest.spells import Spells, plugin_of, text
from mlids.batches import Batch, Detector, LineBatch, PacketBatch
from mlids.events import Event, Severity

RULES = 2000  # rows of the count of events
FURTHER = "(further rules)"
GRAVE = (Severity.HIGH.value, Severity.CRITICAL.value)


class Period(msgspec.Struct, frozen=True):
    """From when to when, ns since 1970; until is exclusive."""

    since_ns: int
    until_ns: int

    def holds(self, event: Event) -> bool:
        """Whether an event is of the period."""
        return self.since_ns <= event.time_ns < self.until_ns


class Plan(msgspec.Struct, frozen=True):
    """What is told anew.

    reached: the plugins that the change reaches; counted: those of them that count stored logins;
    correlators: all of them; readable: what is read again.
    """

    period: Period
    reached: frozenset[str]
    counted: frozenset[str]
    correlators: frozenset[str]
    readable: Readable

    @property
    def reread(self) -> list[str]:
        """The detectors that read files again."""
        return sorted(self.reached - self.counted - self.correlators)

    @property
    def files(self) -> list[str]:
        """The files that are read again, each once."""
        return list(dict.fromkeys(f for files in self.readable.files.values() for f in files))

    def retells(self, plugin: str, event: Event) -> bool:
        """Whether a stored event is told anew, and not taken as it is."""
        if plugin in self.correlators or plugin in self.counted:
            return True
        source = text(signs.evidence(event).get("source"))
        return plugin in self.reached and source in self.readable.files


class Outcome:
    """What was told within a period: counts, and the spells of what may differ.

    judged: the plugins whose events may differ.
    """

    def __init__(self, period: Period, judged: frozenset[str]) -> None:
        self.period = period
        self.judged = judged
        self.spells = Spells()
        self.events = self.grave = 0
        self.rows: Counter[tuple[str, str]] = Counter()  # events by type and rule
        self.plugins: dict[tuple[str, str], str] = {}

    def add(self, event: Event) -> None:
        """Count an event; one outside the period is passed over."""
        if not self.period.holds(event):
            return
        self.events += 1
        self.grave += event["severity"] in GRAVE
        plugin = plugin_of(event)
        if plugin in self.judged:
            row = (text(event["type"]), text(event.get("rule")))
            if row not in self.rows and len(self.rows) >= RULES:
                row = (FURTHER, plugin)
            self.rows[row] += 1
            self.plugins[row] = plugin
            self.spells.add(plugin, event)


class Survey:
    """What is stored: its outcome, its sources, what was kept back, and when it begins."""

    def __init__(self, period: Period, judged: frozenset[str]) -> None:
        self.stored = Outcome(period, judged)
        self.sources = Sources()
        self.suppressed = 0
        self.first_ns = 0

    def take(self, event: Event) -> None:
        """Count one stored event."""
        self.first_ns = self.first_ns or event.time_ns
        self.stored.add(event)
        self.sources.add(event)
        if event["type"] == "Events Suppressed":
            amount = event["details"].get("suppressed")
            self.suppressed += amount if isinstance(amount, int) else 1


def surveyed(
    archive: Archive, period: Period, differences: Mapping[str, Difference], progress: Progress
) -> Survey:
    """One look at what is stored of a period."""
    survey = Survey(period, frozenset((*differences, *registry.names("correlators"))))
    progress.begin("stored events")
    for event in progress.counted(archive.search("", period.since_ns, period.until_ns)):
        survey.take(event)
    return survey


def planned(survey: Survey, differences: Mapping[str, Difference], most_bytes: int) -> Plan:
    """What of these differences can be told anew. most_bytes: of files that may be read."""
    reached = frozenset(differences)
    counters = reached & frozenset(signs.COUNTERS)
    readable = survey.sources.readable(
        lines=_any(reached, LineBatch),
        recordings=_any(reached, PacketBatch),
        since_ns=survey.stored.period.since_ns,
        most_bytes=most_bytes,
    )
    if counters == reached and not all_logins(survey.sources.known.values(), readable.files):
        readable = Readable(refused=readable.refused)
    there = all_logins(survey.sources.known.values(), readable.files)
    return Plan(
        survey.stored.period,
        reached,
        frozenset() if there else counters,
        frozenset(registry.names("correlators")),
        readable,
    )


def _any(names: frozenset[str], kind: type[Batch]) -> bool:
    return any(_kind(name) is kind for name in names)


def _kind(name: str) -> type[Batch] | None:
    """What a detector looks at, None where it is none."""
    if name not in registry.names("detectors"):
        return None
    found = registry.plugin("detectors", name)
    return found.kind if issubclass(found, Detector) else None
