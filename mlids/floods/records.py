"""Packets of interest as narrow records, kept until it is known what became of them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.mixing import endpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Records = NDArray[Any]
    Words = NDArray[np.uint64]

GRACE_NS = 1_000_000_000  # how long an answer, or the end of a handshake, is waited for
GRID_NS = 500_000_000  # all slots end at multiples of it
MOST_CAPTURES = 65_535  # a record has 16 bits for its capture


@cache
def record() -> np.dtype[Any]:
    """One packet: when, from whom to whom, where to look it up. `key`: what it is counted by."""
    return np.dtype(
        [
            ("time", "i8"),
            ("frame", "i8"),
            ("key", "u8"),
            ("flow", "u8"),
            ("src_hi", "u8"),
            ("src_lo", "u8"),
            ("dst_hi", "u8"),
            ("dst_lo", "u8"),
            ("size", "u4"),  # bytes of payload
            ("back", "u4"),  # bytes that went the other way, where these are counted together
            ("sport", "u2"),
            ("dport", "u2"),
            ("capture", "u2"),
            ("kind", "u1"),
            ("state", "u1"),
        ]
    )


def records(batch: PacketBatch, rows: NDArray[Any], flow: Words, capture: int) -> Records:
    """These rows as records, counted by their target."""
    made = np.zeros(len(rows), record())
    for name in ("time", "frame", "src_hi", "src_lo", "dst_hi", "dst_lo", "sport", "dport"):
        made[name] = getattr(batch, name)[rows]
    made["size"] = batch.payload_length[rows]
    made["flow"], made["capture"] = flow, capture
    made["key"] = addresses(made["dst_hi"], made["dst_lo"])
    return made


def addresses(hi: Words, lo: Words) -> Words:
    """A well mixed number of an address."""
    return endpoint(hi, lo, np.zeros(1, np.uint16))


def taken(made: Records, rows: Any) -> Records:
    """Some of the records; as plain bytes numpy copies them many times faster than as fields."""
    found: Records = made.view(f"V{made.dtype.itemsize}")[rows].view(made.dtype)
    return found


def joined(*parts: Records) -> Records:
    """Records one behind the other."""
    some = [part for part in parts if len(part)]
    if len(some) == 1:
        return some[0]
    size = record().itemsize
    every = [part.view(f"V{size}") for part in some]
    return np.concatenate(every).view(record()) if some else nothing()


def grouped(keys: Words) -> NDArray[np.int64]:
    """The order that brings equal keys together and leaves their rows in order.

    Sorting numbers is five times faster than sorting by them, so the row goes into the low bits of
    the key, as in `capture.flows`.
    """
    low = np.uint64((1 << max(16, len(keys).bit_length())) - 1)
    marked = (keys & ~low) | np.arange(len(keys), dtype=np.uint64)
    marked.sort()
    return (marked & low).astype(np.int64)


def nothing() -> Records:
    """No records."""
    return np.zeros(0, record())


def settled(now: int) -> int:
    """Up to when slots are over and everything in them is decided."""
    return (now - GRACE_NS) // GRID_NS * GRID_NS


class Captures:
    """The names of captures, by the numbers that records hold."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def number(self, name: str) -> int:
        """The number of a capture; the last one is shared where there are too many."""
        if self.names and self.names[-1] == name:
            return len(self.names) - 1
        if name not in self.names:
            if len(self.names) >= MOST_CAPTURES:
                self.names[-1] = name
            else:
                self.names.append(name)
        return self.names.index(name)
