"""Failed first contacts over TCP, odd flags, and connections that were opened and not used."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.headers import gather, tcp_header
from mlids.scans.contacts import (
    ASK,
    CLOSED,
    OPEN,
    Attempts,
    Kind,
    Runs,
    contact,
    contacts,
    endpoint,
    pair_key,
    pending_contact,
    taken,
    whole,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.capture.quotes import Quotes
    from mlids.scans.contacts import Records

    Rows = NDArray[Any]

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
SYN_CLASS, SYNACK_CLASS, RST_CLASS, FIN_CLASS, ODD_CLASS = 1, 2, 3, 4, 5
ODD = {
    FIN: Kind.FIN,
    FIN | PSH | URG: Kind.XMAS,
    FIN | SYN: Kind.SYNFIN,
    FIN | SYN | RST | PSH | ACK | URG: Kind.FULL_XMAS,
}
SOCKET_HEADER = 32  # an operating system's SYN carries time stamps and more; a raw one hardly any
SLOTS_BITS = 16  # handshakes remembered, for the moment they are closed again


class TcpContacts:
    """Turns packets into contacts; answers within `grace_ns` settle a SYN."""

    def __init__(self, grace_ns: int, most: int) -> None:
        self.attempts = Attempts(grace_ns, most)
        self._handshakes = np.zeros(1 << SLOTS_BITS, np.uint64)
        self._server_next = np.zeros(1 << SLOTS_BITS, np.uint32)
        self._since = np.zeros(1 << SLOTS_BITS, np.int64)

    def inspect(self, batch: PacketBatch, quoted: Quotes | None, capture: int) -> list[Records]:
        """The contacts of a batch: failed ones at their moment, OPENED where a port answered."""
        classes = _classes()[batch.flags]
        rows = np.flatnonzero(classes)
        kinds = classes[rows]
        asks, opens = rows[kinds == SYN_CLASS], rows[kinds == SYNACK_CLASS]
        resets, fins = rows[kinds == RST_CLASS], rows[kinds == FIN_CLASS]
        found = [*self._first_contacts(batch, (asks, opens, resets), quoted, capture)]
        found += self._unused(batch, opens, np.concatenate((resets, fins)), capture)
        found += _odd(batch, rows[kinds == ODD_CLASS], capture)
        if len(opens):
            found.append(_opened(batch, opens, capture))
        return found

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
        back = np.arange(len(rows)) >= len(asks)
        kind = np.full(len(rows), CLOSED, np.uint8)
        kind[: len(asks)] = ASK
        kind[len(asks) : len(asks) + len(opens)] = OPEN
        key = _keys(batch, rows, back)
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
        maybe = ports[batch.sport]
        maybe &= (batch.flags & (ACK | SYN | RST)) == ACK
        rows = np.flatnonzero(maybe)
        if not len(rows):
            return
        keys, time = _keys(batch, rows, np.zeros(len(rows), bool)), batch.time[rows]
        for side in ("left", "right"):  # of several runs with one key the first and the last
            at = np.searchsorted(made["key"], keys, side) - (side == "right")
            at = np.clip(at, 0, len(made) - 1)
            fits = (made["key"][at] == keys) & (made["sport"][at] == batch.sport[rows])
            since = time - made["first"][at]
            fits &= (since >= 0) & (since <= self.attempts.grace)
            made["acked"][at[fits]] = 1

    def _unused(
        self, batch: PacketBatch, opens: Rows, closing: Rows, capture: int
    ) -> list[Records]:
        """Connections closed by the client before either side sent a byte.

        The sequence numbers tell: neither moved since the handshake. A handshake is remembered in
        the slot of its hash until another one takes the slot.
        """
        if len(opens):
            header = gather(batch.data, batch.start[opens] + batch.transport[opens], tcp_header())
            marks = _marks(batch, opens, True, header["ack"])
            self._shake(marks, header["seq"] + np.uint32(1), batch.time[opens])
        rows = closing
        if not len(rows):
            return []
        header = gather(batch.data, batch.start[rows] + batch.transport[rows], tcp_header())
        marks = _marks(batch, rows, False, header["seq"])
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


@cache
def _classes() -> NDArray[np.uint8]:
    """What each combination of TCP flags is to us; ECE and CWR do not matter."""
    table = np.zeros(256, np.uint8)
    for flags in range(256):
        core = flags & 0x3F
        if core in ODD:
            table[flags] = ODD_CLASS
        elif core & RST:
            table[flags] = RST_CLASS
        elif core & SYN:
            table[flags] = SYNACK_CLASS if core & ACK else SYN_CLASS
        elif core & FIN and core & ACK:
            table[flags] = FIN_CLASS
    return table


def _odd(batch: PacketBatch, rows: Rows, capture: int) -> list[Records]:
    found = []
    core = batch.flags[rows] & 0x3F
    for flags, kind in ODD.items():
        some = rows[core == flags]
        if len(some):
            found.append(contacts(batch, some, capture, kind))
    nothing = np.flatnonzero((batch.flags == 0) & (batch.protocol == 6) & (batch.transport > 0))
    if len(nothing):
        found.append(contacts(batch, nothing, capture, Kind.NULL))
    return found


def _opened(batch: PacketBatch, rows: Rows, capture: int) -> Records:
    made = np.zeros(len(rows), contact())
    for name, other in (("src_hi", "dst_hi"), ("src_lo", "dst_lo")):
        made[name], made[other] = getattr(batch, other)[rows], getattr(batch, name)[rows]
    made["time"], made["frame"] = batch.time[rows], batch.frame[rows]
    made["order"] = made["frame"]
    made["port"], made["capture"], made["kind"] = batch.sport[rows], capture, Kind.OPENED
    return made


def _keys(batch: PacketBatch, rows: Rows, back: Any) -> Any:
    """Client, server and the server's port; `back`: the row goes from server to client."""
    src_hi, src_lo = batch.src_hi[rows], batch.src_lo[rows]
    dst_hi, dst_lo = batch.dst_hi[rows], batch.dst_lo[rows]
    port = np.where(back, batch.sport[rows], batch.dport[rows])
    nobody = np.zeros(len(rows), np.uint16)
    client = endpoint(np.where(back, dst_hi, src_hi), np.where(back, dst_lo, src_lo), nobody)
    server = endpoint(np.where(back, src_hi, dst_hi), np.where(back, src_lo, dst_lo), port)
    return pair_key(client, server)


def _quoted_keys(quoted: Quotes, mine: Any) -> Any:
    nobody = np.zeros(int(mine.sum()), np.uint16)
    client = endpoint(quoted.src_hi[mine], quoted.src_lo[mine], nobody)
    server = endpoint(quoted.dst_hi[mine], quoted.dst_lo[mine], quoted.dport[mine])
    return pair_key(client, server)


def _marks(batch: PacketBatch, rows: Rows, back: bool, seq: Any) -> Any:
    """A connection together with the sequence number its client has to go on with."""
    ends = (
        endpoint(batch.src_hi[rows], batch.src_lo[rows], batch.sport[rows]),
        endpoint(batch.dst_hi[rows], batch.dst_lo[rows], batch.dport[rows]),
    )
    client, server = reversed(ends) if back else ends
    return endpoint(pair_key(client, server), seq.astype(np.uint64), np.ones(1, np.uint16))
