"""Active alerts: detections of MEDIUM or more that are going on or not acknowledged for an hour."""

from __future__ import annotations

import threading

from mlids.events import Event

HOUR_S = 3600.0
CAPACITY = 20_000  # the longest quiet ones go first


class ActiveAlerts:
    """Counts what an operator should look at: one per rule and entity, however often it repeats."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], float] = {}  # ordered by last time

    def add(self, event: Event, now: float) -> None:
        """Note an event at `now` (monotonic seconds)."""
        if event["severity"] == "LOW":
            return
        key = (event.get("rule") or event["type"], event.entity)
        with self._lock:
            self._seen.pop(key, None)
            self._seen[key] = now
            if len(self._seen) > CAPACITY:
                del self._seen[next(iter(self._seen))]

    def acknowledge(self, event: Event) -> None:
        """Somebody has seen to it: it is no longer active."""
        with self._lock:
            self._seen.pop((event.get("rule") or event["type"], event.entity), None)

    def count(self, now: float) -> int:
        """How many are active at `now`."""
        with self._lock:
            while self._seen:
                key = next(iter(self._seen))
                if now - self._seen[key] <= HOUR_S:
                    break
                del self._seen[key]
            return len(self._seen)
