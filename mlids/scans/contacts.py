"""First contacts that fail: who asked whom for what, and whether anyone answered.

Asks and answers of one key (who, whom, port) make *runs*: asks that follow one another without an
answer between and without a gap longer than the grace. A run that is answered within the grace of
its first ask is settled; one that is not is silent. `Attempts` finds runs across batches by one
stable sort, and what it says does not depend on where batches end.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Words = NDArray[np.uint64]
    Times = NDArray[np.int64]
    Records = NDArray[Any]

ASK, OPEN, CLOSED = 0, 1, 2


class Kind(IntEnum):
    """What a contact shows; from OPENED on it takes evidence away."""

    UNANSWERED = 0
    REFUSED = 1
    CONNECTED = 2  # a handshake completed and closed without a byte sent
    HALF_OPEN = 3  # a handshake begun, answered and reset
    UDP_UNANSWERED = 4
    UDP_REFUSED = 5
    FIN = 6
    NULL = 7
    XMAS = 8
    SYNFIN = 9
    FULL_XMAS = 10
    ECHO = 11
    OPENED = 12
    UDP_ANSWERED = 13


class Contact(NamedTuple):
    """One contact, as `contact` records it."""

    time: int
    src_hi: int
    src_lo: int
    dst_hi: int
    dst_lo: int
    frame: int
    order: int
    port: int
    capture: int
    kind: int
    socket: int

    @property
    def target(self) -> tuple[int, int]:
        """The address that was contacted."""
        return self.dst_hi, self.dst_lo


@cache
def contact() -> np.dtype[Any]:
    """One contact, as records carry it: when, who, whom, where to look it up; `socket`: made by
    an operating system's connect (its SYN carries the usual options); `order`: the frame that
    decided, for contacts of one moment.
    """
    return np.dtype(
        [
            ("time", "i8"),
            ("src_hi", "u8"),
            ("src_lo", "u8"),
            ("dst_hi", "u8"),
            ("dst_lo", "u8"),
            ("frame", "i8"),
            ("order", "i8"),
            ("port", "u2"),
            ("capture", "u2"),
            ("kind", "u1"),
            ("socket", "u1"),
        ]
    )


@cache
def pending_contact() -> np.dtype[Any]:
    """A run that may still be answered."""
    return np.dtype(
        [
            ("key", "u8"),
            ("first", "i8"),
            ("last", "i8"),
            ("told", "u1"),  # its silence was noted
            ("acked", "u1"),  # its asker went on as if answered
            ("side", "u1"),
            ("sport", "u2"),
            ("contact", contact()),
        ]
    )


def whole(records: Records) -> Records:
    """The same records as plain bytes: numpy copies those many times faster than fields."""
    return records.view(f"V{records.dtype.itemsize}")


def taken(records: Records, rows: Any) -> Records:
    """Some of the records; `rows` are positions or a mask."""
    found: Records = whole(records)[rows].view(records.dtype)
    return found


def contacts(batch: PacketBatch, rows: NDArray[Any], capture: int, kind: int) -> Records:
    """The contacts that these packets make."""
    made = np.zeros(len(rows), contact())
    for name in ("time", "src_hi", "src_lo", "dst_hi", "dst_lo", "frame"):
        made[name] = getattr(batch, name)[rows]
    made["port"], made["capture"], made["kind"] = batch.dport[rows], capture, kind
    made["order"] = made["frame"]
    return made


def endpoint(hi: Words, lo: Words, port: NDArray[Any]) -> Words:
    """A well mixed number of an address and a port (multiply and xor-shift, as in splitmix64)."""
    x = lo * np.uint64(0x9E3779B97F4A7C15)
    x += hi * np.uint64(0xD6E8FEB86659FD93)
    x += port.astype(np.uint64) * np.uint64(0xA0761D6478BD642F)
    x ^= x >> np.uint64(29)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    return x ^ (x >> np.uint64(32))


def pair_key(a: Words, b: Words) -> Words:
    """A key of two endpoints, in this order."""
    x = a * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    x += b
    return x


class Runs(NamedTuple):
    """Runs of asks, ordered by key. `origin`: which pending one (negative: ~index) or which row."""

    origin: NDArray[np.int64]
    key: Words
    first: Times
    last: Times
    answer: NDArray[np.uint8]  # OPEN or CLOSED within the grace, else ASK
    by: NDArray[np.int64]  # the row that answered, where one did
    ended: NDArray[np.bool_]  # no further ask can belong to it

    def unopened(self) -> Runs:
        """Those that no open port answered."""
        rows = np.flatnonzero(self.answer != OPEN)
        return Runs(*(column[rows] for column in self))  # type: ignore[arg-type]


class Attempts:
    """Runs that are not settled yet, at most `most`; `evicted` counts those given up early."""

    def __init__(self, grace_ns: int, most: int) -> None:
        self.grace = grace_ns
        self.most = most
        self.evicted = 0
        self.pending: Records = np.zeros(0, pending_contact())

    def runs(self, key: Words, time: Times, kind: NDArray[np.uint8]) -> Runs:
        """Match rows in order of time (ASK, OPEN or CLOSED) with one another and with the past."""
        old = self.pending
        keys = np.concatenate((old["key"], key))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.concatenate((old["first"], time))[order]
        last = np.concatenate((old["last"], time))[order]
        kinds = np.concatenate((np.zeros(len(old), np.uint8), kind))[order]
        ask, fresh = kinds == ASK, np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
        begins = ask & fresh
        begins[1:] |= ask[1:] & (~ask[:-1] | (first[1:] - last[:-1] > self.grace))
        bounds = np.append(np.flatnonzero(begins | ~ask | fresh), len(keys))
        at = bounds[:-1][begins[bounds[:-1]]]
        after = bounds[1:][begins[bounds[:-1]]]
        following = np.minimum(after, len(keys) - 1)
        same = (after < len(keys)) & ~fresh[following]
        in_time = same & ~ask[following] & (first[following] - first[at] <= self.grace)
        origin = order[at].astype(np.int64) - len(old)
        origin[origin < 0] = ~order[at][origin < 0]
        return Runs(
            origin,
            keys[at],
            first[at],
            last[after - 1],
            np.where(in_time, kinds[following], ASK).astype(np.uint8),
            order[following].astype(np.int64) - len(old),
            same,
        )

    def keep(self, pending: Records, now: int) -> Records:
        """Remember runs that may go on; those given up for lack of room are returned."""
        alive = taken(pending, pending["last"] + self.grace >= now)
        if len(alive) <= self.most:
            self.pending = alive
            return alive[:0]
        order = np.argsort(alive["last"], kind="stable")
        room = len(alive) - self.most
        self.pending = taken(alive, order[room:])
        self.evicted += room
        given_up = taken(alive, order[:room])
        return taken(given_up, given_up["told"] == 0)

    def save(self) -> bytes:
        """The state, as bytes."""
        return self.pending.tobytes()

    def restore(self, state: bytes) -> None:
        """Take up a state that `save` gave."""
        self.pending = np.frombuffer(state, pending_contact()).copy()
