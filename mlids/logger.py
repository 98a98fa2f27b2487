"""EventLogger: the one place that events pass, from whoever makes them to whoever takes them.

Each event is stamped, correlated, encoded once, stored and handed to its receivers, in this order.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mlids import retention
from mlids.alerts import ActiveAlerts
from mlids.errors import MLIDSError
from mlids.events import TYPES, Correlator, Event, Severity, detection_id
from mlids.metrics import Metrics
from mlids.store import EventStore

_log = logging.getLogger(__name__)
HOUR_NS = 3600 * 1_000_000_000


class Receiver(Protocol):
    """Who takes events; `put` returns at once and never raises."""

    def put(self, event: Event) -> None:
        """Take one stored event."""


class EventLogger:
    """Stores events below `logs_dir` and hands them on. Thread-safe.

    max_size, compression: of the store's segments; retention_days: how long segments are kept (0:
    for ever); tell: called with an error that the operator should see.
    """

    def __init__(
        self,
        logs_dir: str | os.PathLike[str] = "logs",
        *,
        max_size: int = 10_485_760,
        compression: str = "zstd",
        retention_days: int = 0,
        metrics: Metrics | None = None,
        tell: Callable[[MLIDSError], None] = lambda error: _log.error("%s", error),
    ) -> None:
        self.store = EventStore(logs_dir, max_size=max_size, compression=compression, tell=tell)
        self.retention_days = retention_days
        self.metrics = metrics or Metrics()
        self.alerts = ActiveAlerts()
        self.recent: deque[Event] = deque(maxlen=50)
        self.receivers: Sequence[Receiver] = ()
        self.correlators: Sequence[Correlator] = ()
        self._order = threading.Lock()

    @property
    def logs_dir(self) -> Path:
        """The folder of the store."""
        return self.store.folder

    def open(self) -> None:
        """Take the store. Raises `MLIDSError` E006 (in use), E004 or E106."""
        self.store.open()
        self.apply_retention()

    def log(self, event: Event) -> int:
        """Pass one event; returns at once, with the ticket that `EventStore.wait` takes."""
        event = event.stamped()
        ticket = self._keep(event)
        for correlator in self.correlators:
            for further in _guarded(correlator, event, self.metrics):
                ticket = self._keep(further.stamped())
        return ticket

    def _keep(self, event: Event) -> int:
        with self._order:  # receivers see events in the order of the store
            ticket = self.store.append(event.encoded())
            for receiver in self.receivers:
                receiver.put(event)
        self.recent.append(event)
        self.alerts.add(event, time.monotonic())
        self.metrics.add("events_total")
        self.metrics.add(f"events{{severity={event['severity']}}}")
        return ticket

    def log_event(
        self,
        event_type: str,
        details: Mapping[str, Any] | None = None,
        severity: str | None = None,
        *,
        source: str | None = None,
        tags: Iterable[str] = (),
        rule: str = "custom",
    ) -> Event:
        """Log an event of one's own and return it, durably stored.

        A type that nobody knows is accepted; severity and source follow from the type where they
        are not given. Raises ValueError for an unknown severity, `MLIDSError` E006 where another
        process writes to the store.
        """
        usual = TYPES.get(event_type, ("MEDIUM", "application"))
        now = time.time_ns()
        event = Event.new(
            event_type,
            Severity(severity or usual[0]).value,
            source or usual[1],
            {"description": event_type, **(details or {})},
            time_ns=now,
            rule=rule,
            tags=list(tags),
            correlation_id=detection_id(rule, event_type, now, os.urandom(8)),
        ).stamped()
        self.store.wait(self.log(event))
        return event

    def search_events(
        self, query: str = "", hours: float = 24, limit: int | None = None
    ) -> list[Event]:
        """Events of the last `hours` that have the text in a value, whatever its case."""
        since = time.time_ns() - int(hours * HOUR_NS)
        return list(self.store.query(since=since, text=query.strip().strip('"'), limit=limit))

    def apply_retention(self) -> None:
        """Delete segments that are older than `retention_days`, as a recorded step."""
        for path, size in retention.expired(self.logs_dir, self.retention_days, time.time()):
            details = {"path": path.name, "bytes": size, "retention_days": self.retention_days}
            details["description"] = f"{path.name} is older than {self.retention_days} days"
            self.store.wait(self.log(_system("Log Retention", "LOW", details)), 5)
            retention.delete(path)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything logged so far is on the disk; False where time ran out."""
        return self.store.flush(timeout)

    def close(self) -> None:
        """Write what waits and let go of the store."""
        self.store.close()


def _system(type: str, severity: str, details: Mapping[str, Any]) -> Event:
    return Event.new(type, severity, "system", details, time_ns=time.time_ns(), rule="logger")


def _guarded(correlator: Correlator, event: Event, metrics: Metrics) -> list[Event]:
    try:
        return list(correlator.correlate([event]))
    except Exception:
        metrics.add(f"failures{{plugin={correlator.name}}}")
        _log.exception("correlator %s failed", correlator.name)
        return []
