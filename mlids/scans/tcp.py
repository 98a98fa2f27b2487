"""Failed first contacts over TCP, and connections that were opened and not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.flows import flows
from mlids.capture.headers import gather, tcp_header
from mlids.capture.mixing import endpoint, pair_key
from mlids.scans.contacts import (
    ASK,
    CLOSED,
    OPEN,
    Attempts,
    Kind,
    Runs,
    contacts,
    pending_contact,
    taken,
    whole,
)
from mlids.scans.flags import ACK, RST, SYN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.capture.quotes import Quotes
    from mlids.scans.contacts import Records
    from mlids.scans.flags import Classed

    Rows = NDArray[Any]

SOCKET_HEADER = 32  # an operating system's SYN carries time stamps and more; a raw one hardly any
SLOTS_BITS = 16  # handshakes remembered, for the moment they are closed again


class TcpContacts:
    """Turns packets into contacts; answers within `grace_ns` settle a SYN."""

    def __init__(self, grace_ns: int, most: int) -> None:
        self.attempts = Attempts(grace_ns, most)
        self._handshakes = np.zeros(1 << SLOTS_BITS, np.uint64)
        self._server_next = np.zeros(1 << SLOTS_BITS, np.uint32)
        self._since = np.zeros(1 << SLOTS_BITS, np.int64)

    def inspect(
        self, batch: PacketBatch, rows: Classed, quoted: Quotes | None, capture: int
    ) -> list[Records]:
        """The contacts of a batch that failed, each at its moment."""
        resets = rows.resets
        found = self._first_contacts(batch, (rows.asks, rows.opens, resets), quoted, capture)
        closing = np.concatenate((resets, rows.fins))
        return found + self._unused(batch, rows, _idle(batch, closing, rows.asks), capture)

    def flush(self) -> list[Records]:
        """Runs whose grace the end of the input cut short: they stay unanswered."""
        left = self.attempts.pending
        rest = left["contact"][(left["told"] == 0) & (left["acked"] == 0)].copy()
        rest["time"] += self.attempts.grace
        left["told"] = 1
        return [rest] if len(rest) else []

    def _first_contacts(
        self,
        batch: PacketBatch,
        answers: tuple[Rows, Rows, Rows],
        quoted: Quotes | None,
        capture: int,
    ) -> list[Records]:
        asks, opens, _ = answers
        rows = np.concatenate(answers)
        kind = np.full(len(rows), CLOSED, np.uint8)
        kind[: len(asks)] = ASK
        kind[len(asks) : len(asks) + len(opens)] = OPEN
        key = _keys(batch, asks, rows[len(asks) :])
        if quoted is not None:
            mine = quoted.protocol == 6
            rows = np.concatenate((rows, quoted.row[mine]))
            kind = np.append(kind, np.full(int(mine.sum()), CLOSED, np.uint8))
            key = np.append(key, _quoted_keys(quoted, mine))
        if not len(rows) and not len(self.attempts.pending):
            return []
        order = np.argsort(rows, kind="stable")
        rows, kind, key = rows[order], kind[order], key[order]
        return self._settle(batch, rows, self.attempts.runs(key, batch.time[rows], kind), capture)

    def _settle(self, batch: PacketBatch, rows: Rows, runs: Runs, capture: int) -> list[Records]:
        """Contacts of the runs that are decided; the others wait."""
        runs = runs.unopened()
        if not len(runs.key):
            self.attempts.keep(self.attempts.pending[:0], batch.now)
            return []
        made = self._records(batch, rows, runs, capture)
        waiting = runs.answer == ASK
        self._mark_acked(batch, made, waiting)
        grace = self.attempts.grace
        refused = made["contact"][runs.answer == CLOSED]
        by = rows[runs.by[runs.answer == CLOSED]]
        refused["time"], refused["order"] = batch.time[by], batch.frame[by]
        refused["kind"] = Kind.REFUSED
        late = waiting & (made["first"] + grace < batch.now) & (made["told"] == 0)
        silent = made["contact"][late & (made["acked"] == 0)]
        silent["time"] += grace
        made["told"][late] = 1
        given_up = self.attempts.keep(taken(made, waiting & ~runs.ended), batch.now)["contact"]
        return [found for found in (refused, silent, given_up) if len(found)]

    def _records(self, batch: PacketBatch, rows: Rows, runs: Runs, capture: int) -> Records:
        made = np.zeros(len(runs.key), pending_contact())
        old = runs.origin < 0
        whole(made)[old] = whole(self.attempts.pending)[~runs.origin[old]]
        asks = rows[runs.origin[~old]]
        made["key"], made["first"], made["last"] = runs.key, runs.first, runs.last
        fresh = contacts(batch, asks, capture, Kind.UNANSWERED)
        header = batch.payload_start[asks] - batch.start[asks] - batch.transport[asks]
        fresh["socket"] = header >= SOCKET_HEADER
        made["contact"][~old] = fresh
        made["sport"][~old] = batch.sport[asks]
        return made

    def _mark_acked(self, batch: PacketBatch, made: Records, waiting: Any) -> None:
        """Where only one direction is captured no SYN is ever answered; the client's ACK tells."""
        if not waiting.any():
            return
        ports = np.zeros(65536, bool)
        ports[made["sport"][waiting]] = True
        maybe = np.take(ports, batch.sport)
        maybe &= (batch.flags & (ACK | SYN | RST)) == ACK
        rows = np.flatnonzero(maybe)
        if not len(rows):
            return
        keys, time = _keys(batch, rows, rows[:0]), batch.time[rows]
        for side in ("left", "right"):  # of several runs with one key the first and the last
            at = np.searchsorted(made["key"], keys, side) - (side == "right")
            at = np.clip(at, 0, len(made) - 1)
            fits = (made["key"][at] == keys) & (made["sport"][at] == batch.sport[rows])
            since = time - made["first"][at]
            fits &= (since >= 0) & (since <= self.attempts.grace)
            made["acked"][at[fits]] = 1

    def _unused(
        self, batch: PacketBatch, classes: Classed, rows: Rows, capture: int
    ) -> list[Records]:
        """Connections closed by the client before either side sent a byte.

        The sequence numbers tell: neither moved since the handshake. A handshake is remembered in
        the slot of its hash until another one takes the slot.
        """
        opens = classes.opens
        if len(opens):
            header = gather(batch.data, batch.start[opens] + batch.transport[opens], tcp_header())
            marks = _marks(batch, opens, header["ack"])
            self._shake(marks, header["seq"] + np.uint32(1), batch.time[opens])
        if not len(rows):
            return []
        header = gather(batch.data, batch.start[rows] + batch.transport[rows], tcp_header())
        marks = _marks(batch, rows, header["seq"])
        slots = marks >> np.uint64(64 - SLOTS_BITS)
        hit = (self._handshakes[slots] == marks) & (self._since[slots] < batch.time[rows])
        if not hit.any():
            return []
        acks = batch.flags[rows] & ACK > 0
        hit &= ~acks | (self._server_next[slots] == header["ack"])
        hit &= batch.payload_length[rows] == 0
        made = contacts(batch, rows[hit], capture, Kind.CONNECTED)
        made["kind"][~acks[hit]] = Kind.HALF_OPEN
        return [made] if len(made) else []

    def _shake(self, marks: Any, following: Any, time: Any) -> None:
        """Remember handshakes; of one that is repeated the first."""
        slots = marks >> np.uint64(64 - SLOTS_BITS)
        new = np.flatnonzero(self._handshakes[slots] != marks)[::-1]
        slots = slots[new]
        self._handshakes[slots], self._server_next[slots] = marks[new], following[new]
        self._since[slots] = time[new]

    def save(self) -> list[Any]:
        """The state, as plain data."""
        used = np.flatnonzero(self._handshakes)
        columns = (self._handshakes[used], self._server_next[used], self._since[used])
        return [self.attempts.save(), *(column.tobytes() for column in columns)]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self.attempts.restore(state[0])
        following, since = np.frombuffer(state[2], np.uint32), np.frombuffer(state[3], np.int64)
        self._shake(np.frombuffer(state[1], np.uint64), following, since)


