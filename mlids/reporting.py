"""Reporter: once a second, what this process does and how its parts fare."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from mlids import __version__, status
from mlids.batches import InputStatus
from mlids.errors import MLIDSError
from mlids.events import format_time
from mlids.gaps import Gaps
from mlids.metrics import Rate
from mlids.pipeline import Lane
from mlids.status import InputRate, Status

if TYPE_CHECKING:
    from mlids.app import MLIDS

_log = logging.getLogger(__name__)
EVERY_S = 1.0
LEAST_S = 0.5  # over which a rate is taken
LOSSES = ("dropped", "rejected", "damaged", "gaps", "given_up")


class Reporter:
    """Gathers the figures of an app, and leaves them in its folder for `index.py status`."""

    def __init__(self, app: MLIDS) -> None:
        self.app = app
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._gaps = Gaps()
        self._rates: dict[str, Rate] = {}
        self._asked = threading.Lock()  # the console, sinks and the status ask from their threads
        self._last_rates: dict[str, tuple[float, float]] = {}  # and when they were taken

    def start(self) -> None:
        """Report from now on; the status is written once before this returns."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)
        self._report()
        self._thread.start()

    def stop(self) -> None:
        """Stop reporting and take the status away."""
        self._stopping.set()
        if self._thread:
            self._thread.join(1)
            self._thread = None
        if self.app.logger:
            (self.app.logger.logs_dir / status.NAME).unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self._report()

    def _report(self) -> None:
        ends = [end for d in self.app.deliveries for end in getattr(d.handler, "endpoints", list)()]
        for lane in self.app.lanes:
            lane.monitor.exclude(ends)  # what MLIDS itself sends makes no events
        self._look_for_gaps()
        try:
            now = self.status()
            self._publish(now.inputs)
            status.write(now)
        except (MLIDSError, OSError) as error:
            _log.debug("no status written: %s", error)

    def _publish(self, inputs: Sequence[InputRate]) -> None:
        """Each input's ledger among the metrics: read = matched + unmatched + rejected."""
        counts = {
            f"inputs{{lane={_label(one.lane)},input={_label(one.input.name)},count={what}}}": count
            for one in inputs
            for what, count in one.input.counts.items()
        }
        self.app.metrics.replace("inputs{", counts)

    def _look_for_gaps(self) -> None:
        inputs = [one for lane in self.app.lanes for one in lane.monitor.inputs()]
        given_up = {
            (name, what): count
            for lane in self.app.lanes
            for name, detector in lane.detectors.items()
            for what, count in detector.counts().items()
        }
        for gap in self._gaps.observe(inputs, given_up, time.monotonic()):
            self.app.report_gap(gap)

    def stats(self) -> dict[str, float]:
        """Figures for dashboards: events_per_second, total_events, active_alerts, uptime (s)."""
        app, total = self.app, self.app.metrics.get("events_total")
        return {
            "events_per_second": round(self._rate("events", total), 2),
            "total_events": int(total),
            "active_alerts": app.logger.alerts.count(time.monotonic()) if app.logger else 0,
            "uptime": int(self._uptime()),
        }

    def status(self) -> Status:
        """The whole state."""
        app, stats = self.app, self.stats()
        inputs = [self._input(lane, one) for lane in app.lanes for one in lane.monitor.inputs()]
        numbers = app.metrics.snapshot()
        return Status(
            pid=os.getpid(),
            version=__version__,
            started=format_time(app.started_ns),
            uptime=self._uptime(),
            ready=self._thread is not None,
            logs_dir=str(app.logger.logs_dir) if app.logger else "",
            inputs=inputs,
            handlers=[msgspec.to_builtins(d.status()) for d in app.deliveries],
            drops=self._drops(inputs),
            events_total=int(stats["total_events"]),
            events_per_second=stats["events_per_second"],
            by_severity=_labelled(numbers, "events{severity="),
            active_alerts=int(stats["active_alerts"]),
            failures=_labelled(numbers, "failures{plugin="),
            problems=list(app.problems[-10:]),
            recent=[dict(event) for event in list(app.logger.recent)[-10:]] if app.logger else [],
        )

    def names(self) -> list[str]:
        """What is watched, in words."""
        return [f"{lane.name} {i.name}" for lane in self.app.lanes for i in lane.monitor.inputs()]

    def _uptime(self) -> float:
        """Seconds since the start, 0 where it does not run."""
        return (time.time_ns() - self.app.started_ns) / 1e9 if self.app.logger else 0.0

    def _input(self, lane: Lane, one: InputStatus) -> InputRate:
        if lane.failed and one.state == "ok":
            one.state, one.note = "failed", lane.failed
        rate = self._rate(f"{lane.name} {one.name}", one.counts.get("read", 0))
        return InputRate(lane.name, one, round(rate, 1))

    def _rate(self, name: str, value: float) -> float:
        with self._asked:
            return self._rate_now(name, value, time.monotonic())

    def _rate_now(self, name: str, value: float, now: float) -> float:
        rate, at = self._last_rates.get(name, (0.0, 0.0))
        if now - at >= LEAST_S:  # asked twice at once, one event would be thousands a second
            rate = self._rates.setdefault(name, Rate()).update(value, now)
            self._last_rates[name] = (rate, now)
        return rate

    def _drops(self, inputs: Sequence[InputRate]) -> dict[str, int]:
        drops: Counter[str] = Counter()
        for one in inputs:
            for what in LOSSES:
                drops[f"{one.lane} {what}"] += one.input.counts.get(what, 0)
        for lane in self.app.lanes:
            for name, detector in lane.detectors.items():
                for what, count in detector.counts().items():
                    drops[f"{name} {what}"] += count
        if self.app.logger:
            drops["store dropped"] = self.app.logger.store.dropped
            drops.update(self.app.logger.rail.correlation.counts())
        return {name: count for name, count in drops.items() if count}


def _label(text: str) -> str:
    """A name that others may have chosen (of a file), so that it ends no label."""
    return "".join("_" if letter in '{},="\\' or letter < " " else letter for letter in text)


def _labelled(numbers: dict[str, float], prefix: str) -> dict[str, int]:
    return {
        name[len(prefix) : -1]: int(value)
        for name, value in numbers.items()
        if name.startswith(prefix)
    }
