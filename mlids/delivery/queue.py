"""Hands events to one handler, sink or notifier, so that neither side waits for the other.

::

    delivery = Delivery(TCPSink(host="loghost"), "tcp", spool=Path("logs/spool"), tell=told.append)
    delivery.start()
    delivery.put(event)      # from the logger; never blocks, never raises
    delivery.stop(5)         # delivers what the peer takes in 5 s, keeps the rest on disk

A sink gets its events at least once and in order; what it refuses is offered again. A handler gets
each once. A notifier gets what the volume law lets through. A kill -9 takes from a sink what waits
in memory; the event store has it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlids.delivery.account import Account, DeliveryStatus
from mlids.delivery.backlog import Backlog
from mlids.delivery.rejects import Rejects, file_name
from mlids.delivery.rounds import CallRounds, Rounds, SinkRounds
from mlids.delivery.spool import Spool
from mlids.errors import MLIDSError
from mlids.events import Event, EventFilter, EventHandler, EventSink, Notifier
from mlids.metrics import Metrics

__all__ = ["Delivery", "DeliveryStatus"]

_log = logging.getLogger(__name__)

CAPACITY = 1000  # events that wait in memory for one handler
IDLE_S = 30.0  # how often the end of quiet episodes is looked for


def _warn(error: MLIDSError) -> None:
    _log.warning("%s", error)


class Delivery:
    """One handler with its queue and its thread.

    handler: an `EventHandler`, `EventSink` or `Notifier`; filter: what it gets; spool: the folder
    where sinks keep what their peer does not take (None: the newest are dropped and counted);
    tell: called from the delivery's thread, once for each kind of trouble in an outage; capacity:
    events in memory.
    """

    def __init__(
        self,
        handler: EventHandler | EventSink | Notifier,
        name: str,
        *,
        filter: EventFilter | None = None,
        metrics: Metrics | None = None,
        spool: Path | None = None,
        tell: Callable[[MLIDSError], None] = _warn,
        capacity: int = CAPACITY,
    ) -> None:
        self.handler = handler
        self.name = name
        self._filter = filter or EventFilter()
        self._stopping = False
        self._deadline = float("inf")
        self._keeps = spool is not None and isinstance(handler, EventSink)
        self._backlog = Backlog(capacity, _spool(handler, name, spool))
        status = DeliveryStatus(name, _kind(handler))
        self._account = Account(status, self._backlog, metrics or Metrics(), tell)
        self._rounds: Rounds
        if isinstance(handler, EventSink):
            kept = spool / f"{file_name(name)}.rejected.jsonl" if spool else None
            self._rounds = SinkRounds(handler, self._backlog, self._account, Rejects(kept))
        else:
            self._rounds = CallRounds(handler, self._backlog, self._account)
        self._thread = threading.Thread(target=self._run, name=f"deliver {name}", daemon=True)

    def start(self) -> None:
        """Begin to deliver; what a former run left on disk goes first."""
        self._backlog.start()
        self._thread.start()

    def put(self, event: Event) -> None:
        """Take an event in. Never blocks and never raises; a few microseconds."""
        try:
            if not self._filter.matches(event):
                return
            if self._stopping:
                self._account.status.dropped += 1
            else:
                self._rounds.put(event)
        except Exception as error:  # a filter of the user's, an event without a time
            self._account.status.dropped += 1
            self._account.status.last_error = f"{type(error).__name__}: {error}"

    def stop(self, timeout_s: float = 5.0) -> None:
        """Deliver what is taken within the time, keep the rest on disk, close."""
        self._deadline = time.monotonic() + timeout_s
        self._stopping = True
        self._backlog.wake()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._rounds.abandon()
        self._account.tell_drops()
        self._account.report()

    def status(self) -> DeliveryStatus:
        """How the handler fares at this moment."""
        return self._account.now()

    def _run(self) -> None:
        while True:
            last = self._stopping  # one more round after the word to stop
            try:
                pause_s = self._rounds.round()
            except Exception as error:  # a mistake of ours must not end the delivery
                _log.exception("delivery of %s", self.name)
                self._account.trouble("round", MLIDSError("E107", str(error)))
                pause_s = 1.0
            self._account.tell_drops()
            self._account.report(every_s=0.25 if pause_s == 0 else 0.0)
            if self._rounds.ended or (last and self._over()):
                break
            self._wait(pause_s, last)
        self._rounds.finish(self._deadline)

    def _over(self) -> bool:
        """While stopping: all is delivered, or the time is up, or the rest is safe on disk."""
        if time.monotonic() >= self._deadline or not any(self._backlog.waiting()):
            return True
        return self._rounds.away and self._keeps

    def _wait(self, pause_s: float | None, last: bool) -> None:
        """Wait for the pause, or for something to do; the word to stop ends either."""
        with self._backlog.changed:
            if pause_s is None:
                idle_s = 0.05 if last else IDLE_S  # lines may still be on their way to the disk
                ready = lambda: self._backlog.ready() or (self._stopping and not last)  # noqa: E731
                self._backlog.changed.wait_for(ready, idle_s)
            elif pause_s > 0:
                left_s = min(pause_s, max(0.0, self._deadline - time.monotonic()))
                self._backlog.changed.wait_for(lambda: self._stopping and not last, left_s)


def _spool(handler: object, name: str, folder: Path | None) -> Spool | None:
    if folder is None or not isinstance(handler, EventSink):
        return None
    return Spool(folder / file_name(name), handler.spool_max_bytes)


def _kind(handler: object) -> str:
    if isinstance(handler, EventSink):
        return "sink"
    return "notifier" if isinstance(handler, Notifier) else "handler"
