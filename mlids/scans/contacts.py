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
    MAIMON = 11
    ACK = 12  # a bare ACK outside a connection; `socket`: it was reset
    ECHO = 13
    PROTOCOL = 14  # an IP protocol that is not in common use; its number stands in `port`
    ARP = 15
    PROBE = 16  # of an operating system's fingerprint; which one stands in `socket`
    OPENED = 32  # `socket`: NEW_HOUR, NEW_DAY
    UDP_ANSWERED = 33
    PROTOCOL_ANSWERED = 34


NEW_HOUR, NEW_DAY = 1, 2  # `socket` of an answer: the first such one in this hour, on this day
BY_SYSTEM, CLIENTLIKE = 1, 2  # `socket` of a failure: an operating system's SYN; see `packets`


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
    """One contact, as records carry it: when, who, whom, where to look it up.

    socket: marks of a failed TCP or UDP contact and of answers, else what `Kind` says; order: the
    frame that decided, for contacts of one moment.
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
            ("asks", "u1"),  # packets that asked in time, where they are counted
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


def joined(found: list[Records]) -> Records:
    """All these records, one after the other."""
    if len(found) == 1:
        return found[0]
    nothing = [np.zeros(0, f"V{contact().itemsize}")]
    every: Records = np.concatenate([*map(whole, found)] or nothing)
    return every.view(contact())


def contacts(batch: PacketBatch, rows: NDArray[Any], capture: int, kind: int) -> Records:
    """The contacts that these packets make."""
    made = np.zeros(len(rows), contact())
    for name in ("time", "src_hi", "src_lo", "dst_hi", "dst_lo", "frame"):
        made[name] = getattr(batch, name)[rows]
    made["port"], made["capture"], made["kind"] = batch.dport[rows], capture, kind
    made["order"] = made["frame"]
    return made


def grouped(keys: Words) -> NDArray[np.int64]:
    """The rows of well mixed keys, those of one key together and in order.

    Sorting numbers that hold the upper bits of the key and the row is several times faster than
    sorting rows by key; that two keys are alike in 44 bits does not happen in practice.
    """
    bits = max(1, len(keys).bit_length())
    if bits > 20:
        return np.argsort(keys, kind="stable")
    low = np.uint64((1 << bits) - 1)
    marked = (keys & ~low) | np.arange(len(keys), dtype=np.uint64)
    marked.sort()
    return (marked & low).astype(np.int64)


def maybe_among(keys: Words, some: Words) -> NDArray[np.bool_]:
    """For each key whether it is among some others; now and then True for one that is not."""
    if not len(some):
        return np.zeros(len(keys), bool)
    found = np.zeros(1 << 16, bool)
    found[some >> np.uint64(48)] = True
    return np.take(found, (keys >> np.uint64(48)).view(np.int64))


class Groups(NamedTuple):
    """Rows of well mixed keys, by key."""

    first: NDArray[np.int64]  # first row of each key
    number: NDArray[np.int64]  # for each row which key it has
    size: NDArray[np.int64]  # rows of each key


def groups(keys: Words) -> Groups:
    """What `np.unique` says about well mixed keys, in no particular order, several times faster."""
    order = grouped(keys)
    fresh = np.ones(len(keys), bool)
    np.not_equal(keys[order][1:], keys[order][:-1], out=fresh[1:])
    begin = np.flatnonzero(fresh)
    number = np.empty(len(keys), np.int64)
    number[order] = np.cumsum(fresh) - 1
    return Groups(order[begin], number, np.diff(begin, append=len(keys)))


class Runs(NamedTuple):
    """Runs of asks, ordered by key. `origin`: which pending one (negative: ~index) or which row."""

    origin: NDArray[np.int64]
    key: Words
    first: Times
    last: Times
    answer: NDArray[np.uint8]  # OPEN or CLOSED within the grace, else ASK
    by: NDArray[np.int64]  # the row that answered, where one did
    ended: NDArray[np.bool_]  # no further ask can belong to it
    asks: NDArray[np.int64]  # packets of it within the grace of the first

    def unopened(self) -> Runs:
        """Those that no open port answered."""
        return self.take(np.flatnonzero(self.answer != OPEN))

    def take(self, rows: Any) -> Runs:
        """Some of them."""
        return Runs(*(column[rows] for column in self))


class Attempts:
    """Runs that are not settled yet, at most `most`; `evicted` counts those given up early.

    counting: `Runs.asks` is wanted.
    """

    def __init__(self, grace_ns: int, most: int, counting: bool = False) -> None:
        self.grace = grace_ns
        self.most = most
        self.counting = counting
        self.evicted = 0
        self.pending: Records = np.zeros(0, pending_contact())

    def runs(self, key: Words, time: Times, kind: NDArray[np.uint8]) -> Runs:
        """Match rows in order of time (ASK, OPEN or CLOSED) with one another and with the past."""
        old = self.pending
        keys = np.concatenate((old["key"], key))
        order = grouped(keys)
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
        asks = np.concatenate((old["asks"], np.ones(len(key), np.uint8)))[order]
        return Runs(
            origin,
            keys[at],
            first[at],
            last[after - 1],
            np.where(in_time, kinds[following], ASK).astype(np.uint8),
            order[following].astype(np.int64) - len(old),
            same,
            self._counted(first, asks, ask, at, after),
        )

    def _counted(
        self, time: Times, asks: NDArray[Any], ask: NDArray[np.bool_], at: Any, after: Any
    ) -> NDArray[np.int64]:
        """How many packets of each run came within the grace of its first."""
        if not self.counting or not len(at):
            return np.zeros(len(at), np.int64)
        run = np.full(len(time) + 1, -1)
        run[at] = np.arange(len(at))
        run = np.maximum.accumulate(run[:-1])
        inside = ask & (run >= 0)
        inside[inside] = np.flatnonzero(inside) < after[run[inside]]
        inside[inside] = time[inside] - time[at[run[inside]]] <= self.grace
        return np.bincount(run[inside], asks[inside], len(at)).astype(np.int64)

    def keep(self, pending: Records, now: int) -> Records:
        """Remember runs that may go on; those given up for lack of room are returned."""
        alive = taken(pending, pending["last"] + self.grace >= now)
        if len(alive) <= self.most:
            self.pending = alive
            return alive[:0]
        room = len(alive) - self.most
        order = np.argpartition(alive["last"], room)
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
