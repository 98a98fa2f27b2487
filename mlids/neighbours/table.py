"""The card of each address, in a table of fixed size: ordinary claims cost no Python objects."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mlids.capture.buckets import Buckets
from mlids.capture.mixing import endpoint
from mlids.neighbours.bindings import Binding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.capture.neighbours import Claims

FIELDS = ("mac", "last", "frame", "capture", "rival", "contested")


def place_keys(
    batch: PacketBatch, rows: NDArray[Any], hi: NDArray[np.uint64], lo: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Well mixed numbers of addresses on their VLAN."""
    return endpoint(hi, lo, batch.vlan[rows]) | np.uint64(1)


@cache
def _binding() -> np.dtype[Any]:
    return np.dtype([(name, "u8" if name in ("mac", "rival") else "i8") for name in FIELDS])


class Table:
    """Bindings of at least `most` addresses; one untouched for `forget_ns` is no loss.

    apart: cards whose claims bind nothing.
    """

    def __init__(self, most: int, forget_ns: int, apart: Iterable[int]) -> None:
        self._buckets = Buckets(most, _binding(), forget_ns)
        self._apart = np.array(sorted(apart), np.uint64)

    @property
    def evicted(self) -> int:
        """Addresses that gave way while still of use."""
        return self._buckets.evicted

    def loud(
        self,
        batch: PacketBatch,
        claims: Claims,
        keys: NDArray[np.uint64],
        leased: NDArray[np.uint64],
        capture: int,
    ) -> NDArray[np.intp]:
        """Claims of addresses of which any claim may be news; the rest is entered at once."""
        if not len(keys):
            return np.zeros(0, np.intp)
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        places = self._buckets.find(unique)
        known = places >= 0
        holder = np.where(known, self._buckets.rows["mac"][places], claims.mac[first])
        news = (claims.mac != holder[inverse]) | (~known[inverse] & claims.reply)
        news |= np.isin(claims.mac, self._apart)  # whose claims bind nothing
        news |= (claims.ether != 0) & (claims.ether != claims.mac)
        loud = np.isin(unique, leased)
        loud[inverse[news]] = True
        quiet = np.flatnonzero(~loud)
        last = np.zeros(len(unique), np.int64)
        times = batch.time[claims.row]
        np.maximum.at(last, inverse, times)
        rows = claims.row[first[quiet]]
        self._entered(batch, rows, unique[quiet], holder[quiet], last[quiet], capture)
        return np.flatnonzero(loud[inverse])

    def _entered(
        self,
        batch: PacketBatch,
        rows: NDArray[np.int64],
        keys: NDArray[np.uint64],
        holders: NDArray[np.uint64],
        last: NDArray[np.int64],
        capture: int,
    ) -> None:
        """Note claims that are no news."""
        new = self._buckets.find(keys) < 0
        places = self._buckets.enter(keys, last)
        room = places >= 0
        places, new, rows = places[room], new[room], rows[room]
        table = self._buckets.rows
        table["mac"][places] = holders[room]
        table["last"][places] = np.maximum(table["last"][places], last[room])
        table["frame"][places[new]] = batch.frame[rows[new]]
        table["capture"][places[new]] = capture

    def held(self, keys: NDArray[np.uint64]) -> dict[int, Binding]:
        """The bindings of these addresses, as objects for as long as a batch takes."""
        places = self._buckets.find(keys)
        found = {}
        for key, place in zip(keys.tolist(), places.tolist(), strict=True):
            known = self._buckets.rows[place].tolist() if place >= 0 else ()
            found[key] = Binding(*known)
        return found

    def write(self, held: dict[int, Binding]) -> None:
        """Put bindings back into the table."""
        known = {key: binding for key, binding in held.items() if binding.mac}
        keys = np.array(list(known), np.uint64)
        last = np.array([binding.last for binding in known.values()], np.int64)
        places = self._buckets.enter(keys, last)
        rows = np.array([msgspec.structs.astuple(b) for b in known.values()], _binding())
        room = places >= 0
        self._buckets.rows[places[room]] = rows[room]

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return self._buckets.save()

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._buckets.restore(state)
