"""MLIDS: builds everything from the settings, starts it, stops it.

::

    monitors ─▶ lanes ─▶ EventLogger ─▶ deliveries (sinks, notifiers, handlers)
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from mlids import __version__, assembly, diagnostics, trial
from mlids.addresses import HOME
from mlids.batches import Detector, Monitor
from mlids.config import ConfigManager, networks
from mlids.delivery import Delivery
from mlids.errors import MLIDSError
from mlids.events import Event, EventFilter, EventHandler, EventSink, Notifier
from mlids.gaps import Gap
from mlids.logger import EventLogger
from mlids.metrics import Metrics
from mlids.pipeline import Lane
from mlids.reporting import Reporter
from mlids.status import Status

_log = logging.getLogger(__name__)
STOP_S = 4.0  # everything is flushed or spooled by then
# Codes of errors because of which MLIDS does not see, or tell, everything.
BLIND = ("E004", "E009", "E101", "E102", "E103", "E104", "E2")


class MLIDS:
    """A Multi-Level Intrusion Detection System in this process.

    config_file: path of the configuration; config: a `ConfigManager` in its place, whose file may
    be missing (defaults then hold); strict: an interface that does not exist makes `start` raise
    E003, else it is told and the rest runs; tell: called with each error for the operator.
    """

    def __init__(
        self,
        config_file: str | os.PathLike[str] = "config.yaml",
        *,
        config: ConfigManager | None = None,
        strict: bool = True,
        tell: Callable[[MLIDSError], None] | None = None,
    ) -> None:
        self.config = config or ConfigManager(config_file)
        self.strict = strict
        self.on_error = tell
        self.on_built: Callable[[], None] = lambda: None  # inputs are open, nothing runs yet
        self.metrics = Metrics()
        self.problems: list[str] = []
        self.lanes: list[Lane] = []
        self.deliveries: list[Delivery] = []
        self.logger: EventLogger | None = None
        self._required = config is None
        self._added: list[tuple[str, Any]] = []  # handlers and sinks of the caller's
        self._detectors: list[Detector[Any]] = []
        self._interfaces: list[str] | None = None
        self._settings: Any = None
        self.started_ns = 0
        self.reporter = Reporter(self)

    # -- life

    def start(self) -> None:
        """Start monitoring in the background and return.

        Raises `MLIDSError`: E001 or E002 (configuration), E003 (interface), E006 (another MLIDS
        writes to the same folder), E010 (nothing can be monitored). It can be called again then.
        """
        if self.running:
            return
        settings = self._checked_settings()
        self._settings = settings
        self._open_logger(settings)
        try:
            self._begin(settings)
        except BaseException:
            self._abandon()
            raise

    def _checked_settings(self) -> Any:
        if self._required and not self.config.path.exists():
            raise MLIDSError("E001", f"{self.config.path} does not exist")
        if self._required and not self.config.exists:
            self.config.reload()  # written since this object was made
        trial.require(self.config.settings)
        return self.config.settings

    def _open_logger(self, settings: Any) -> None:
        kept = settings.logging
        logger = EventLogger(
            **assembly.storing(settings),
            retention=assembly.retention(settings),
            correlators=assembly.correlators(settings),
            thresholds=kept.thresholding,
            metrics=self.metrics,
            tell=self._tell_only,
        )
        with contextlib.suppress(MLIDSError):  # where it cannot be, the store says so
            diagnostics.start(
                logger.logs_dir, kept.level, kept.format, kept.max_size, kept.backup_count
            )
        try:
            logger.open()
        except BaseException:
            diagnostics.stop()
            raise
        self.logger = logger

    def _begin(self, settings: Any) -> None:
        self.started_ns = time.time_ns()
        self._doubt_home(settings.network.home_networks)
        for warning in self.config.warnings:
            _log.warning("%s", warning)
        self._build_deliveries(settings)
        self._build_lanes(settings)
        self.on_built()
        self._log_system(
            "Service Started", f"MLIDS {__version__} started", inputs=self.reporter.names()
        )
        self._start_parts()
        self.reporter.start()

    def _doubt_home(self, home: list[str]) -> None:
        """Home networks that somebody chose, without this machine: hardly what is meant."""
        if tuple(home) != HOME and hasattr(socket, "AF_PACKET"):
            from mlids.capture.interfaces import own_addresses

            for address in networks.strangers(home, own_addresses()):
                self.config.warnings.append(
                    f"network.home_networks: this machine's address {address} is in none of them"
                )

    def stop(self) -> None:
        """Stop within 5 s: everything found is stored, and delivered or spooled. Never raises."""
        logger = self.logger
        if logger is None:
            return
        deadline = time.monotonic() + STOP_S
        self._end_lanes(deadline - 1.5)
        logger.settle()
        uptime = round((time.time_ns() - self.started_ns) / 1e9, 3)
        self._log_system("Service Stopped", f"MLIDS {__version__} stopped", uptime=uptime)
        self._end_deliveries(deadline)
        self.reporter.stop()
        logger.close()
        diagnostics.stop()
        self.logger, self.lanes, self.deliveries = None, [], []

    def reload(self) -> None:
        """Read the configuration again and run with it. A bad one raises E002, changes nothing."""
        self.config.reload(accept=trial.require)  # raises before anything that runs is ended
        settings = self.config.settings
        if not self.running:
            return
        if settings.logging.logs_dir != self._settings.logging.logs_dir:
            _log.warning("logging.logs_dir changes at the next start")
        self._settings = settings
        self._end_lanes(time.monotonic() + 30)  # two lanes on one input would read it twice
        self._end_deliveries(time.monotonic() + 3)
        assert self.logger
        self.logger.rail.equip(assembly.correlators(settings), settings.logging.thresholding)
        self._build_deliveries(settings)
        try:
            self._build_lanes(settings)
        except MLIDSError as error:
            self.tell(error)
        self._start_parts()
        text = f"{self.config.path} was read again"
        path, inputs = str(self.config.path), self.reporter.names()
        self._log_system("Configuration Changed", text, path=path, inputs=inputs)

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self.logger is not None

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until every lane has ended; False where time ran out."""
        deadline = None if seconds is None else time.monotonic() + seconds
        return all(
            lane.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            for lane in self.lanes
        )

    def stats(self) -> dict[str, float]:
        """Figures for dashboards: events_per_second, total_events, active_alerts, uptime."""
        return self.reporter.stats()

    def status(self) -> Status:
        """The state of this process, as `index.py status` shows it."""
        return self.reporter.status()

    # -- what callers add

    def set_interface(self, interface: str | list[str]) -> None:
        """Capture on this interface (or these) instead of the configured, from the next start."""
        self._interfaces = [interface] if isinstance(interface, str) else list(interface)

    def register_handler(self, handler: EventHandler) -> None:
        """Hand every event to a listener in this process."""
        self._add("handler", handler)

    def add_sink(self, sink: EventSink | Notifier) -> None:
        """Hand every event to a sink, with queue, retry and spool."""
        self._add("sink", sink)

    def register_detector(self, detector: Detector[Any]) -> None:
        """Let a detector inspect every batch of its kind, from the next start or reload."""
        self._detectors.append(detector)

    def get_events(
        self,
        filters: Iterable[EventFilter] = (),
        hours: float | None = None,
        limit: int | None = None,
    ) -> list[Event]:
        """Stored events that pass every filter, oldest first; hours: only of the last hours."""
        wanted = _All(list(filters))
        since = time.time_ns() - int(hours * 3.6e12) if hours is not None else 0
        logger = self.logger or EventLogger(self.config.get("logging.logs_dir"))
        found = filter(wanted.matches, logger.archive.search("", since))
        return list(islice(found, limit))

    def _add(self, kind: str, handler: Any) -> None:
        name = f"{type(handler).__name__}-{len(self._added) + 1}" if kind == "sink" else ""
        self._added.append((name or type(handler).__name__, handler))
        if self.logger:
            delivery = self._delivery(*self._added[-1])
            delivery.start()
            self.deliveries = [*self.deliveries, delivery]
            self.logger.receivers = self.deliveries

    # -- parts

    def _build_deliveries(self, settings: Any) -> None:
        assert self.logger
        spool = self.logger.logs_dir / "spool"
        made = assembly.deliveries(settings, spool, self.metrics, self.tell)
        made += [self._delivery(name, handler) for name, handler in self._added]
        for delivery in made:
            if isinstance(delivery.handler, EventSink):
                delivery.handler.stats = self.stats
        self.deliveries = made
        self.logger.receivers = made

    def _delivery(self, name: str, handler: Any) -> Delivery:
        assert self.logger
        spool = self.logger.logs_dir / "spool"
        return Delivery(handler, name, metrics=self.metrics, spool=spool, tell=self.tell)

    def _build_lanes(self, settings: Any) -> None:
        assert self.logger
        state = self.logger.logs_dir / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        self.lanes = []
        own = [str(self.logger.logs_dir.resolve())]
        monitors = assembly.live_monitors(settings, state, own, self._interfaces)
        for monitor in monitors:
            monitor.tell = self.tell
            if self._opened(monitor):
                found = assembly.detectors(settings, monitor.kind) | self._custom(monitor)
                self.lanes.append(Lane(monitor, found, self.logger, state, self.tell))
        if not self.lanes:
            raise MLIDSError("E010")

    def _start_parts(self) -> None:
        for delivery in self.deliveries:
            delivery.start()
        for lane in self.lanes:
            lane.start()

    def _opened(self, monitor: Monitor) -> bool:
        try:
            monitor.open()
        except MLIDSError as error:
            if self.strict and error.code == "E003":
                raise
            self.tell(error)
            return False
        return True

    def _custom(self, monitor: Monitor) -> dict[str, Detector[Any]]:
        mine = [d for d in self._detectors if d.kind is monitor.kind]
        used = any(lane.monitor.kind is monitor.kind for lane in self.lanes)
        return {type(d).__name__: copy.deepcopy(d) if used else d for d in mine}

    def _end_lanes(self, deadline: float) -> None:
        for lane in self.lanes:
            lane.stop()
        for lane in self.lanes:
            if not lane.join(max(0.0, deadline - time.monotonic())):
                _log.warning("lane %s did not end in time", lane.name)

    def _end_deliveries(self, deadline: float) -> None:
        rest = max(0.2, deadline - time.monotonic())
        ending = [threading.Thread(target=d.stop, args=(rest,)) for d in self.deliveries]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join(max(0.2, deadline - time.monotonic()))

    def _abandon(self) -> None:
        """A start that failed leaves nothing open."""
        for lane in self.lanes:
            lane.monitor.close()
        if self.logger:
            self.logger.close()
        diagnostics.stop()
        self.logger, self.lanes, self.deliveries = None, [], []

    # -- what the operator sees

    def tell(self, error: MLIDSError) -> None:
        """Tell the operator, and note that MLIDS does not see everything at the moment."""
        self._tell_only(error)
        if self.logger and error.code.startswith(BLIND):
            text = f"{error.message}; {error.hint}"
            self._log_system("Monitoring Gap", text, "MEDIUM", code=error.code)

    def report_gap(self, gap: Gap) -> None:
        """Store and hand on that MLIDS did not see everything."""
        if self.logger:
            figures = {"input": gap.input, "what": gap.what, "amount": gap.amount}
            self._log_system("Monitoring Gap", gap.text, "MEDIUM", **figures)

    def _tell_only(self, error: MLIDSError) -> None:
        self.problems.append(str(error))
        del self.problems[:-50]
        _log.error("%s (%s)", error, error.hint)
        if self.on_error:
            self.on_error(error)

    def _log_system(self, type: str, text: str, severity: str = "LOW", **metadata: object) -> None:
        assert self.logger
        now = time.time_ns()
        details = {"description": text, "metadata": metadata}
        self.logger.log(Event.new(type, severity, "system", details, time_ns=now, rule="service"))


class _All(EventFilter):
    """Every one of several filters."""

    def __init__(self, filters: Sequence[EventFilter]) -> None:
        self.filters = filters

    def matches(self, event: Any) -> bool:
        """True where all of them let the event through."""
        return all(one.matches(event) for one in self.filters)
