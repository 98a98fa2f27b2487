"""Connections asked for (SYN) and what became of them within a second.

`state` of a record: HALF_OPEN, COMPLETED (who asked acknowledged: the third packet of a handshake)
or REFUSED (reset by the one who was asked).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlids.capture.flows import Flows, flows
from mlids.floods.records import GRACE_NS, grouped, nothing, records
from mlids.floods.waiting import Waiting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.floods.records import Records
    from mlids.floods.tally import Tally

HALF_OPEN, COMPLETED, REFUSED = 0, 1, 2
SYN, RST, ACK = 2, 4, 16
TIME_BITS = 43  # of times in units of 1024 ns: a hundred days
MOST_TIME = (1 << TIME_BITS) - 1


class Handshakes(Waiting):
    """SYNs of the last second or so."""

    def inspect(self, batch: PacketBatch, capture: int) -> tuple[Records, NDArray[np.int32]]:
        """Take up the SYNs of a batch; gives them, and for each its conversation in the batch."""
        rows = np.flatnonzero(batch.flags & (SYN | ACK) == SYN)
        if not len(rows):
            return nothing(), np.zeros(0, np.int32)
        known = flows(batch)
        flow = known.of_row[rows]
        rows, flow = rows[flow >= 0], flow[flow >= 0]
        made = records(batch, rows, known.key[flow], capture)
        self.take(made)
        return made, flow

    def settle(self, batch: PacketBatch, until_ns: int, tally: Tally, share: float) -> None:
        """Note what became of SYNs, by the packets of this batch.

        Of slots that are over by `until_ns` all SYNs are known, and only where they came in masses
        does it matter what became of them.
        """
        held = self.held
        if not len(held) or not len(batch):
            return
        wanted = held["time"] >= until_ns
        wanted[tally.heavy(held["key"], held["time"], None, share)] = True
        at = np.flatnonzero(wanted)
        if len(at):
            self._settle(batch, flows(batch), at)

    def _settle(self, batch: PacketBatch, known: Flows, some: NDArray[np.int64]) -> None:
        held = self.held
        order = some[grouped(held["flow"][some])]
        keys = held["flow"][order]
        tcp = np.flatnonzero((known.ahead_flags | known.back_flags) & (ACK | RST))
        place = np.minimum(np.searchsorted(keys, known.key[tcp]), len(keys) - 1)
        mine = keys[place] == known.key[tcp]
        first = np.full(len(known.key) + 1, -1, np.int64)  # by flow: its first SYN, in `order`
        first[tcp[mine]] = place[mine]
        rows = np.flatnonzero((batch.flags == ACK) | (batch.flags & RST > 0))
        at = first[known.of_row[rows]]
        rows, at = rows[at >= 0], at[at >= 0]
        times, asked = batch.time[rows], held["time"][order]
        several = np.zeros(len(keys) + 1, bool)  # flows that sent more than one
        np.equal(keys[1:], keys[:-1], out=several[: len(keys) - 1])
        wait = times - asked[at]
        soon = np.flatnonzero((wait >= 0) & ((wait <= GRACE_NS) | several[at]))
        rows, at, times = rows[soon], at[soon], times[soon]
        begin, reset = order[at], batch.flags[rows] & RST > 0
        own = batch.sport[rows] == held["sport"][begin]
        own &= batch.src_lo[rows] == held["src_lo"][begin]
        state = held["state"]
        for value, chosen in ((REFUSED, ~own & reset), (COMPLETED, own & ~reset)):
            some = np.flatnonzero(chosen)
            if len(some):
                whose = order[_within(keys, asked, several, at[some], times[some])]
                state[whose[state[whose] != COMPLETED]] = value


def _within(
    keys: NDArray[np.uint64],
    asked: NDArray[np.int64],
    several: NDArray[np.bool_],
    first: NDArray[np.int64],
    times: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Which of the SYNs (sorted by flow, then by time) have one of these rows soon behind them.

    several: for each SYN whether it is not the last of its flow; first: the first SYN of each row's
    flow; a row of a flow with one SYN comes soon behind it. Flows with many SYNs are those of
    attackers, so ranges are marked, not each SYN for each row.
    """
    single = ~several[first]
    found = first[single]
    if single.all():
        return found
    first, times = first[~single], times[~single]
    segment = np.cumsum(np.append([0], keys[1:] != keys[:-1])) << TIME_BITS
    since = (int(asked.min()) - 2 * GRACE_NS) >> 10 << 10
    place = segment + np.clip(asked - since >> 10, 0, MOST_TIME)
    begin = segment[first] + np.clip(times - GRACE_NS - since >> 10, 0, MOST_TIME)
    end = segment[first] + np.clip(times - since >> 10, 0, MOST_TIME)
    marks = np.zeros(len(keys) + 1, np.int64)
    np.add.at(marks, np.searchsorted(place, begin, "left"), 1)
    np.add.at(marks, np.searchsorted(place, end, "right"), -1)
    return np.concatenate((found, np.flatnonzero(np.cumsum(marks[:-1]) > 0)))
