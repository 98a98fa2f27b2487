"""Counters and rates of this process, for the console, `status` and the exporters."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping


class Metrics:
    """Named numbers; names look like ``events_total`` or ``queue{sink=tcp}``. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, float] = {}

    def add(self, name: str, amount: float = 1) -> None:
        """Count up."""
        with self._lock:
            self._values[name] = self._values.get(name, 0) + amount

    def count(self, *names: str) -> None:
        """Count each of these up by one."""
        with self._lock:
            for name in names:
                self._values[name] = self._values.get(name, 0) + 1

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        with self._lock:
            self._values[name] = value

    def replace(self, prefix: str, values: Mapping[str, float]) -> None:
        """Set gauges in place of all whose names begin so: what is gone is gone here too."""
        with self._lock:
            kept = {name: v for name, v in self._values.items() if not name.startswith(prefix)}
            self._values = kept | dict(values)

    def get(self, name: str) -> float:
        """The value, 0 where nothing was counted."""
        return self._values.get(name, 0)

    def snapshot(self) -> dict[str, float]:
        """All values at this moment."""
        with self._lock:
            return dict(self._values)


class Rate:
    """Change per second of a growing number over the last `window` seconds of wall time."""

    def __init__(self, window: float = 10.0) -> None:
        self.window = window
        self._seen: deque[tuple[float, float]] = deque()

    def update(self, value: float, now: float | None = None) -> float:
        """Note the number as it stands and return its rate per second."""
        now = time.monotonic() if now is None else now
        self._seen.append((now, value))
        while len(self._seen) > 2 and self._seen[0][0] < now - self.window:
            self._seen.popleft()
        (then, before), span = self._seen[0], now - self._seen[0][0]
        return (value - before) / span if span > 0 and then < now else 0.0
