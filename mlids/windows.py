"""Sliding windows in event time: for each key a ring of its latest marks.

A mark is a tuple whose first field is its time. One ring answers every horizon up to the number of
marks it keeps: "5 in 10 minutes, 15 in 6 hours, 30 in 24 hours" needs the last 30. Windows are half
open: of a window of W ns that ends at T, a mark at T is inside and one at T - W is not. A clock
that steps back does not reorder a ring: such a mark counts as of the ring's latest time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import Any

Mark = tuple[Any, ...]  # (time_ns, …)


class Windows:
    """Rings by key, ordered by the last mark; the key longest without one goes first.

    keep: marks a ring holds; span_ns: age at which a ring is of no use any more; keys: most rings
    (`evicted` counts those that went while still of use).
    """

    def __init__(self, keep: int, span_ns: int, keys: int = 50_000) -> None:
        self.keep = keep
        self.span_ns = span_ns
        self.keys = keys
        self.evicted = 0
        self._rings: dict[str, list[Mark]] = {}

    def __len__(self) -> int:
        return len(self._rings)

    def add(self, key: str, mark: Mark) -> list[Mark]:
        """Add a mark and return the ring, oldest first; its last one has the time it counts as."""
        ring = self._rings.pop(key, None)
        if ring is None:
            ring = []
            self._make_room(mark[0])
        elif mark[0] < ring[-1][0]:
            mark = (ring[-1][0], *mark[1:])
        self._rings[key] = ring
        ring.append(mark)
        if len(ring) > self.keep:
            del ring[0]
        return ring

    def get(self, key: str) -> Sequence[Mark]:
        """The marks of a key, oldest first."""
        return self._rings.get(key, ())

    def remove(self, key: str, field: int, values: Collection[Any]) -> None:
        """Take away the marks with these values of a field, as if they had never been."""
        ring = self._rings.get(key)
        if ring is None or not values:
            return
        ring[:] = [mark for mark in ring if mark[field] not in values]
        if not ring:
            del self._rings[key]

    def _make_room(self, now_ns: int) -> None:
        rings = self._rings
        while rings:
            ring = next(iter(rings.values()))
            useful = now_ns - ring[-1][0] < self.span_ns
            if useful and len(rings) < self.keys:
                return
            del rings[next(iter(rings))]
            self.evicted += useful

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [[key, [list(mark) for mark in ring]] for key, ring in self._rings.items()]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._rings = {key: [_frozen(mark) for mark in ring] for key, ring in state}


def _frozen(mark: Any) -> Any:
    return tuple(map(_frozen, mark)) if isinstance(mark, (list, tuple)) else mark


def within(ring: Sequence[Mark], now_ns: int, span_ns: int) -> Sequence[Mark]:
    """The marks of a ring inside the window that ends now."""
    return ring[bisect_left(ring, (now_ns - span_ns + 1,)) :]


def count(ring: Sequence[Mark], now_ns: int, span_ns: int) -> int:
    """How many marks lie in the window that ends now."""
    return len(ring) - bisect_left(ring, (now_ns - span_ns + 1,))


def distinct(ring: Sequence[Mark], now_ns: int, span_ns: int, field: int) -> int:
    """How many different values a field of the marks in the window has."""
    return len({mark[field] for mark in within(ring, now_ns, span_ns)})
