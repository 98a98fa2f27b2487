"""A faint memory of millions of sources that failed once, in four bytes each.

Where a flood of random sources pushes a real one out of `Singles` before its next contact, which
may be an hour away, what remains is that it failed before: enough for the slow rule to go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

BITS = 22
HOUR_NS = 3_600_000_000_000
HOURS = (1 << 13) - 1  # of a year; older ones cannot be told from newer ones
FORGET = 7 * 24  # hours
MOST_SCORE = 7


class Traces:
    """Failures by source key, in the slot of its hash until another source takes it.

    An entry: 16 bits of the key, 13 of the hour, 3 of the count. Memory is taken as it is written.
    """

    def __init__(self, bits: int = BITS) -> None:
        self._bits = bits
        self._entries = np.zeros(0, np.uint32)  # made when there is something to remember

    def put(self, keys: Words, times: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """Remember that these failed so often."""
        if len(keys):
            self._make()
            hour = (times // HOUR_NS & HOURS).astype(np.uint32)
            count = np.clip(counts, 1, MOST_SCORE).astype(np.uint32)
            self._entries[self._slots(keys)] = _tags(keys) | hour << np.uint32(3) | count

    def take(self, keys: Words, now: int) -> NDArray[np.int64]:
        """How often each of these is remembered to have failed; they are forgotten then."""
        if not len(self._entries) or not len(keys):
            return np.zeros(len(keys), np.int64)
        slots = self._slots(keys)
        entries = self._entries[slots]
        age = (
            now // HOUR_NS - (entries >> np.uint32(3) & np.uint32(HOURS)).astype(np.int64)
        ) & HOURS
        same = (entries & np.uint32(0xFFFF_0000) == _tags(keys)) & (age <= FORGET)
        count = np.where(same, entries & np.uint32(MOST_SCORE), 0).astype(np.int64)
        self._entries[slots[count > 0]] = 0
        return count

    def _slots(self, keys: Words) -> NDArray[np.int64]:
        return (keys >> np.uint64(64 - self._bits)).astype(np.int64)

    def _make(self) -> None:
        if not len(self._entries):
            self._entries = np.zeros(1 << self._bits, np.uint32)

    def save(self) -> list[bytes]:
        """The state, as plain data."""
        used = np.flatnonzero(self._entries)
        return [used.astype(np.uint32).tobytes(), self._entries[used].tobytes()]

    def restore(self, state: list[bytes]) -> None:
        """Take up a state that `save` gave, of a memory as large as this one; else begin anew."""
        used = np.frombuffer(state[0], np.uint32)
        if len(used) and int(used.max()) < 1 << self._bits:
            self._make()
            self._entries[used] = np.frombuffer(state[1], np.uint32)


def _tags(keys: Words) -> NDArray[np.uint32]:
    """16 bits of the key that its slot does not depend on, in the upper half."""
    return (keys >> np.uint64(8) & np.uint64(0xFFFF)).astype(np.uint32) << np.uint32(16)
