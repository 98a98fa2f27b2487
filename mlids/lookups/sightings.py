"""Distinct names asked for within a window, as arrays: most pairs of client and domain stay there.

A *sighting* is the first question for a name by one client; more of the same within the window are
none. Sightings wait in a ring. Only a pair that has shown many of them is looked at one by one,
with all that the ring still holds of it; so it does not matter when that began.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.buckets import Buckets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Times = NDArray[np.int64]
    Rows = NDArray[np.intp]
    Records = NDArray[Any]


@cache
def sighting() -> np.dtype[Any]:
    """One distinct name: who asked in which domain (`pair`), where, and what it was like."""
    return np.dtype(
        [
            ("pair", "u8"),
            ("time", "i8"),
            ("frame", "i8"),
            ("capture", "u2"),
            ("size", "u2"),  # letters before the registered domain
            ("label", "u1"),  # letters of the longest label before it
            ("odd", "u1"),  # asked for a record that browsers do not ask for
            ("refused", "u1"),  # an answer that there is no such name
        ]
    )


class Sightings:
    """Recent sightings. most: kept at a time; window_ns: how long a name counts as seen."""

    def __init__(self, most: int, window_ns: int) -> None:
        self.window_ns = window_ns
        self.lost = 0  # sightings that gave way while still of use
        self._most = most
        self._names = Buckets(2 * most, np.dtype([("since", "i8")]), window_ns)
        self._pairs = Buckets(most, np.dtype([("count", "i8"), ("last", "i8")]), window_ns)
        self._ring: Records = np.zeros(2 * most, sighting())
        self._begin = self._end = 0

    @property
    def evicted(self) -> int:
        """Names and pairs that gave way while still of use."""
        return self.lost + self._names.evicted + self._pairs.evicted

    def distinct(self, names: Words, times: Times) -> Rows:
        """Which of these are sightings, in order; names: by client, ordered by time."""
        left, found = np.arange(len(names)), []
        while len(left):  # once for each window that the batch lasts
            places = self._names.find(names[left])
            since = np.where(places >= 0, self._names.rows["since"][places], -(1 << 62))
            left = left[times[left] - since >= self.window_ns]
            if not len(left):
                break
            unique, first = np.unique(names[left], return_index=True)
            chosen = left[first]
            places = self._names.enter(unique, times[chosen])
            room = places >= 0
            self._names.rows["since"][places[room]] = times[chosen[room]]
            found.append(chosen)
            if times[left[-1]] - times[left[0]] < self.window_ns:
                break
            left = np.delete(left, first)
        return np.sort(np.concatenate(found)) if found else left[:0]

    def add(self, records: Records) -> None:
        """Remember sightings, which come in order of time."""
        records = records[-self._most :]
        horizon = int(records["time"][0]) - self.window_ns
        times = self._ring["time"][self._begin : self._end]
        self._begin += int(np.searchsorted(times, horizon, "right"))
        over = self._end - self._begin + len(records) - self._most
        if over > 0:
            self._begin, self.lost = self._begin + over, self.lost + over
        if self._end + len(records) > len(self._ring):
            kept = self._ring[self._begin : self._end].copy()
            self._ring[: len(kept)] = kept
            self._begin, self._end = 0, len(kept)
        self._ring[self._end : self._end + len(records)] = records
        self._end += len(records)

    def counted(self, records: Records) -> tuple[Words, Times]:
        """The pairs of these sightings, and how many each may have within the window, at most."""
        asked = records[records["refused"] == 0]
        pairs, first, inverse, count = np.unique(
            asked["pair"], return_index=True, return_inverse=True, return_counts=True
        )
        last = np.zeros(len(pairs), np.int64)
        np.maximum.at(last, inverse, asked["time"])
        places = self._pairs.enter(pairs, last)
        room = places >= 0
        pairs, first, last, count = pairs[room], first[room], last[room], count[room]
        rows, places = self._pairs.rows, places[room]
        goes_on = asked["time"][first] - rows["last"][places] < self.window_ns
        total = np.where(goes_on, rows["count"][places], 0) + count
        rows["count"][places], rows["last"][places] = total, last
        return pairs, total

    def of(self, pairs: Words) -> Records:
        """What is remembered of these pairs, in order."""
        held = self._ring[self._begin : self._end]
        return held[np.isin(held["pair"], pairs)]

    def save(self) -> list[Any]:
        """The state, as plain data."""
        held = self._ring[self._begin : self._end].tobytes()
        return [self.lost, held, self._names.save(), self._pairs.save()]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        lost, held, names, pairs = state
        records = np.frombuffer(held, sighting())[-self._most :]
        if len(records):
            self.add(records)
        self.lost = lost
        self._names.restore(names)
        self._pairs.restore(pairs)
