"""DHCP floods: requests in the name of more machines than there are, or without end from one.

A room of thirty machines that start at once asks in thirty names, each some four times; a client
that gets no answer asks again after 4, 8, 16 seconds (RFC 2131 § 4.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlids.capture.addresses import address
from mlids.capture.dhcp import SERVER, messages
from mlids.capture.macs import mac_text, macs
from mlids.capture.mixing import pair_key
from mlids.floods.findings import Finding, Technique
from mlids.floods.records import GRID_NS, addresses, records
from mlids.floods.tally import Tally
from mlids.volume import NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlids.batches import PacketBatch
    from mlids.floods.tally import Crowd, Window

WINDOW_S = 10
MIX = 0x9E3779B97F4A7C15  # odd, so that it can be taken back
UNMIX = pow(MIX, -1, 1 << 64)


class DhcpFloods(Technique):
    """Finds floods of DHCP requests; names: distinct machines, or requests of one, in 10 s."""

    def __init__(self, names: int, most: int) -> None:
        super().__init__(most)
        self.names = names
        slots = WINDOW_S * NS // GRID_NS
        self.tallies["senders"] = Tally(GRID_NS, slots, names)
        self.tallies["machines"] = Tally(GRID_NS, slots, names)

    def inspect(self, batch: PacketBatch, capture: int) -> None:
        """Take up the requests of a batch."""
        found = messages(batch)
        asks = ~found.reply & (batch.dport[found.row] == SERVER)
        if not asks.any():
            return
        rows, mac = found.row[asks], found.mac[asks]
        made = records(batch, rows, mac * np.uint64(MIX), capture)
        # The target is an IPv4 address, whose high word is free: for the card that sent the frame.
        made["dst_hi"] = macs(batch, rows)[0]
        self.take(made)

    def findings(self, until_ns: int, share: float) -> Iterator[Finding]:
        """Judge requests of slots that are over."""
        seen = self.closed(until_ns)
        if not len(seen):
            return
        seen = seen.copy()
        seen["key"] = addresses(seen["src_hi"], seen["src_lo"])
        for window in self.tallies["senders"].add(seen, share):
            crowd = window.sum()
            count = crowd.flows.distinct()
            if count >= self.names:
                what = f"requests in the name of {count} machines in {WINDOW_S} s"
                yield self._finding(window, crowd, what, f"{self.names} machines in {WINDOW_S} s")
        seen["key"] = pair_key(seen["flow"], seen["flow"])
        for window in self.tallies["machines"].add(seen, share):
            crowd = window.sum()
            mac = _mac(crowd)
            what = f"{crowd.packets} requests of one machine, {mac}, in {WINDOW_S} s"
            yield self._finding(window, crowd, what, f"{self.names} requests in {WINDOW_S} s")

    def _finding(self, window: Window, crowd: Crowd, what: str, against: str) -> Finding:
        return Finding(
            crowd.last_ns,
            "dhcp-flood",
            (window.key,),
            crowd,
            window.accept(),
            crowd.packets / WINDOW_S,
            what,
            against,
            "UDP",
            address(0, crowd.target[1]),
            SERVER,
            extra={
                "mac": mac_text(crowd.target[0]),
                "machines": crowd.flows.distinct(),
                "machine": _mac(crowd),
            },
        )


def _mac(crowd: Crowd) -> str:
    """The hardware address in whose name most was asked."""
    often = max(crowd.flows.seen, key=lambda key: (crowd.flows.seen[key][0], key))
    return mac_text(often * UNMIX % (1 << 64))
