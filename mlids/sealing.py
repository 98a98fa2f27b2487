"""Sealer: seals the end of the chain every few seconds, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlids.errors import MLIDSError
from mlids.events import format_time
from mlids.proofs import Link
from mlids.seals import Seals

_log = logging.getLogger(__name__)
EVERY_S = 5.0  # what a crash, or a thief of the machine, can take away without a trace
IDLE_S = 300.0  # a seal without new records shows that MLIDS ran


class Sealer:
    """Keeps the seals of one store up to date.

    end: the durable end of the chain, None while there is none; tell: called once where seals
    cannot be written (E106), they are tried again.
    """

    def __init__(
        self,
        folder: Path,
        end: Callable[[], Link | None],
        tell: Callable[[MLIDSError], None],
        every_s: float = EVERY_S,
    ) -> None:
        self.seals = Seals(folder)
        self.every_s = every_s
        self._end = end
        self._tell = tell
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False
        self._open = False
        self._sealed_at = 0.0

    def open(self) -> None:
        """Read the seals that are there. What cannot be opened now is tried again."""
        self._guarded(self._ensure_open)

    def start(self) -> None:
        """Seal at once, and again and again."""
        self._stopping.clear()
        self._guarded(self._seal)
        self._thread = threading.Thread(target=self._run, name="seals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Seal what is on the disk, and end."""
        if self._thread:
            self._stopping.set()
            self._thread.join()
            self._thread = None
            self._guarded(self._seal)

    def record(self, link: Link, **what: object) -> None:
        """Enter a step of retention. Raises OSError or `MLIDSError`: then it must not be done."""
        with self._lock:
            self._ensure_open()
            self.seals.add(link, format_time(time.time_ns()), **what)

    def _run(self) -> None:
        while not self._stopping.wait(self.every_s):
            self._guarded(self._seal)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            with self._lock:
                act()
        except (OSError, MLIDSError) as error:
            if not self._failing:
                known = error if isinstance(error, MLIDSError) else None
                reason = getattr(error, "strerror", None) or error
                self._tell(known or MLIDSError("E106", f"{self.seals.folder}: {reason}"))
            self._failing = True
        else:
            self._failing = False

    def _ensure_open(self) -> None:
        if not self._open:
            self.seals.open()
            self._open = True

    def _seal(self) -> None:
        self._ensure_open()
        end, last, clock = self._end(), self.seals.last, time.monotonic()
        idle = self._sealed_at and clock - self._sealed_at < IDLE_S
        if end is None or (last and last.link == end and idle):
            return
        self.seals.add(end, format_time(time.time_ns()))
        self._sealed_at = clock
