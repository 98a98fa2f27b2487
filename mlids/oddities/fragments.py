"""Fragments that are cut to confuse: so small that headers come apart, or one over another.

RFC 1858 and RFC 3128 (tiny and overlapping fragments), RFC 5722 (IPv6 forbids overlaps).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.fragments import WAIT_NS, fragments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Rows = NDArray[np.intp]

TINY = 64  # bytes; the smallest piece that RFC 791 lets a gateway cut is 68 with its header


@cache
def _piece() -> np.dtype[Any]:
    return np.dtype(
        [
            ("key", "u8"),
            ("time", "i8"),
            ("begin", "i4"),
            ("end", "i4"),
            ("more", "u1"),
            ("told", "u1"),
        ]
    )


class Cuts:
    """Fragments of late, at most `most`; evicted: those given up while still of interest."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        self._pieces: NDArray[Any] = np.zeros(0, _piece())

    def inspect(self, batch: PacketBatch) -> tuple[Rows, Rows]:
        """Rows of tiny fragments, and rows that lie over what an earlier one said."""
        if not batch.fragment.any():
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        found = fragments(batch)
        size = found.end - found.begin
        made = np.zeros(len(size), _piece())
        made["key"], made["time"] = found.key, batch.time[found.row]
        made["begin"], made["end"] = found.offset, found.offset + size
        made["more"] = found.more
        return found.row[found.more & (size < TINY)], self._overlapping(found.row, made)

    def _overlapping(self, rows: Rows, made: NDArray[Any]) -> Rows:
        old = self._pieces
        if len(made):
            old = old[old["time"] >= made["time"][0] - WAIT_NS]
        known = np.concatenate((old, made))
        order = np.lexsort((known["begin"], known["key"]))
        same = known["key"][order][1:] == known["key"][order][:-1]
        # Within a datagram, sorted by where they begin, an overlap shows between neighbours.
        over = same & (known["begin"][order][1:] < known["end"][order][:-1])
        found = []
        for key in np.unique(known["key"][order][1:][over]).tolist():
            places = np.flatnonzero(known["key"] == key)
            told = places[_over(known[places])]
            known["told"][told] = 1
            found += rows[told[told >= len(old)] - len(old)].tolist()
        self.evicted += max(0, len(known) - self.most)
        self._pieces = known[-self.most :]
        return np.array(sorted(found), np.intp)

    def save(self) -> bytes:
        """The state, as bytes."""
        return self._pieces.tobytes()

    def restore(self, state: bytes) -> None:
        """Take up a state that `save` gave."""
        self._pieces = np.frombuffer(state, _piece()).copy()


def _over(pieces: NDArray[Any]) -> list[int]:
    """Which of the pieces with one key, as they came, lie over another; one of each datagram.

    The same piece once more is a repeat, and harmless. A datagram ends when it is whole or old.
    """
    names = ("begin", "end", "more", "time", "told")
    seen: list[tuple[int, ...]] = []
    found = []
    for n, piece in enumerate(zip(*(pieces[name].tolist() for name in names), strict=True)):
        begin, end, more, time, told = piece
        seen = [one for one in seen if time - one[3] <= WAIT_NS]
        repeated = any((begin, end) == one[:2] for one in seen)
        over = any(begin < one[1] and one[0] < end for one in seen)
        if over and not repeated and not told and not any(one[4] for one in seen):
            found.append(n)
            told = 1
        seen.append((begin, end, more, time, told))
        if _whole(seen):
            seen = []
    return found


def _whole(pieces: list[tuple[int, ...]]) -> bool:
    reached = 0
    for begin, end, more, *_ in sorted(pieces):
        if begin > reached:
            return False
        reached = max(reached, end)
        if not more:
            return True
    return False