def _idle(batch: PacketBatch, closing: Rows, asks: Rows) -> Rows:
    """Ends of connections whose sender sent no byte in this batch, since reading headers costs.

    Where the connection began once more after its end, the bytes may belong to the next one.
    """
    if not len(closing):
        return closing
    found = flows(batch)
    began = np.full(len(found.key), -1)
    began[found.of_row[asks]] = asks
    spoken = (found.ahead_bytes > 0) & (found.back_bytes > 0)
    flow = found.of_row[closing]
    closing = closing[~np.take(spoken, flow) | (began[flow] > closing)]
    flow = found.of_row[closing]
    first = found.row[flow]
    ahead = (batch.sport[closing] == batch.sport[first]) & (
        batch.src_lo[closing] == batch.src_lo[first]
    )
    silent = np.where(ahead, found.ahead_bytes[flow], found.back_bytes[flow]) == 0
    idle: Rows = closing[silent | (began[flow] > closing)]
    return idle


def _keys(batch: PacketBatch, asks: Rows, answers: Rows) -> Any:
    """Client, server and the server's port of asks and of answers to them."""

    def of(asked: str, answered: str) -> Any:
        return np.concatenate((getattr(batch, asked)[asks], getattr(batch, answered)[answers]))

    port = of("dport", "sport")
    client = endpoint(of("src_hi", "dst_hi"), of("src_lo", "dst_lo"), np.zeros_like(port))
    return pair_key(client, endpoint(of("dst_hi", "src_hi"), of("dst_lo", "src_lo"), port))


def _quoted_keys(quoted: Quotes, mine: Any) -> Any:
    nobody = np.zeros(int(mine.sum()), np.uint16)
    client = endpoint(quoted.src_hi[mine], quoted.src_lo[mine], nobody)
    server = endpoint(quoted.dst_hi[mine], quoted.dst_lo[mine], quoted.dport[mine])
    return pair_key(client, server)


def _marks(batch: PacketBatch, rows: Rows, seq: Any) -> Any:
    """A connection together with the sequence number its client has to go on with."""
    found = flows(batch)
    key = found.key[found.of_row[rows]]
    return endpoint(key, seq.astype(np.uint64), np.ones(1, np.uint16))
