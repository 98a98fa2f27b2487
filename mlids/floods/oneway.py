"""Datagrams and ICMP messages, and whether the other side of their flow said anything about then.

A row is answered where the other side of its flow spoke within `GRACE_NS` before or after it. So
queries and answers are both answered, and what nobody asked for and nobody answers is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.decoding import ICMP, ICMP6, UDP
from mlids.capture.flows import flows
from mlids.floods.records import GRACE_NS, grouped, joined, nothing, record, records, taken

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.floods.records import Records

    Wanted = Callable[[Any], NDArray[np.bool_]]  # of anything with the columns of records

DATAGRAM, ASKS, ECHO_REPLY, OTHER = 0, 1, 2, 3  # `kind` of a record
ALONE, ANSWERED = 0, 1  # its `state`
ASKING = (8, 13, 15, 17)  # ICMP echo, timestamp, information and mask requests (RFC 792, RFC 950)
COLUMNS = {"size": "payload_length"}
NEIGHBOURS = tuple(range(130, 138))  # ICMPv6 for groups and neighbours (RFC 2710, RFC 4861)


class OneWay:
    """UDP and ICMP rows of the last two seconds, at most `most`; evicted: judged early.

    Nearly all rows are answered, and of no further interest: records are made of the others only.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        self._held: Records = nothing()
        self._judged = 0  # rows before this time were given out

    def judged(
        self, batch: PacketBatch, capture: int, until_ns: int, wanted: Wanted | None = None
    ) -> Records:
        """Take up the rows of a batch; gives those before `until_ns` which are now decided.

        Given are rows that are not answered, ICMP, and those of `wanted`, each with its `state`.
        """
        return self._judge(_New(batch, _rows(batch), capture), until_ns, wanted)

    def rest(self, wanted: Wanted | None = None) -> Records:
        """All that is left, at the end of the input."""
        return self._judge(None, 1 << 62, wanted)

    def _judge(self, new: _New | None, until_ns: int, wanted: Wanted | None) -> Records:
        held = self._held
        both = _Columns(held, new)
        time = both["time"]
        if len(time) > self.most:
            early = int(time[len(time) - self.most])
            begin, end = np.searchsorted(time, [max(until_ns, self._judged), early]).tolist()
            self.evicted += max(0, end - begin)
            until_ns = max(until_ns, early)
        if not len(time) or until_ns <= self._judged or time[0] >= until_ns:
            self._held = both.records(np.arange(len(time)))
            return nothing()
        begin, end = np.searchsorted(time, [self._judged, until_ns]).tolist()
        self._judged = min(until_ns, int(time[-1]) + 1)  # more may come after a flush
        answered = _answered(both["flow"], time, both["src_lo"], both["sport"])
        chosen = ~answered | both.icmp()
        if wanted:
            both.some = slice(begin, end)
            chosen[begin:end] |= wanted(both)
        chosen[:begin] = chosen[end:] = False
        some = np.flatnonzero(chosen)
        found = both.records(some)
        found["state"] = answered[some]
        keep = max(int(np.searchsorted(time, until_ns - GRACE_NS)), len(time) - self.most)
        self._held = both.records(np.arange(keep, len(time)))
        return found

    def save(self) -> list[object]:
        """The state, as plain data."""
        return [self._judged, self._held.tobytes()]

    def restore(self, state: list[object]) -> None:
        """Take up a state that `save` gave."""
        self._judged = int(state[0])  # type: ignore[call-overload]
        self._held = np.frombuffer(state[1], record()).copy()  # type: ignore[call-overload]


def _rows(batch: PacketBatch) -> NDArray[np.int64]:
    """The rows of interest of a batch."""
    protocol = batch.protocol
    rows = np.flatnonzero((protocol == UDP) | (protocol == ICMP) | (protocol == ICMP6))
    rows = rows[batch.transport[rows] > 0]
    six = np.flatnonzero(protocol[rows] == ICMP6)
    if len(six):
        kept = np.ones(len(rows), bool)
        kept[six[np.isin(batch.icmp_type[rows[six]], NEIGHBOURS)]] = False
        rows = rows[kept]
    return rows


