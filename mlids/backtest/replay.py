"""A replay: the stored events of a period, with what a change reaches told anew.

What the detectors would say takes the place of what they said, and all of it passes the correlators
once more. Both replays, with the settings as they are and as they might be, differ in nothing else.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, cast

from mlids import assembly
from mlids.archive import Archive
from mlids.backtest import changes, signs
from mlids.backtest.planning import Outcome, Plan
from mlids.backtest.progress import Progress
from mlids.backtest.recorded import Judge
from mlids.backtest.spells import plugin_of, text
from mlids.batches import Detector, LineBatch
from mlids.correlation.stage import Correlation
from mlids.errors import MLIDSError
from mlids.events import Event
from mlids.pipeline import order
from mlids.scanning import Scan
from mlids.suppression.thresholding import Counters
from mlids.volume import NS

_log = logging.getLogger(__name__)
DAY_NS = 86_400 * NS
WARM_NS = 7 * DAY_NS  # read before the period, so that windows are full: the longest is a week
AT_ONCE = 512


class Replay:
    """One replay of a plan with some settings; iterate it once for the events.

    judge: judges stored detections that cannot be told anew, None: they stay as they are;
    thresholds: rules that hold stored events back from now on.
    """

    def __init__(
        self,
        archive: Archive,
        plan: Plan,
        settings: Any,
        tell: Callable[[MLIDSError], None],
        judge: Judge | None = None,
        thresholds: Counters | None = None,
    ) -> None:
        self.archive = archive
        self.plan = plan
        self.settings = settings
        self.tell = tell
        self.judge = judge
        self.thresholds = thresholds or Counters()
        self._broken: set[str] = set()

    def outcome(self, progress: Progress, phase: str, events: int) -> Outcome:
        """Run it. events: how many are stored, for the progress."""
        plan = self.plan
        outcome = Outcome(plan.period, plan.reached | plan.correlators)
        correlation = Correlation(assembly.correlators(self.settings))
        progress.begin(phase, events)
        sources = (self._stored(progress), self._again(progress, phase))
        for event in heapq.merge(*sources, key=order):
            if self.thresholds.holds_back(event):
                continue
            for told in correlation.passed(event):
                outcome.add(told)
        for told in correlation.settle():
            outcome.add(told)
        return outcome

    def _stored(self, progress: Progress) -> Iterator[Event]:
        """Stored events and, in the place of some, what counters make of stored logins."""
        counters = self._counters()
        made = signs.Signs(tuple(self.settings.monitoring.log_rules))
        since = max(0, self.plan.period.since_ns - WARM_NS)
        found = progress.counted(self.archive.search("", since, self.plan.period.until_ns))
        while chunk := list(islice(found, AT_ONCE)):
            events = [_plain(event) for event in chunk if self._stays(event)]
            for batch in made.batches(chunk) if counters else ():
                for name, counter in counters.items():
                    events += self._asked(name, counter.inspect, batch)
            yield from sorted(events, key=order)
        for name, counter in counters.items():
            yield from sorted(self._asked(name, counter.flush), key=order)

    def _counters(self) -> dict[str, Detector[LineBatch]]:
        """Fresh detectors of logins that count over stored ones."""
        return {
            name: cast(Detector[LineBatch], assembly.build(self.settings, "detectors", name))
            for name in sorted(self.plan.counted)
            if assembly.section(self.settings, "detectors", name).enabled
        }

    def _stays(self, event: Event) -> bool:
        plugin = plugin_of(event)
        if self.plan.retells(plugin, event):
            return False
        return (
            self.judge is None or plugin not in self.plan.reached or self.judge.keeps(plugin, event)
        )

    def _asked(
        self, name: str, ask: Callable[..., Iterable[Event]], *batch: LineBatch
    ) -> list[Event]:
        said: list[Event] = []
        try:
            said.extend(ask(*batch))
        except Exception as error:  # whatever stands in the store must not end the replay
            if name not in self._broken:
                self._broken.add(name)
                _log.exception("detector %s failed", name)
                self.tell(MLIDSError("E107", f"detector {name}: {error!r}"))
        return said

    def _again(self, progress: Progress, phase: str) -> Iterator[Event]:
        """What the detectors that the change reaches find in the files that are read again."""
        files, names = self.plan.files, self.plan.reread
        if not files or not names:
            return
        scan = Scan(changes.only(self.settings, names), files, self.tell)
        scan.stage = Passage()
        progress.begin(f"{phase}: files", files=scan.progress)
        yield from scan


def _plain(event: Event) -> Event:
    """A stored event as correlators may take it: somebody may have edited the store."""
    changes = {
        name: text(event[name])
        for name in ("id", "rule", "explanation")
        if not isinstance(event.get(name, ""), str)
    }
    return event.replace(**changes) if changes else event


class Passage:
    """A stage that changes nothing: the replay correlates what it merged."""

    def passed(self, event: Event) -> list[Event]:
        """The event itself."""
        return [event.stamped()]

    def settle(self) -> list[Event]:
        """Nothing is held back."""
        return []
