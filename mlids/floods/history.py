"""What rates are usual for a target: the busiest second of each minute of its last day.

A rate is unusual above the median + 8 MAD (median absolute deviation). Only minutes above the
threshold are kept; all others count as quiet. The MAD has a floor, since it is nothing where most
minutes are alike.
"""

from __future__ import annotations

from statistics import median
from typing import Any

MINUTE_NS = 60_000_000_000
DAY = 1440
LEAST = 30  # minutes to be known before they count
FACTOR = 8
FLOOR = 0.05  # of the median


class History:
    """Busy minutes of targets, at most `most` of them; evicted: forgotten for others."""

    def __init__(self, most: int = 1024) -> None:
        self.most = most
        self.evicted = 0
        self.began = 0  # minute since which anything is known
        self._peaks: dict[str, dict[int, float]] = {}

    def begin(self, time_ns: int) -> None:
        """Note when the input began."""
        self.began = self.began or time_ns // MINUTE_NS

    def note(self, key: str, time_ns: int, rate: float) -> None:
        """Note a rate above the threshold."""
        minute = time_ns // MINUTE_NS
        peaks = self._peaks.pop(key, {})
        self._peaks[key] = peaks
        peaks[minute] = max(rate, peaks.get(minute, 0.0))
        while len(peaks) > DAY or next(iter(peaks)) <= minute - DAY:
            del peaks[next(iter(peaks))]
        if len(self._peaks) > self.most:
            del self._peaks[next(iter(self._peaks))]
            self.evicted += 1

    def usual(self, key: str, until_ns: int) -> float:
        """Up to which rate it is as ever, by the minutes before this time; 0: not known."""
        last = until_ns // MINUTE_NS
        known = min(last - self.began, DAY)
        if known < LEAST or key not in self._peaks:
            return 0.0
        busy = [rate for minute, rate in self._peaks[key].items() if last - DAY <= minute < last]
        values = [0.0] * max(0, known - len(busy)) + busy
        middle = median(values)
        spread = median(abs(value - middle) for value in values)
        return middle + FACTOR * max(spread, FLOOR * middle)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [self.began, [[key, list(peaks.items())] for key, peaks in self._peaks.items()]]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self.began = state[0]
        self._peaks = {key: dict(peaks) for key, peaks in state[1]}