class _New:
    """The rows of a batch, whose columns are read as those of records are."""

    def __init__(self, batch: PacketBatch, rows: NDArray[np.int64], capture: int) -> None:
        self.batch, self.rows, self.capture = batch, rows, capture
        known = flows(batch) if len(rows) else None
        self.flow = known.key[known.of_row[rows]] if known else np.zeros(0, np.uint64)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name == "flow":
            return self.flow
        column: NDArray[Any] = getattr(self.batch, COLUMNS.get(name, name))[self.rows]
        return column

    def records(self, some: NDArray[np.int64]) -> Records:
        """Records of some of them."""
        rows = self.rows[some]
        made = records(self.batch, rows, self.flow[some], self.capture)
        protocol = self.batch.protocol[rows]
        icmp = np.flatnonzero(protocol != UDP)
        if len(icmp):
            kind, six = self.batch.icmp_type[rows[icmp]], protocol[icmp] == ICMP6
            asks = np.where(six, kind == 128, np.isin(kind, ASKING))
            replies = kind == np.where(six, 129, 0)
            made["kind"][icmp] = np.where(asks, ASKS, np.where(replies, ECHO_REPLY, OTHER))
        return made


class _Columns:
    """Columns of records, and of rows of a batch behind them, as if they were one array."""

    def __init__(self, held: Records, new: _New | None) -> None:
        self.held, self.new, self.some = held, new, slice(None)

    def __getitem__(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self.held[name]
        if self.new is not None:
            column = np.concatenate((column, self.new[name]))
        return column[self.some]

    def icmp(self) -> NDArray[np.bool_]:
        """Which are no datagrams."""
        found: NDArray[np.bool_] = self.held["kind"] != DATAGRAM
        if self.new is None:
            return found
        return np.concatenate((found, self.new.batch.protocol[self.new.rows] != UDP))

    def records(self, some: NDArray[np.int64]) -> Records:
        """Records of some of them, in order."""
        split = int(np.searchsorted(some, len(self.held)))
        old = taken(self.held, some[:split])
        if self.new is None or split == len(some):
            return old
        return joined(old, self.new.records(some[split:] - len(self.held)))


def _answered(
    flow: NDArray[np.uint64],
    time: NDArray[np.int64],
    source: NDArray[np.uint64],
    port: NDArray[np.uint16],
) -> NDArray[np.bool_]:
    """For each row whether the other side of its flow spoke soon before or after."""
    order = grouped(flow)
    flow, time = flow[order], time[order]
    begins = np.ones(len(flow), bool)
    np.not_equal(flow[1:], flow[:-1], out=begins[1:])
    # The side of a row: whether it has the sender of its flow's first row.
    first = np.maximum.accumulate(np.where(begins, np.arange(len(flow)), 0))
    source, port = source[order], port[order]
    side = (source == source[first]) & (port == port[first])
    turns = begins.copy()
    np.not_equal(side[1:], side[:-1], out=turns[1:])
    turns |= begins
    turn = np.flatnonzero(turns)
    number = np.cumsum(turns) - 1
    # Rows of one side that follow one another are a run: the other side spoke at the end of the
    # run before, and at the begin of the run after, if these are of the same flow.
    far = np.int64(1) << 62
    before = np.full(len(turn), -far)
    after = np.full(len(turn), far)
    linked = ~begins[turn]
    before[linked] = time[turn[linked] - 1]
    after[:-1][linked[1:]] = time[turn[1:][linked[1:]]]
    found = (time - before[number] <= GRACE_NS) | (after[number] - time <= GRACE_NS)
    answered = np.empty(len(order), bool)
    answered[order] = found
    return answered
