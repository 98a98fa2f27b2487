"""Packets of TCP that belong to no connection: what scans by odd flags, FIN|ACK and bare ACK send.

A connection is known from its SYN|ACK, from payload, or from ACKs both ways; what was known stays
in the slot of its hash until another connection takes it. So nearly all packets are done with
conversation by conversation. The rows of the few that are in doubt are looked at one by one:

- FIN, NULL, Xmas … outside a connection count at once;
- FIN|ACK and bare ACK (Maimon, 1996; nmap -sM, -sA, -sW) wait for `grace_ns`: where the other side
  goes on talking it was a connection that began before the capture; a reset or silence counts.

Two things keep ordinary traffic out where only one direction is captured: an ACK shortly after the
same side's SYN opens a connection, and three packets within the grace are a conversation. And a
server's packet to a client's port (`_served`) never counts: servers close and keep alive
connections of clients that are long gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.flows import Flows, flows
from mlids.scans.contacts import (
    ASK,
    CLOSED,
    OPEN,
    Attempts,
    Kind,
    contacts,
    maybe_among,
    pending_contact,
    taken,
    whole,
)
from mlids.scans.flags import ACK, CORE, FIN, RST, SYN, odd_kinds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.scans.contacts import Records, Runs
    from mlids.scans.flags import Classed

    Rows = NDArray[Any]
    Words = NDArray[np.uint64]

KNOWN_BITS, SYN_BITS = 18, 16  # connections remembered, and SYNs
NEVER = 1 << 62
HELLO = 4  # kind of a row: a SYN, whose sender's next ACK opens the connection
NOBODY = 255  # kind of a contact: it is not to be told
TALK = 3  # packets of one side within the grace that are a conversation
MIX = 0xA0761D6478BD642F


class Doubts(NamedTuple):
    """Rows of conversations that are in doubt, in order."""

    row: Rows
    flow: NDArray[np.int32]  # which conversation of the batch
    own: Words  # key of what the sender says in it
    other: Words  # key of what the other side says
    core: NDArray[Any]  # flags
    speaks: NDArray[np.bool_]  # payload, or SYN|ACK: it is a connection


class Strays:
    """Finds packets outside connections; answers within `grace_ns` settle those that wait."""

    def __init__(self, grace_ns: int, most: int) -> None:
        self.attempts = Attempts(grace_ns, most, counting=True)
        self._known = np.zeros(1 << KNOWN_BITS, np.uint64)
        self._syn = np.zeros(1 << SYN_BITS, np.uint64)
        self._syn_time = np.zeros(1 << SYN_BITS, np.int64)
        self.bare: Rows = np.zeros(0, np.int64)  # bare ACKs of the last batch that are in doubt
        self._opening: Rows = self.bare  # ACKs of the last batch that open a connection

    def inspect(self, batch: PacketBatch, rows: Classed, capture: int) -> list[Records]:
        """The contacts of a batch, each at its moment."""
        found = flows(batch)
        every = np.flatnonzero(batch.protocol[found.row] == 6)
        key, first = found.key[every], found.row[every]
        known = np.take(self._known, _slots(key)) == key
        opened = np.full(len(found.key), NEVER)
        opened[found.of_row[rows.opens[::-1]]] = batch.time[rows.opens[::-1]]
        begins = self._begins(batch, first, opened[every])
        settled = known | ((begins | _speak(batch, first)) & ~self._waits(key))
        doubtful = every[~settled]
        doubts = self._doubts(batch, found, doubtful)
        until = np.zeros(len(found.key), np.int64)  # odd packets before that count
        begun = every[begins & ~known]
        until[begun] = opened[begun]
        until[doubtful] = NEVER
        made = self._settled(batch, doubts, found, until, rows, capture)
        if len(doubtful):
            self._note_syns(batch, rows, found, until)
        new = key[settled & ~known]
        self._known[_slots(new)] = new
        return made

    def _waits(self, key: Words) -> NDArray[np.bool_]:
        """Conversations (now and then others) of which an ACK waits for an answer."""
        pending = self.attempts.pending
        return maybe_among(key, pending["key"] - pending["side"] * np.uint64(MIX))

    def _begins(self, batch: PacketBatch, first: Rows, opened: Any) -> NDArray[np.bool_]:
        """Conversations of this batch that begin with a SYN which is granted in time."""
        pure: NDArray[np.bool_] = batch.flags[first] & (SYN | ACK | RST | FIN) == SYN
        in_time: NDArray[np.bool_] = opened - batch.time[first] <= self.attempts.grace
        return pure & in_time

    def _doubts(self, batch: PacketBatch, found: Flows, every: Rows) -> Doubts:
        # Mere attempts, as refused and unanswered ones are, hold no packet of interest.
        pure = batch.flags[found.row[every]] & CORE == SYN
        ahead, back = found.ahead[every], found.back[every]
        last = batch.flags[found.last[every]] & CORE
        refused = (ahead == 1) & (back == 1) & ((last | ACK) == RST | ACK)
        every = every[~(pure & (refused | (ahead + back == 1)))]
        if not len(every):
            return _nothing()
        chosen = np.zeros(len(found.key) + 1, bool)
        chosen[every] = True
        row = np.flatnonzero(np.take(chosen, found.of_row))
        flow = found.of_row[row]
        side = _side(batch, row)
        key = found.key[flow]
        core = batch.flags[row] & CORE
        return Doubts(
            row,
            flow,
            key + side * np.uint64(MIX),
            key + (1 - side) * np.uint64(MIX),
            core,
            _speak(batch, row),
        )

    def _settled(
        self,
        batch: PacketBatch,
        doubts: Doubts,
        found: Flows,
        until: NDArray[np.int64],
        rows: Classed,
        capture: int,
    ) -> list[Records]:
        odd = np.sort(np.concatenate((rows.odd, rows.nothing)))
        self.bare = doubts.row[:0]
        if not len(doubts.row) and not len(odd) and not len(self.attempts.pending):
            return []
        runs = self._runs(batch, doubts)
        since = np.full(len(found.key), NEVER)  # the row by which a conversation is known
        answers = runs.by[runs.answer == OPEN]
        at = np.concatenate((doubts.row[doubts.speaks], self._opening, answers))
        np.minimum.at(since, found.of_row[at], at)
        origin = runs.origin
        late = origin >= 0
        late[late] = origin[late] >= since[found.of_row[origin[late]]]
        kept = np.flatnonzero((runs.answer != OPEN) & ~late)
        made = self._settle(batch, runs.take(kept), capture)
        new = found.key[since < NEVER]
        self._known[_slots(new)] = new
        plain = doubts.row[(doubts.core == ACK) & ~doubts.speaks]
        self.bare = plain[plain <= since[found.of_row[plain]]]
        flow = found.of_row[odd]
        odd = odd[(batch.time[odd] < until[flow]) & (odd < since[flow]) & (flow >= 0)]
        if len(odd):
            strange = contacts(batch, odd, capture, Kind.NULL)
            strange["kind"] = odd_kinds(batch.flags[odd])
            made.append(strange)
        return made

    def _runs(self, batch: PacketBatch, doubts: Doubts) -> Runs:
        """Runs of ACKs that wait for an answer; `origin` and `by` are rows of the batch."""
        row, own, other, core = doubts.row, doubts.own, doubts.other, doubts.core
        ask = (core & (SYN | RST | ACK) == ACK) & ~doubts.speaks
        hello = core & (SYN | ACK | RST | FIN) == SYN
        reset = core | ACK == RST | ACK
        mine, theirs = ask | hello | doubts.speaks, ask | reset | doubts.speaks
        key = np.concatenate((own[mine], other[theirs]))
        rows = np.concatenate((row[mine], row[theirs]))
        kind = np.concatenate(
            (
                np.where(ask, ASK, np.where(hello, HELLO, OPEN))[mine],
                np.where(reset, CLOSED, OPEN)[theirs],
            )
        ).astype(np.uint8)
        order = np.lexsort((rows, key))
        key, rows, kind = key[order], rows[order], kind[order]
        opening = self._openings(batch.time[rows], key, kind)
        self._opening = rows[opening]
        kind[opening] = OPEN
        left = kind != HELLO
        key, rows, kind = key[left], rows[left], kind[left]
        order = np.argsort(rows, kind="stable")
        key, rows, kind = key[order], rows[order], kind[order]
        runs = self.attempts.runs(key, batch.time[rows], kind)
        origin, by = runs.origin.copy(), runs.by.copy()
        origin[origin >= 0] = rows[origin[origin >= 0]]
        by[runs.ended] = rows[by[runs.ended]]
        return runs._replace(origin=origin, by=by)

    def _openings(self, time: Any, key: Any, kind: Any) -> NDArray[np.bool_]:
        """ACKs by which their sender goes on after its SYN, as if that was granted."""
        found = np.zeros(len(key), bool)
        if not len(key):
            return found
        same = key[1:] == key[:-1]
        found[1:] = same & (kind[:-1] == HELLO) & (time[1:] - time[:-1] <= self.attempts.grace)
        slots = key >> np.uint64(64 - SYN_BITS)
        since = time - self._syn_time[slots]
        earlier = (self._syn[slots] == key) & (since >= 0) & (since <= self.attempts.grace)
        earlier[1:] &= ~same
        opening: NDArray[np.bool_] = (found | earlier) & (kind == ASK)
        return opening

    def _settle(self, batch: PacketBatch, runs: Runs, capture: int) -> list[Records]:
        """Contacts of the runs that are decided; the others wait."""
        made = np.zeros(len(runs.key), pending_contact())
        old = runs.origin < 0
        whole(made)[old] = whole(self.attempts.pending)[~runs.origin[old]]
        made["key"], made["first"], made["last"] = runs.key, runs.first, runs.last
        made["asks"] = np.minimum(runs.asks, 255)
        asks = runs.origin[~old]
        fresh = contacts(batch, asks, capture, NOBODY)
        flags = batch.flags[asks] & CORE
        fresh["kind"][flags == ACK] = Kind.ACK
        fresh["kind"][flags == FIN | ACK] = Kind.MAIMON
        fresh["kind"][_served(batch.sport[asks], batch.dport[asks])] = NOBODY
        made["contact"][~old] = fresh
        made["side"][~old] = _side(batch, asks)
        closed, waiting = runs.answer == CLOSED, runs.answer == ASK
        refused = made["contact"][closed & (made["told"] == 0)]
        by = runs.by[closed & (made["told"] == 0)]
        refused["time"], refused["order"], refused["socket"] = batch.time[by], batch.frame[by], 1
        late = waiting & (made["first"] + self.attempts.grace < batch.now) & (made["told"] == 0)
        silent = made["contact"][late & (made["asks"] < TALK)]
        silent["time"] += self.attempts.grace
        made["told"][late] = 1
        given_up = self.attempts.keep(taken(made, waiting & ~runs.ended), batch.now)["contact"]
        return _shown([refused, silent, given_up])

    def _note_syns(
        self, batch: PacketBatch, rows: Classed, found: Flows, until: NDArray[np.int64]
    ) -> None:
        """Remember SYNs for the ACK that may follow; a reset makes them forgotten."""
        both = np.sort(np.concatenate((rows.asks, rows.resets)))
        flow = found.of_row[both]
        both = both[(flow >= 0) & (until[flow] == NEVER)]
        if not len(both):
            return
        side, hello = _side(batch, both), batch.flags[both] & RST == 0
        key = found.key[found.of_row[both]] + np.where(hello, side, 1 - side) * np.uint64(MIX)
        slots = key >> np.uint64(64 - SYN_BITS)
        self._syn[slots], self._syn_time[slots] = key, np.where(hello, batch.time[both], 0)

    def flush(self) -> list[Records]:
        """Runs whose grace the end of the input cut short: they stay unanswered."""
        left = self.attempts.pending
        rest = left["contact"][(left["told"] == 0) & (left["asks"] < TALK)].copy()
        rest["time"] += self.attempts.grace
        left["told"] = 1
        return _shown([rest])

    def save(self) -> list[Any]:
        """The state, as plain data."""
        used = np.flatnonzero(self._syn)
        columns = (self._known[self._known > 0], self._syn[used], self._syn_time[used])
        return [self.attempts.save(), *(column.tobytes() for column in columns)]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self.attempts.restore(state[0])
        known, syn = np.frombuffer(state[1], np.uint64), np.frombuffer(state[2], np.uint64)
        self._known[known >> np.uint64(64 - KNOWN_BITS)] = known
        self._syn[syn >> np.uint64(64 - SYN_BITS)] = syn
        self._syn_time[syn >> np.uint64(64 - SYN_BITS)] = np.frombuffer(state[3], np.int64)


def _slots(key: Words) -> NDArray[np.int64]:
    return (key >> np.uint64(64 - KNOWN_BITS)).view(np.int64)


def _nothing() -> Doubts:
    none, words = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    return Doubts(
        none, none.astype(np.int32), words, words, np.zeros(0, np.uint8), np.zeros(0, bool)
    )


def _shown(found: list[Records]) -> list[Records]:
    told = [taken(records, records["kind"] != NOBODY) for records in found if len(records)]
    return [records for records in told if len(records)]


def _speak(batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
    """Packets that only a connection has: payload with an ACK, and SYN|ACK."""
    flags = batch.flags[rows]
    carries = (flags & (SYN | RST | ACK) == ACK) & (batch.payload_length[rows] > 0)
    found: NDArray[np.bool_] = carries | (flags & (SYN | RST | ACK | FIN) == SYN | ACK)
    return found


def _side(batch: PacketBatch, rows: Rows) -> NDArray[np.uint64]:
    """0 or 1 for the two directions of a conversation, the same in every batch."""
    mix, shift = np.uint64(0x9E3779B97F4A7C15), np.uint64(16)
    a = (batch.src_lo[rows] + batch.src_hi[rows] * mix << shift) + batch.sport[rows]
    b = (batch.dst_lo[rows] + batch.dst_hi[rows] * mix << shift) + batch.dport[rows]
    return (a > b).astype(np.uint64)


def _served(sport: NDArray[np.uint16], dport: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """From a server's port to one that systems give to their clients.

    Those below 1024 serve (RFC 6335), and from 32768 on Linux and others pick clients' ports.
    """
    found: NDArray[np.bool_] = (sport < 1024) & (dport >= 1024)
    return found | (sport < 32768) & (dport >= 32768)
