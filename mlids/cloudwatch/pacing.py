"""Pace: at most so many requests a second, for each kind of call on its own.

AWS counts each operation of an account and region apart ("CloudWatch Logs quotas").
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable


class Pace:
    """Lets at most `per_second` calls of a kind go in any second, wherever that second begins.

    per_second: 0 sets no bound; below 1 it is one call in 1/per_second seconds; of any other
    number the whole part counts. Raises ValueError for what is negative or no number.
    Threads may wait at once; `waited` is how long they waited in all, in seconds.
    """

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if not (per_second >= 0 and math.isfinite(per_second)):
            raise ValueError(f"requests per second: {per_second} is neither 0 nor more")
        self.per_second = per_second
        self.waited = 0.0
        self._span = 1.0 if per_second >= 1 else 1 / (per_second or 1)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._gates: dict[str, _Gate] = defaultdict(lambda: _Gate(max(1, int(per_second))))

    def wait(self, kind: str) -> None:
        """Return when a call of this kind may go."""
        if not self.per_second:
            return
        began = self._clock()
        with self._lock:
            gate = self._gates[kind]
        with gate.lock:  # held while it sleeps: what counts is when a call went, not when it asked
            while (pause := gate.opens(self._span) - self._clock()) > 0:
                self._sleep(pause)
            now = self._clock()
            gate.passed.append(now)
        with self._lock:
            self.waited += now - began


class _Gate:
    """When the last calls of one kind went."""

    def __init__(self, room: int) -> None:
        self.lock = threading.Lock()
        self.passed: deque[float] = deque(maxlen=room)

    def opens(self, span: float) -> float:
        """The moment from which one more may go."""
        full = len(self.passed) == self.passed.maxlen
        return self.passed[0] + span if full else -math.inf
