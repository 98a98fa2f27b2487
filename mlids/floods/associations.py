"""Which pairs of hosts have opened TCP connections to one another of late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.floods.records import addresses, grouped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.floods.records import Records
    from mlids.floods.tally import Crowd

    Words = NDArray[np.uint64]

BITS = 16
SPAN_NS = 600_000_000_000


class Associations:
    """A table of fixed size by pair of hosts: first and last SYN; of two in a place the last stays.

    A pair counts for ten minutes after its last SYN.
    """

    def __init__(self) -> None:
        self._pair = np.zeros(1 << BITS, np.uint64)
        self._first = np.zeros(1 << BITS, np.int64)
        self._last = np.zeros(1 << BITS, np.int64)

    def note(self, syns: Records) -> None:
        """Note the pairs of these records, in order of time."""
        if not len(syns):
            return
        pairs = addresses(syns["src_hi"], syns["src_lo"]) + syns["key"]
        order = grouped(pairs)
        pairs, times = pairs[order], syns["time"][order]
        begins = np.flatnonzero(np.append([True], pairs[1:] != pairs[:-1]))
        first, last = times[begins], times[np.append(begins[1:], len(pairs)) - 1]
        pairs = pairs[begins]
        by_time = np.argsort(last, kind="stable")
        pairs, first, last = pairs[by_time], first[by_time], last[by_time]
        place = (pairs >> np.uint64(64 - BITS)).astype(np.int64)
        known = (self._pair[place] == pairs) & (first - self._last[place] <= SPAN_NS)
        self._first[place] = np.where(known, self._first[place], first)
        self._pair[place], self._last[place] = pairs, last

    def any(self, crowd: Crowd) -> bool:
        """Whether a source that sent a good part of this has such a connection to its target."""
        for count, hi, lo in crowd.sources.top():
            if 4 * count < crowd.packets:
                continue
            words = [np.array([word], np.uint64) for word in (hi, lo, *crowd.target)]
            pair = (addresses(words[0], words[1]) + addresses(words[2], words[3]))[0]
            place = int(pair >> np.uint64(64 - BITS))
            since = int(self._first[place])
            recent = since <= crowd.last_ns <= int(self._last[place]) + SPAN_NS
            if self._pair[place] == pair and recent:
                return True
        return False

    def save(self) -> list[Any]:
        """The state, as plain data."""
        used = np.flatnonzero(self._pair)
        parts = (used, self._pair[used], self._first[used], self._last[used])
        return [part.tobytes() for part in parts]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        used = np.frombuffer(state[0], np.int64)
        self._pair[used] = np.frombuffer(state[1], np.uint64)
        self._first[used] = np.frombuffer(state[2], np.int64)
        self._last[used] = np.frombuffer(state[3], np.int64)
