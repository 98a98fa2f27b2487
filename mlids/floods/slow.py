"""Slow requests (slowloris): connections that say a little, never a whole request, and stay open.

A connection is slow from the moment when it is `SLOW_NS` old, if by then its client has sent
something that begins like a request (or anything at all to a port of HTTP), but less than 100 bytes
a second and no blank line, and its server not a byte; it is slow until that changes or it ends. So
what sits idle after an exchange, or says nothing, or is greeted first, is not.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.addresses import address
from mlids.capture.flows import Flows, flows
from mlids.capture.mixing import endpoint, pair_key
from mlids.floods.findings import Finding
from mlids.floods.http import METHODS, PORTS
from mlids.floods.records import addresses, grouped, record, taken
from mlids.floods.tally import crowd
from mlids.volume import NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.floods.records import Records

    Places = NDArray[np.int64]

SLOW_NS = 10 * NS
MOST_BYTES = 1000  # by then
FOLLOWED_NS = 3600 * NS
FIN_RST = 5
NEVER = (1 << 63) - 1
BLANK = b"\r\n\r\n"


@cache
def _connection() -> np.dtype[Any]:
    """A connection: its SYN, the bytes of its client before it is due, and when it first …"""
    return np.dtype(
        [
            ("syn", record()),
            ("due", "i8"),
            ("size", "i8"),
            ("answered", "i8"),  # … had a byte from the server
            ("ended", "i8"),  # … had a FIN or RST
            ("whole", "i8"),  # … had a blank line
            ("begun", "u1"),  # it begins like a request
            ("slow", "u1"),  # it was found to be slow
        ]
    )


class SlowRequests:
    """Finds slow requests; least: connections of one source at a time; most: that are followed."""

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most
        self.evicted = 0
        self._open: NDArray[Any] = np.zeros(0, _connection())

    def inspect(self, batch: PacketBatch, syns: Records, flow: NDArray[np.int32]) -> None:
        """Take up the SYNs of a batch (and their conversations), and what it says of those known.

        A connection that is seen not to be slow within this batch is not even entered.
        """
        if len(syns):
            known = flows(batch)
            other = known.ahead_bytes[flow], known.back_bytes[flow]
            closing = (known.ahead_flags[flow] | known.back_flags[flow]) & FIN_RST > 0
            gone = closing | (other[1] > 0) | (other[0] >= MOST_BYTES)
            gone &= batch.time[known.last[flow]] < syns["time"] + SLOW_NS
            # Where the conversation holds more than this connection it is looked at more closely.
            gone &= (batch.frame[known.row[flow]] == syns["frame"]) & (np.bincount(flow)[flow] == 1)
            if len(self._open):
                gone &= ~np.isin(syns["flow"], self._open["syn"]["flow"])
            self._add(taken(syns, ~gone))
        if len(self._open) and len(batch):
            self._match(batch, flows(batch))

    def _add(self, syns: Records) -> None:
        """Enter SYNs, each the begin of a connection and the end of the one before."""
        if not len(syns):
            return
        self.evicted += max(0, len(syns) - self.most)
        syns = taken(syns, slice(-self.most, None))
        made = np.zeros(len(syns), _connection())
        made["syn"], made["due"] = syns, syns["time"] + SLOW_NS
        for name in ("answered", "ended", "whole"):
            made[name] = NEVER
        every = np.concatenate((self._open, made))
        order = grouped(every["syn"]["flow"])
        flow, time = every["syn"]["flow"][order], every["syn"]["time"][order]
        again = np.flatnonzero(flow[1:] == flow[:-1])
        every["ended"][order[again]] = np.minimum(every["ended"][order[again]], time[again + 1])
        every = every[every["ended"] >= every["due"]]
        self.evicted += max(0, len(every) - self.most)
        self._open = every[-self.most :]

    def _match(self, batch: PacketBatch, known: Flows) -> None:
        """Find the conversations of connections in a batch."""
        held = self._open
        order = grouped(held["syn"]["flow"])
        keys = held["syn"]["flow"][order]
        tcp = np.flatnonzero(known.ahead_flags | known.back_flags)
        place = np.minimum(np.searchsorted(keys, known.key[tcp]), len(keys) - 1)
        mine = keys[place] == known.key[tcp]
        if mine.any():
            self._follow(batch, known, tcp[mine], place[mine], order)

    def _follow(
        self, batch: PacketBatch, known: Flows, flow: Places, place: Places, order: Places
    ) -> None:
        """Drop connections that are seen not to be slow, and note when things happen to others.

        place: the first connection of each conversation, in `order`.
        """
        held = self._open
        at = order[place]
        syn, first = held["syn"], known.row[flow]
        ahead = batch.sport[first] == syn["sport"][at]
        ahead &= batch.src_lo[first] == syn["src_lo"][at]
        up = np.where(ahead, known.ahead_bytes[flow], known.back_bytes[flow])
        down = np.where(ahead, known.back_bytes[flow], known.ahead_bytes[flow])
        closing = (known.ahead_flags[flow] | known.back_flags[flow]) & FIN_RST > 0
        following = order[np.minimum(place + 1, len(order) - 1)]
        alone = (syn["flow"][following] != syn["flow"][at]) | (place + 1 == len(order))
        alone &= batch.time[first] >= syn["time"][at]
        early = alone & (batch.time[known.last[flow]] < held["due"][at])
        gone = np.zeros(len(held), bool)
        gone[at] = early & ((down > 0) | closing | (held["size"][at] + up >= MOST_BYTES))
        look = np.flatnonzero(~gone[at] & ((up > 0) | (down > 0) | closing))
        if len(look):
            self._look(batch, known, flow[look], place[look], order)
            gone |= np.minimum(held["answered"], held["ended"]) < held["due"]
        if gone.any():
            self._open = held[~gone]

    def _look(
        self, batch: PacketBatch, known: Flows, flow: Places, place: Places, order: Places
    ) -> None:
        """Go through the packets of these connections."""
        held = self._open
        whose = np.full(len(known.key) + 1, -1, np.int64)
        whose[flow] = place
        rows = np.flatnonzero((whose >= 0)[known.of_row])
        places = whose[known.of_row[rows]]
        began, keys = held["syn"]["time"][order], held["syn"]["flow"][order]
        while True:  # on to the latest connection that had begun by then
            after = np.minimum(places + 1, len(order) - 1)
            later = (after > places) & (keys[after] == keys[places])
            later &= began[after] <= batch.time[rows]
            if not later.any():
                break
            places = np.where(later, after, places)
        fine = began[places] <= batch.time[rows]
        rows, at = rows[fine], order[places[fine]]
        time, size = batch.time[rows], batch.payload_length[rows].astype(np.int64)
        up = (batch.sport[rows] == held["syn"]["sport"][at]) & (
            batch.src_lo[rows] == held["syn"]["src_lo"][at]
        )
        closing = batch.flags[rows] & FIN_RST > 0
        np.minimum.at(held["ended"], at[closing], time[closing])
        down = ~up & (size > 0)
        np.minimum.at(held["answered"], at[down], time[down])
        said = up & (size > 0)
        before = said & (time < held["due"][at])
        untouched = held["size"] == 0
        np.add.at(held["size"], at[before], size[before])
        fine = np.minimum(held["answered"], held["ended"]) < held["due"]
        fine |= held["size"] >= MOST_BYTES
        for n in np.flatnonzero(said & ~fine[at]).tolist():
            one = int(at[n])
            payload = batch.payload(int(rows[n]))
            if untouched[one]:
                untouched[one] = False
                usual = int(held["syn"]["dport"][one]) in PORTS
                held["begun"][one] = usual or payload[:4] in METHODS
            if BLANK in payload or payload in (b"\r\n", b"\n"):
                held["whole"][one] = min(int(held["whole"][one]), int(time[n]))

    def findings(self, until_ns: int) -> Iterator[Finding]:
        """Judge connections that are due by then."""
        held = self._open
        if not len(held):
            return
        until = np.minimum(np.minimum(held["answered"], held["ended"]), held["whole"])
        fresh = (held["due"] < until_ns) & (held["slow"] == 0)
        if fresh.any():
            slow = fresh & (until > held["due"]) & (held["begun"] > 0)
            slow &= (held["size"] > 0) & (held["size"] < MOST_BYTES)
            held["slow"][slow] = 1
            yield from self._judged(np.flatnonzero(slow), until)
        old = (held["slow"] == 1) & ((until < until_ns) | (held["due"] < until_ns - FOLLOWED_NS))
        self._open = held[~(old | fresh & (held["slow"] == 0))]

    def _judged(self, new: Places, until: Places) -> Iterator[Finding]:
        held = self._open
        syn = held["syn"]
        group = pair_key(
            addresses(syn["src_hi"], syn["src_lo"]),
            endpoint(syn["dst_hi"], syn["dst_lo"], syn["dport"]),
        )
        for n in new[np.lexsort((syn["frame"][new], held["due"][new]))].tolist():
            due = int(held["due"][n])
            same = (group == group[n]) & (held["slow"] == 1) & (held["due"] <= due) & (until > due)
            count = int(np.count_nonzero(same))
            if count >= self.least:
                members = taken(np.ascontiguousarray(syn), np.flatnonzero(same))
                members = taken(members, np.lexsort((members["frame"], members["time"])))
                yield self._finding(members, taken(syn[n : n + 1].copy(), slice(None)), due)

    def _finding(self, members: Records, last: Records, due: int) -> Finding:
        window, count = crowd(members), len(members)
        seconds = SLOW_NS // NS
        return Finding(
            due,
            "slowloris",
            (*(int(last[name][0]) for name in ("src_hi", "src_lo", "dst_hi", "dst_lo", "dport")),),
            window,
            crowd(last),
            count / seconds,
            f"{count} connections open for {seconds} s without a whole request",
            f"{self.least} connections of one source",
            "TCP",
            address(*window.target),
            window.port,
            ip=address(int(last["src_hi"][0]), int(last["src_lo"][0])),
            extra={"connections": count},
        )

    def save(self) -> bytes:
        """The state, as bytes."""
        return self._open.tobytes()

    def restore(self, state: bytes) -> None:
        """Take up a state that `save` gave."""
        self._open = np.frombuffer(state, _connection()).copy()
