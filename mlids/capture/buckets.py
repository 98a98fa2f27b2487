"""A table of fixed size by key, in numpy: millions of keys are found or entered in one step.

A key may stand in any of four places of its bucket; where all are taken the one longest untouched
gives way. So memory is bounded whatever comes, and what is in use is not pushed out by what was
seen once long ago.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Places = NDArray[np.int64]

WAYS = 4  # places where a key may stand


class Buckets:
    """Records by key (any well mixed number but 0), about `most` of them.

    record: dtype of what is kept for each key; `rows[places]["field"]` reads and writes it.
    forget_ns: a key untouched for so long is no loss; evicted: keys replaced before that. Memory
    is taken as places are written.
    """

    def __init__(self, most: int, record: np.dtype[Any], forget_ns: int = 1 << 62) -> None:
        # Twice the room, since some buckets fill before others.
        self._bits = max(1, (2 * max(most, 1) - 1).bit_length() - WAYS.bit_length() + 1)
        size = WAYS << self._bits
        self.rows: NDArray[Any] = np.zeros(size, record)
        self.forget_ns = forget_ns
        self.evicted = 0
        self._keys = np.zeros(size, np.uint64)
        self._touched = np.zeros(size, np.int64)
        self._used = False

    def __len__(self) -> int:
        return int(np.count_nonzero(self._keys)) if self._used else 0

    def find(self, keys: Words) -> Places:
        """Where each of these keys stands, -1 where it does not."""
        if not self._used or not len(keys):
            return np.full(len(keys), -1, np.int64)
        bucket = (keys >> np.uint64(64 - self._bits)).astype(np.int64) * WAYS
        found = np.full(len(keys), -1, np.int64)
        for way in range(WAYS):
            place = bucket + way
            np.copyto(found, place, where=self._keys[place] == keys)
        return found

    def touch(self, places: Places, times: NDArray[np.int64]) -> None:
        """Note that these were used; the latest time counts."""
        np.maximum.at(self._touched, places, times)

    def enter(self, keys: Words, times: NDArray[np.int64]) -> Places:
        """The place of each key (each once a call), found or made, and touched.

        What is made is zero; a key that found no place beside others of this call has -1.
        """
        places = self.find(keys)
        known = np.flatnonzero(places >= 0)
        self._touched[places[known]] = np.maximum(self._touched[places[known]], times[known])
        new = np.flatnonzero(places < 0)
        if len(new):
            places[new] = self._placed(keys[new], times[new])
        return places

    def _placed(self, keys: Words, times: NDArray[np.int64]) -> Places:
        """Places for keys that stand nowhere: free ones first, else those longest untouched.

        In order of key, not of arrival: so it does not matter how a call was put together.
        """
        self._used = True
        found = np.full(len(keys), -1, np.int64)
        left = np.argsort(keys)
        taken = np.zeros(0, np.int64)
        for _ in range(WAYS):
            if not len(left):
                break
            bucket = (keys[left] >> np.uint64(64 - self._bits)).astype(np.int64) * WAYS
            fresh = np.ones(len(left), bool)
            np.not_equal(bucket[1:], bucket[:-1], out=fresh[1:])
            places = bucket[fresh][:, None] + np.arange(WAYS)
            age = np.where(self._keys[places] > 0, self._touched[places], -(1 << 62))
            age[np.isin(places, taken)] = 1 << 62  # given away in this call
            chosen = places[np.arange(len(places)), age.argmin(axis=1)]
            some = left[fresh]
            lost = (self._keys[chosen] > 0) & (self._touched[chosen] > times[some] - self.forget_ns)
            self.evicted += int(np.count_nonzero(lost))
            self._keys[chosen], self._touched[chosen] = keys[some], times[some]
            self.rows[chosen] = np.zeros(1, self.rows.dtype)
            found[some] = chosen
            taken = np.concatenate((taken, chosen))
            left = left[~fresh]
        self.evicted += len(left)
        return found

    def remove(self, places: Places) -> None:
        """Forget what stands at these places."""
        self._keys[places] = 0
        self._touched[places] = 0

    def used(self) -> Places:
        """The places where something stands."""
        return np.flatnonzero(self._keys).astype(np.int64) if self._used else np.zeros(0, np.int64)

    def keys(self, places: Places) -> Words:
        """The keys that stand at these places."""
        return self._keys[places]

    def touched(self, places: Places) -> NDArray[np.int64]:
        """When these were last touched."""
        return self._touched[places]

    def save(self) -> list[Any]:
        """The state, as plain data."""
        used = self.used()
        parts = (used, self._keys[used], self._touched[used], self.rows[used])
        return [self.evicted, *(part.tobytes() for part in parts)]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave, of a table as large as this one; else begin anew."""
        places = np.frombuffer(state[1], np.int64)
        if len(places) and int(places.max()) >= len(self._keys):
            return
        self.evicted = state[0]
        self._used = len(places) > 0
        self._keys[places] = np.frombuffer(state[2], np.uint64)
        self._touched[places] = np.frombuffer(state[3], np.int64)
        self.rows[places] = np.frombuffer(state[4], self.rows.dtype)
