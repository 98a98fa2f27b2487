"""The work of a delivery's thread: one way for sinks, one for handlers and notifiers.

A round takes from the backlog, hands over, and says how many seconds to wait before the next one;
None means that nothing waits.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from mlids.delivery.account import Account
from mlids.delivery.backlog import Backlog
from mlids.delivery.courier import Courier, Outcome
from mlids.delivery.rejects import Rejects
from mlids.delivery.tellings import Tellings
from mlids.errors import MLIDSError
from mlids.events import Event, EventHandler, EventSink, Notifier

_log = logging.getLogger(__name__)

FINAL = frozenset({"E002", "E005"})  # errors that no waiting mends


class Rounds(Protocol):
    """What a delivery's thread does."""

    away: bool  # the peer takes nothing at this time
    ended: bool  # nothing more is to be delivered

    def put(self, event: Event) -> None:
        """Take an event in; called from any thread."""

    def round(self) -> float | None:
        """Hand over what waits, or a part of it."""

    def finish(self, deadline: float) -> None:
        """The thread ends: tell what is held back, until that moment of the monotonic clock."""

    def abandon(self) -> None:
        """Nothing more is to be delivered: keep on disk what can be kept, count the rest."""


class SinkRounds:
    """Offers batches to a sink until they are taken."""

    def __init__(
        self, sink: EventSink, backlog: Backlog, account: Account, rejects: Rejects
    ) -> None:
        self.away = False
        self._sink = sink
        self._courier = Courier(sink)
        self._backlog = backlog
        self._account = account
        self._rejects = rejects
        self._left: list[Event] = []  # taken from the backlog and not yet delivered
        self.ended = False
        self._owner = threading.Lock()  # whoever holds it decides what becomes of `_left`
        self._since = 0.0

    def put(self, event: Event) -> None:
        """Take an event in."""
        if self.ended:
            self._account.status.dropped += 1
        else:
            self._backlog.put(event)

    def round(self) -> float | None:
        """One offer."""
        if closed := self._courier.open():
            return self._failed(closed)
        with self._owner:
            self._refill()
        if not self._left:
            self._recovered()
            return None
        outcome = self._courier.offer(self._left)
        with self._owner:
            if self.ended:
                return None
            self._left = outcome.left
            if not self._left:
                self._backlog.done()
        self._count(outcome)
        if outcome.left and not (outcome.taken or outcome.rejected):
            return self._failed(outcome)
        self._recovered()
        return outcome.wait_s

    def finish(self, deadline: float) -> None:
        """Close the sink."""
        self._courier.close()

    def abandon(self) -> None:
        """Keep the rest on disk. A thread that still hangs in its peer has nothing more to say."""
        with self._owner:
            if not self.ended:
                self.ended = True
                self._backlog.close(self._left)

    def _refill(self) -> None:
        if self.ended:
            return
        if not self._left:
            self._left = self._backlog.take(self._sink.batch_size)
        elif len(self._left) == 1 and self._courier.stuck:
            # The next events show whether it is this one or the peer. From here on it is in memory
            # only, so a kill -9 would keep it from the sink.
            self._backlog.done()
            self._left += self._backlog.take(self._sink.batch_size - 1)

    def _count(self, outcome: Outcome) -> None:
        status = self._account.status
        status.sent += outcome.taken
        status.refused += len(outcome.left)
        if outcome.error is not None:
            status.last_error = str(outcome.error)
        if outcome.rejected:
            status.rejected += len(outcome.rejected)
            why = outcome.error.message if outcome.error else ""
            self._rejects.keep(outcome.rejected, why)
            message = (
                f"{len(outcome.rejected)} events rejected for good{self._rejects.place}: {why}"
            )
            self._account.trouble("rejected", MLIDSError("E104", message))

    def _failed(self, outcome: Outcome) -> float:
        error = outcome.error or MLIDSError("E104")
        self._account.status.state = "retrying" if error.code == "E104" else "failed"
        if not self.away:
            self.away, self._since = True, time.monotonic()
        self._account.trouble(error.code, error)
        if error.code in FINAL:
            self.abandon()
        return outcome.wait_s

    def _recovered(self) -> None:
        if not self.away:
            return
        self.away = False
        self._account.status.state = "ok"
        self._account.settled()
        seconds, status = time.monotonic() - self._since, self._account.now()
        text = "%s delivers again after %.0f s; %d events wait"
        _log.info(text, status.name, seconds, status.queued + status.spooled)


class CallRounds:
    """Calls a handler or notifier once for each event; the volume law goes before notifiers."""

    away = False

    def __init__(
        self, handler: EventHandler | Notifier, backlog: Backlog, account: Account
    ) -> None:
        self._call = handler.notify if isinstance(handler, Notifier) else handler.handle_event
        self._backlog = backlog
        self._account = account
        self._tellings = Tellings() if isinstance(handler, Notifier) else None
        self._lock = threading.Lock()  # of the tellings
        self._latest = (0, 0.0)  # time of the last event, and the moment it came
        self.ended = False

    def put(self, event: Event) -> None:
        """Take an event in; counted under the volume law at once, so that a flood needs no room."""
        if self._tellings is None:
            self._backlog.put(event)
            return
        with self._lock:
            self._latest = (event.time_ns, time.monotonic())
            for told in self._tellings.put(event):
                self._backlog.put(told)

    def round(self) -> float | None:
        """One call."""
        self._end_episodes()
        events = self._backlog.take(1)
        for event in events:
            self._hand(event)
        self._backlog.done()
        return 0.0 if events else None

    def finish(self, deadline: float) -> None:
        """Tell what is held back."""
        if self._tellings is None:
            return
        with self._lock:
            rest = list(self._tellings.flush())
        for event in rest:
            if self.ended or time.monotonic() >= deadline:
                self._account.status.dropped += 1
            else:
                self._hand(event)

    def abandon(self) -> None:
        """What waits is lost to this handler, and counted."""
        if not self.ended:
            self.ended = True
            self._backlog.close([])

    def _end_episodes(self) -> None:
        """Time goes on from the last event, so that the episodes of a replay are its own."""
        if self._tellings is None or not self._latest[0]:
            return
        with self._lock:
            event_ns, then = self._latest
            now_ns = event_ns + int((time.monotonic() - then) * 1e9)
            for told in self._tellings.close(now_ns):
                self._backlog.put(told)

    def _hand(self, event: Event) -> None:
        status = self._account.status
        try:
            self._call(event)
            status.sent += 1
        except Exception as error:
            status.failed += 1
            text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            self._account.trouble("call", MLIDSError("E107", text))
