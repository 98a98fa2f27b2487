"""So many events of one rule a minute, and no more; what is held back is counted and told.

A rule that matches everything must not drown the others. The minute slides, in the time of the
data, and the count of what was held back goes with the next event of the rule, or with the last one
that was held back, when a minute has passed since or the input ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from mlids.volume import NS

WINDOW_NS = 60 * NS


class _Rule(msgspec.Struct):
    """times: of the latest events; held: how many were held back since; last: the last of these."""

    times: deque[int]
    held: int = 0
    held_ns: int = 0
    last: Any = None


class Limits:
    """By the id of a rule, what was told and held back."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._rules: dict[str, _Rule] = {}

    def take(self, rule: str, time_ns: int) -> int | None:
        """How many were held back before this one, which may be told; None: hold it back."""
        known = self._rules.get(rule)
        if known is None:
            known = self._rules[rule] = _Rule(deque(maxlen=self.most))
        if len(known.times) == self.most and time_ns - known.times[0] < WINDOW_NS:
            known.held += 1
            known.held_ns = max(known.held_ns, time_ns)
            return None
        known.times.append(time_ns)
        held, known.held, known.last = known.held, 0, None
        return held

    def keep(self, rule: str, last: Any) -> None:
        """Remember the last that was held back."""
        self._rules[rule].last = last

    def close(self, now_ns: int | None = None) -> Iterator[tuple[Any, int]]:
        """The last held back of each rule and how many it stands for beside itself.

        now_ns: only of rules that have been silent for a minute by then.
        """
        for known in self._rules.values():
            if known.held and (now_ns is None or now_ns - known.held_ns >= WINDOW_NS):
                held, known.held, last, known.last = known.held, 0, known.last, None
                yield last, held - 1

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [
            [rule, list(one.times), one.held, one.held_ns, one.last]
            for rule, one in self._rules.items()
        ]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        for rule, times, held, held_ns, last in state:
            self._rules[rule] = _Rule(deque(times, maxlen=self.most), held, held_ns, last)
