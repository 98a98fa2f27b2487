"""Wrong checksums, judged by what else their senders sent.

A packet whose checksum is wrong is dropped by whoever it is for; an attacker sends such packets to
make a sensor see what its target does not (Ptacek and Newsham 1998, "Insertion, Evasion and Denial
of Service"). But a host whose own packets are captured shows wrong ones too, where its network card
works them out. So a wrong one counts where the packet has come over a router, or where its sender's
other packets are nearly all right.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture import checksums
from mlids.capture.buckets import Buckets
from mlids.capture.checksums import Checksum
from mlids.capture.decoding import ICMP, ICMP6, TCP, UDP
from mlids.capture.mixing import endpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Rows = NDArray[np.intp]

FIRST_TTLS = (64, 128, 255)  # of packets that have come over no router
CONTROL = 0x03  # SYN and FIN; a kernel works out those of a RST itself, so they say nothing
# Summing takes as long as all else, so one packet in so many is: of those that begin or end a
# connection, and of those that carry data. Powers of two, for they are told by bits.
ONE_CONTROL_IN = 8
ONE_IN = 64
KNOWN = 10  # right ones that a sender must have shown
SHARE = 10  # at most one wrong one in so many right ones


@cache
def _tally() -> np.dtype[Any]:
    return np.dtype([("right", "u4"), ("wrong", "u4")])


class Senders:
    """Right and wrong checksums of each sender and protocol, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._tallies = Buckets(most, _tally())

    @property
    def evicted(self) -> int:
        """Senders that gave way to others."""
        return self._tallies.evicted

    def inspect(self, batch: PacketBatch) -> Rows:
        """Rows whose wrong checksum is no matter of the network card."""
        rows = _chosen(batch)
        if not len(rows):
            return rows
        verdict = checksums.transport(batch, rows)
        header = checksums.network(batch, rows)
        verdict = np.where(header == Checksum.WRONG, header, verdict)
        judged = (verdict == Checksum.RIGHT) | (verdict == Checksum.WRONG)
        rows, wrong = rows[judged], verdict[judged] == Checksum.WRONG
        return self._told(batch, rows, wrong) if len(rows) else rows

    def _told(self, batch: PacketBatch, rows: Rows, wrong: NDArray[np.bool_]) -> Rows:
        key = endpoint(batch.src_hi[rows], batch.src_lo[rows], batch.protocol[rows])
        key = np.maximum(key, np.uint64(1))
        keys, number = np.unique(key, return_inverse=True)
        last = np.full(len(keys), batch.time[rows[-1]], np.int64)
        places = self._tallies.enter(keys, last)
        tallies = self._tallies.rows
        told = np.zeros(0, np.intp)
        if wrong.any():
            known = places >= 0
            before = {
                name: np.where(known, tallies[name][places], 0)[number]
                for name in ("right", "wrong")
            }
            right_before = before["right"] + _earlier(number, ~wrong)
            wrong_before = before["wrong"] + _earlier(number, wrong)
            strange = (right_before >= KNOWN) & (wrong_before * SHARE <= right_before)
            strange |= ~np.isin(batch.ttl[rows], FIRST_TTLS)
            told = rows[wrong & strange]
        for name, mask in (("right", ~wrong), ("wrong", wrong)):
            count = np.bincount(number[mask], minlength=len(keys)).astype(np.uint32)
            tallies[name][places[places >= 0]] += count[places >= 0]
        return told

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return self._tallies.save()

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._tallies.restore(state)


def _chosen(batch: PacketBatch) -> Rows:
    """Packets to be summed: the first and last of connections, ICMP, and a part of the rest."""
    protocol = batch.protocol
    some = np.flatnonzero((batch.frame & (ONE_CONTROL_IN - 1)) == 0)
    control = (protocol[some] == TCP) & (batch.flags[some] & CONTROL > 0)
    control |= (batch.frame[some] & (ONE_IN - 1) == 0) & (
        (protocol[some] == TCP) | (protocol[some] == UDP)
    )
    chosen = (protocol == ICMP) | (protocol == ICMP6)
    chosen[some[control]] = True
    rows: Rows = np.flatnonzero(chosen)
    return rows[batch.transport[rows] > 0]


def _earlier(number: NDArray[np.intp], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row how many rows of its group before it are in the mask."""
    order = np.argsort(number, kind="stable")
    counted: NDArray[np.int64] = np.cumsum(mask[order]) - mask[order]
    first = np.searchsorted(number[order], number[order])
    found = np.empty(len(number), np.int64)
    found[order] = counted - counted[first]
    return found
