"""What pauses an input usually makes, in bounded room, and when a silence is none of them.

Pauses are counted by length in buckets of an eighth of an octave: the length that 99 % do not
exceed is told by the upper edge of its bucket, at most 9.1 % too long and never too short. What was
seen weighs half as much for each day that has passed since, so that yesterday counts, and last
month does not.

The 99 % know nothing of nights: an input that is busy by day makes thousands of short pauses and
one long one. Therefore the longest pause of the last seven days counts too, half as much again
being allowed: from one night, weekend or run of a job to the next the longest pause varies by an
hour or two, hardly by more than half. A silence that was told is not taken for usual when it ends,
since it may have been a failure, until another one about as long ends within a week.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

DAY_S = 86_400
WEEK_D = 7
OCTAVE = 8  # buckets
BUCKETS = 21 * OCTAVE  # up to 24 days
SHARE = 0.99
LONGEST_FACTOR = 1.5
LEAST_WEIGHT = 1e-3  # of a bucket; less is forgotten


class Pauses(msgspec.Struct, array_like=True):
    """The pauses of one input, in seconds, from 1 on; times are seconds since 1970.

    count: of all that were added.
    """

    count: int = 0
    _day: int = 0  # to which the weights belong
    _weights: dict[int, float] = {}  # by bucket
    _longest: dict[int, float] = {}  # by the day on which a pause ended
    _told: list[float] = []  # of the last silence that was told: when it ended, and its length

    def add(self, seconds: float, now_s: float) -> None:
        """A pause that ends now."""
        self.count += 1
        self._age(int(now_s // DAY_S))
        bucket = min(int(OCTAVE * math.log2(max(seconds, 1.0))), BUCKETS)
        self._weights[bucket] = self._weights.get(bucket, 0.0) + 1.0
        self._note(seconds, now_s)

    def resumed(self, seconds: float, now_s: float) -> None:
        """A silence that was told ends now; the second one about as long is known as usual."""
        if self._told and now_s - seconds - self._told[0] <= WEEK_D * DAY_S:
            self._note(min(seconds, self._told[1]), now_s)
        self._told = [now_s, seconds]

    def usual(self) -> float:
        """The length that 99 % of the pauses do not exceed; 0: there are none."""
        total, below = sum(self._weights.values()), 0.0
        for bucket in sorted(self._weights):
            below += self._weights[bucket]
            if below >= SHARE * total:
                return float(2 ** ((bucket + 1) / OCTAVE))
        return 0.0

    def longest(self, since_s: float) -> float:
        """The longest pause that ended in the seven days before a time; 0: none did."""
        last = int(since_s // DAY_S)
        ended = (one for day, one in self._longest.items() if last - WEEK_D <= day <= last)
        return max(ended, default=0.0)

    def limit(self, since_s: float, factor: float, least_s: float) -> float:
        """How many seconds a silence that begins at a time may last."""
        return max(least_s, factor * self.usual(), LONGEST_FACTOR * self.longest(since_s))

    def _age(self, day: int) -> None:
        if day <= self._day:
            self._day = day  # a clock that was ahead and has been set right
            return
        share = 0.5 ** min(day - self._day, 1000)
        aged = {bucket: weight * share for bucket, weight in self._weights.items()}
        self._weights = {bucket: w for bucket, w in aged.items() if w >= LEAST_WEIGHT}
        self._day = day

    def _note(self, seconds: float, now_s: float) -> None:
        day = int(now_s // DAY_S)
        self._longest[day] = max(seconds, self._longest.get(day, 0.0))
        if len(self._longest) > WEEK_D + 1:
            recent = range(day - WEEK_D, day + 1)
            self._longest = {one: s for one, s in self._longest.items() if one in recent}

    def saved(self) -> list[Any]:
        """The state, as plain data."""
        return [
            self.count,
            self._day,
            dict(self._weights),
            dict(self._longest),
            list(self._told),
        ]
