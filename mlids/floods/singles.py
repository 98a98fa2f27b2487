"""Packets that are attacks by themselves: from their own target (land), to everybody (smurf).

A land packet has one address, and one port, at both ends. What a machine says to itself also has;
it goes over the loopback interface, whose frames carry no hardware addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture import links, macs
from mlids.capture.addresses import Networks, address, is_group
from mlids.capture.decoding import ICMP, TCP, UDP
from mlids.capture.mixing import pair_key
from mlids.floods.findings import Finding, Technique
from mlids.floods.records import GRID_NS, addresses, nothing, records, taken
from mlids.floods.tally import Tally
from mlids.volume import NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

LAND, SMURF = 0, 1  # `kind` of a record
ECHO = 8
BROADCASTS, WINDOW_S = 10, 5
WITH_MACS = (links.ETHERNET, links.COOKED, links.COOKED2)
LOOPBACK = (0, 108)  # link types of the loopback interface on BSD systems
HOST_ITSELF = Networks(["127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128"])


class SinglePackets(Technique):
    """Finds land packets, and echo requests to broadcast addresses."""

    def __init__(self, home: Networks, most: int) -> None:
        super().__init__(most)
        self.home = home
        self.tallies["lands"] = Tally(GRID_NS, 1, 1)
        self.tallies["smurfs"] = Tally(GRID_NS, WINDOW_S * NS // GRID_NS, BROADCASTS)

    def inspect(self, batch: PacketBatch, capture: int) -> None:
        """Take up those of a batch."""
        lands = np.flatnonzero(batch.src_lo == batch.dst_lo)
        if len(lands):
            lands = self._lands(batch, lands)
        pings = np.flatnonzero((batch.protocol == ICMP) & (batch.icmp_type == ECHO))
        if len(pings):
            pings = self._broadcasts(batch, pings)
        rows = np.union1d(lands, pings) if len(pings) else lands
        if not len(rows):
            return
        made = records(batch, rows, np.zeros(len(rows), np.uint64), capture)
        smurf = np.isin(rows, pings)
        made["kind"] = np.where(smurf, SMURF, LAND)
        # It is the sender's address that all the answers go to.
        made["key"][smurf] = addresses(made["src_hi"][smurf], made["src_lo"][smurf])
        made["flow"] = pair_key(made["key"], addresses(made["dst_hi"], made["dst_lo"]))
        self.take(made)

    def _lands(self, batch: PacketBatch, rows: NDArray[Any]) -> NDArray[Any]:
        protocol = batch.protocol[rows]
        ports = (protocol == TCP) | (protocol == UDP)
        fine = (batch.src_hi[rows] == batch.dst_hi[rows]) & (batch.ethertype[rows] != links.ARP)
        fine &= ports & (batch.sport[rows] == batch.dport[rows]) & (batch.sport[rows] > 0) | (
            protocol == ICMP
        )
        rows = rows[fine & (batch.transport[rows] > 0)]
        rows = rows[~HOST_ITSELF.among(batch.src_hi[rows], batch.src_lo[rows])]
        senders, receivers = macs.macs(batch, rows)
        loop = (senders | receivers) == 0
        kinds = batch.link_type[rows]
        loop &= np.isin(kinds, WITH_MACS)
        kept: NDArray[Any] = rows[~(loop | np.isin(kinds, LOOPBACK))]
        return kept

    def _broadcasts(self, batch: PacketBatch, rows: NDArray[Any]) -> NDArray[Any]:
        hi, lo = batch.dst_hi[rows], batch.dst_lo[rows]
        last = (lo & np.uint64(0xFF) == 0xFF) & self.home.among(hi, lo)
        found: NDArray[Any] = rows[is_group(hi, lo) | last]
        return found

    def findings(self, until_ns: int, share: float) -> Iterator[Finding]:
        """Judge those of slots that are over."""
        seen = self.closed(until_ns)
        if not len(seen):
            return
        for window in self.tallies["lands"].add(taken(seen, seen["kind"] == LAND)):
            crowd = window.sum()
            itself = address(*crowd.target)
            yield Finding(
                crowd.last_ns,
                "land",
                crowd.target,
                crowd,
                window.accept(),
                crowd.packets,
                f"{crowd.packets} packets whose source is their target, {itself}",
                "1 packet",
                "IP",
                itself,
                crowd.port,
                ip="",
                extra={"spoofed": True},
            )
        smurf = taken(seen, seen["kind"] == SMURF) if (seen["kind"] == SMURF).any() else nothing()
        for window in self.tallies["smurfs"].add(smurf, share):
            crowd = window.sum()
            victim = address(*crowd.sources.top()[0][1:])
            yield Finding(
                crowd.last_ns,
                "smurf",
                crowd.sources.top()[0][1:],
                crowd,
                window.accept(),
                crowd.packets / WINDOW_S,
                f"{crowd.packets} echo requests in its name to {address(*crowd.target)} in 5 s",
                f"{BROADCASTS} in {WINDOW_S} s",
                "ICMP",
                victim,
                ip="",
                confidence=0.7,
                extra={"spoofed": True, "broadcast": address(*crowd.target)},
            )
