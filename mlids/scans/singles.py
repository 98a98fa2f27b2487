"""Sources that showed one contact so far, millions of them, in a table of fixed size.

Random (spoofed) sources each show one contact and are never seen again; a real scanner shows a
second one and moves on to where it is followed exactly. The table is an array: it needs memory only
where it was written, and a source that finds no room replaces the one longest unseen of its bucket.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.scans.contacts import contact, groups, taken, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.scans.contacts import Records

    Words = NDArray[np.uint64]

WAYS = 4  # places where a source may stand
MIX = 0x9E3779B97F4A7C15


@cache
def _entry() -> np.dtype[Any]:
    return np.dtype([("key", "u8"), ("contact", contact())])


class Singles:
    """One contact per source key (any well mixed number but 0), for at most `most` sources.

    forget_ns: after so long a contact counts no more; evicted: those replaced before.
    """

    def __init__(self, most: int, forget_ns: int) -> None:
        self._bits = max(4, (most // WAYS).bit_length() - 1)
        self._make(0)  # with room when there is something to keep
        self.forget_ns = forget_ns
        self.evicted = 0
        self.used = False

    def _make(self, size: int) -> None:
        self._table: Records = np.zeros(size, _entry())
        self._keys = self._table["key"]
        self._times = self._table["contact"]["time"]

    def place(self, keys: Words, now: int) -> NDArray[np.int64]:
        """Where each of these sources stands, -1 where it does not."""
        if not self.used:
            return np.full(len(keys), -1, np.int64)
        places = self._places(keys)
        hit = (self._keys[places] == keys[:, None]) & (self._times[places] >= now - self.forget_ns)
        return np.where(hit.any(axis=1), places[np.arange(len(keys)), hit.argmax(axis=1)], -1)

    def take(self, places: NDArray[np.int64]) -> Records:
        """Remove and return the contacts that stand at these places."""
        taken: Records = self._table["contact"][places]
        self._keys[places] = 0
        self._times[places] = 0
        return taken

    def put(self, keys: Words, contacts: Records) -> Records:
        """Enter sources that do not stand there, each key once; ordered by time.

        Gives the entries ("key", "contact") that had to make room.
        """
        lost = []
        if len(keys) and not self.used:
            self._make(WAYS << self._bits)
            self.used = True
        while len(keys):
            places = self._places(keys)
            oldest = self._times[places].argmin(axis=1)
            chosen = places[np.arange(len(keys)), oldest]
            first = groups(chosen.astype(np.uint64) * np.uint64(MIX)).first
            places, new = chosen[first], taken(contacts, first)
            fresh = self._times[places] >= new["time"] - self.forget_ns
            fresh &= self._keys[places] > 0
            if fresh.any():
                self.evicted += int(np.count_nonzero(fresh))
                lost.append(self._table[places[fresh]])
            entries = np.empty(len(first), _entry())
            entries["key"], entries["contact"] = keys[first], new
            whole(self._table)[places] = whole(entries)
            later = np.ones(len(keys), bool)
            later[first] = False
            keys, contacts = keys[later], taken(contacts, later)
        return np.concatenate(lost) if lost else self._table[:0]

    def _places(self, keys: Words) -> NDArray[np.int64]:
        bucket = (keys >> np.uint64(64 - self._bits)).astype(np.int64) * WAYS
        return bucket[:, None] + np.arange(WAYS)

    def save(self) -> bytes:
        """The state, as bytes."""
        return self._table[self._keys > 0].tobytes() if self.used else b""

    def restore(self, state: bytes) -> None:
        """Take up a state that `save` gave."""
        entries = np.frombuffer(state, _entry())
        self.put(entries["key"], entries["contact"])
