"""Which addresses were asked for lately: a reply to a question is no news that nobody wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Times = NDArray[np.int64]

MOST = 65_536  # questions that are remembered


class Questions:
    """The latest questions, at most `MOST`; an answer may take `wait_ns`."""

    def __init__(self, wait_ns: int) -> None:
        self.wait_ns = wait_ns
        self._keys = np.zeros(0, np.uint64)
        self._times = np.zeros(0, np.int64)

    def asked(
        self, keys: Words, times: Times, rows: Times, asks: tuple[Words, Times, Times]
    ) -> NDArray[np.bool_]:
        """For each claim whether its address was asked for before, within `wait_ns`.

        keys, times, rows: of the claims; asks: the same of the questions of this batch, which are
        then remembered.
        """
        old = len(self._keys)
        every = np.concatenate((self._keys, asks[0]))
        when = np.concatenate((self._times, asks[1]))
        place = np.concatenate((np.full(old, -1), asks[2]))
        found = np.zeros(len(keys), bool)
        if len(keys) and len(every):
            order = np.argsort(every, kind="stable")
            by_key = every[order]
            # Questions come in order of their rows, so the last one of a key before the claim
            # stands right before where the claim would.
            begin = np.searchsorted(by_key, keys, "left")
            end = np.searchsorted(by_key, keys, "right")
            seen = np.searchsorted(place, rows, "left")  # questions asked before the claim
            found = self._before(order, when, (begin, end, seen), times)
        self._keys, self._times = self._kept(every, when)
        return found

    def _before(
        self, order: Times, when: Times, bounds: tuple[Any, Any, Any], times: Times
    ) -> NDArray[np.bool_]:
        found = np.zeros(len(times), bool)
        for n in np.flatnonzero(bounds[1] > bounds[0]).tolist():
            mine = order[bounds[0][n] : bounds[1][n]]
            last = int(np.searchsorted(mine, bounds[2][n], "left")) - 1
            if last >= 0:
                near = bounds[2][n] - mine[last] <= MOST
                found[n] = near and times[n] - when[mine[last]] < self.wait_ns
        return found

    def _kept(self, keys: Words, times: Times) -> tuple[Words, Times]:
        if not len(keys):
            return keys, times
        first = int(np.searchsorted(times, int(times[-1]) - self.wait_ns))
        first = max(first, len(keys) - MOST)
        return keys[first:], times[first:]

    def save(self) -> list[bytes]:
        """The state, as bytes."""
        return [self._keys.tobytes(), self._times.tobytes()]

    def restore(self, state: list[bytes]) -> None:
        """Take up a state that `save` gave."""
        self._keys = np.frombuffer(state[0], np.uint64)
        self._times = np.frombuffer(state[1], np.int64)
