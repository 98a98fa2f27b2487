"""What a delivery did and what went wrong: counts for the operator, each trouble told once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import ClassVar

import msgspec

from mlids.delivery.backlog import Backlog
from mlids.errors import ERRORS, MLIDSError
from mlids.metrics import Metrics

_log = logging.getLogger(__name__)

TELL_AGAIN_S = 3600.0


class DeliveryStatus(msgspec.Struct):
    """How one handler fares.

    kind: handler, sink or notifier; state: ok, retrying or failed; queued: events that wait in
    memory; spooled: on disk; sent: taken; refused: refusals that were followed by another offer;
    failed: exceptions of a handler; rejected: put aside as the sink never takes them; dropped: lost
    to it.
    """

    name: str
    kind: str
    state: str = "ok"
    queued: int = 0
    spooled: int = 0
    sent: int = 0
    refused: int = 0
    failed: int = 0
    rejected: int = 0
    dropped: int = 0
    last_error: str = ""


class Account:
    """Counts of one delivery, kept by its thread and read by any.

    tell: gets each kind of trouble once: an outage again when it comes back after it was `settled`,
    anything else again after `TELL_AGAIN_S`.
    """

    GAUGES: ClassVar = ("queued", "spooled", "sent", "refused", "failed", "rejected", "dropped")

    def __init__(
        self,
        status: DeliveryStatus,
        backlog: Backlog,
        metrics: Metrics,
        tell: Callable[[MLIDSError], None],
    ) -> None:
        self.status = status
        self._backlog = backlog
        self._metrics = metrics
        self._tell = tell
        self._told: dict[str, float] = {}
        self._reported = 0.0

    def now(self) -> DeliveryStatus:
        """The counts at this moment."""
        queued, spooled = self._backlog.waiting()
        dropped = self.status.dropped + self._backlog.dropped
        return msgspec.structs.replace(self.status, queued=queued, spooled=spooled, dropped=dropped)

    def trouble(self, kind: str, error: MLIDSError) -> None:
        """Note an error; tell it, where its kind was not told yet. An outage's kind is its code."""
        self.status.last_error = str(error)
        now = time.monotonic()
        if now - self._told.get(kind, float("-inf")) < TELL_AGAIN_S:
            return
        self._told[kind] = now
        try:
            self._tell(MLIDSError(error.code, f"{self.status.name}: {error.message}", error.hint))
        except Exception:
            _log.exception("telling %s", error)

    def settled(self) -> None:
        """An outage is over: the next one is told again."""
        self._told = {kind: when for kind, when in self._told.items() if kind not in ERRORS}

    def tell_drops(self) -> None:
        """Tell each reason once for which events were dropped."""
        if why := self._backlog.trouble:
            code = "E104" if self.status.kind == "sink" else "E107"
            self.trouble(why, MLIDSError(code, f"{self._backlog.dropped} events dropped: {why}"))
            self._backlog.trouble = ""

    def report(self, every_s: float = 0.0) -> None:
        """Bring the gauges up to date: ``delivery_queued{handler=tcp}`` and so on."""
        if time.monotonic() - self._reported < every_s:
            return
        self._reported = time.monotonic()
        now = self.now()
        for gauge in self.GAUGES:
            name = f"delivery_{gauge}{{handler={now.name}}}"
            self._metrics.set(name, getattr(now, gauge))
