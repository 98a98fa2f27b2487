"""Attacks by fragments: those that never become a datagram, overlap, or are longer than one can be.

Fragments of one datagram come together, so each half second is judged by itself: of ten thousand
datagrams one or two lie across an edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlids.capture.addresses import address
from mlids.capture.fragments import fragments
from mlids.floods.findings import Finding, Technique
from mlids.floods.records import GRID_NS, records, taken
from mlids.floods.tally import MIXER, Tally
from mlids.volume import NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.floods.records import Records
    from mlids.floods.tally import Window

LAST, MORE = 0, 1  # `kind` of a record; its `sport` is the offset in units of 8 bytes
LONGEST = 65_535
INCOMPLETE, WINDOW_S = 100, 5


class FragmentAttacks(Technique):
    """Finds fragment floods, teardrop and ping-of-death."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.tallies["flood"] = Tally(GRID_NS, WINDOW_S * NS // GRID_NS, INCOMPLETE)
        self.tallies["overlaps"] = Tally(GRID_NS, 1, 1)
        self.tallies["giants"] = Tally(GRID_NS, 1, 1)

    def inspect(self, batch: PacketBatch, capture: int) -> None:
        """Take up the fragments of a batch."""
        if not batch.fragment.any():
            return
        found = fragments(batch)
        made = records(batch, found.row, found.key, capture)
        made["size"] = np.clip(found.end - found.begin, 0, LONGEST)
        made["sport"], made["kind"] = found.offset >> 3, found.more
        made["dport"] = 0
        self.take(made)

    def findings(self, until_ns: int, share: float) -> Iterator[Finding]:
        """Judge fragments of slots that are over."""
        seen = self.closed(until_ns)
        if not len(seen):
            return
        begin = seen["sport"].astype(np.int64) << 3
        end = begin + seen["size"]
        for window in self.tallies["giants"].add(taken(seen, end > LONGEST)):
            far = f"fragments that end beyond byte {LONGEST} of their datagram"
            yield _finding("ping-of-death", window, far, "1 packet")
        missing, over = _datagrams(seen, begin, end)
        for window in self.tallies["overlaps"].add(taken(seen, over)):
            yield _finding("teardrop", window, "fragments of a datagram that overlap", "1 packet")
        for window in self.tallies["flood"].add(taken(seen, missing), share):
            what = "fragments in 5 s of datagrams that are never completed"
            yield _finding("fragment", window, what, f"{INCOMPLETE} in {WINDOW_S} s")


def _datagrams(
    seen: Records, begin: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which fragments are of datagrams that are not complete, and which lie over another one."""
    slot = (seen["time"] // GRID_NS).astype(np.uint64)
    key = seen["flow"] ^ slot * MIXER
    order = np.lexsort((end, begin, key))
    key, begin, end = key[order], begin[order], end[order]
    fresh = np.append([True], key[1:] != key[:-1])
    again = np.append([False], (begin[1:] == begin[:-1]) & (end[1:] == end[:-1])) & ~fresh
    first = np.flatnonzero(fresh)
    number = np.cumsum(fresh) - 1
    # How far the fragments before reach, within the datagram.
    base = number * (2 * LONGEST + 2)
    reach = np.maximum.accumulate(base + end)
    before = np.append([0], reach[:-1]) - base
    over = ~fresh & ~again & (begin < before) & (end > begin)
    gap = np.where(fresh, begin > 0, begin > before)
    whole = ~np.logical_or.reduceat(gap, first)
    whole &= np.logical_or.reduceat(seen["kind"][order] == LAST, first)
    missing, overlapping = np.empty(len(order), bool), np.empty(len(order), bool)
    missing[order], overlapping[order] = ~whole[number], over
    return missing, overlapping


def _finding(technique: str, window: Window, what: str, against: str) -> Finding:
    crowd = window.sum()
    return Finding(
        crowd.last_ns,
        technique,
        crowd.target,
        crowd,
        window.accept(),
        crowd.packets / (WINDOW_S if technique == "fragment" else 1),
        f"{crowd.packets} {what}",
        against,
        "IP",
        address(*crowd.target),
    )
