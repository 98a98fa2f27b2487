"""HTTP floods: requests of one source, or of many, that no browser and no crawler makes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mlids.capture.addresses import address
from mlids.capture.flows import flows
from mlids.capture.headers import number
from mlids.capture.mixing import endpoint, pair_key
from mlids.floods.findings import Finding, Technique
from mlids.floods.records import GRID_NS, addresses, records
from mlids.floods.tally import Tally
from mlids.volume import NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.floods.tally import Window

PORTS = (80, 3000, 5000, 8000, 8008, 8080, 8081, 8088, 8888)
METHODS = (b"GET ", b"POST", b"HEAD", b"PUT ", b"DELE", b"OPTI", b"PATC", b"TRAC", b"CONN", b"PRI ")
LEAST = 16  # bytes of the shortest request line
WINDOW_S = 5
PSH = 8
FACTOR = 20  # many sources together are a flood beyond so many times what one may do
SOURCES = 50


@cache
def methods() -> NDArray[np.uint32]:
    """The first four bytes of requests, as big-endian numbers."""
    return np.array([int.from_bytes(method, "big") for method in METHODS], np.uint32)


class HttpFloods(Technique):
    """Finds floods of plain HTTP requests; rate: requests per second of one source."""

    def __init__(self, rate: float, most: int) -> None:
        super().__init__(most)
        self.rate = rate
        slots = WINDOW_S * NS // GRID_NS
        self.tallies["single"] = Tally(GRID_NS, slots, rate * WINDOW_S)
        self.tallies["many"] = Tally(GRID_NS, slots, rate * WINDOW_S * FACTOR)

    def inspect(self, batch: PacketBatch, capture: int) -> None:
        """Take up the requests of a batch."""
        plain = batch.dport == PORTS[0]
        for port in PORTS[1:]:
            plain |= batch.dport == port
        rows = np.flatnonzero(plain)
        if not len(rows):
            return
        rows = rows[(batch.flags[rows] & PSH > 0) & (batch.payload_length[rows] >= LEAST)]
        begin = number(batch.data, batch.payload_start[rows], ">u4")
        known = flows(batch)
        rows = rows[np.isin(begin, methods()) & (known.of_row[rows] >= 0)]
        if not len(rows):
            return
        self.take(records(batch, rows, known.key[known.of_row[rows]], capture))

    def findings(self, until_ns: int, share: float) -> Iterator[Finding]:
        """Judge requests of slots that are over."""
        seen = self.closed(until_ns)
        if not len(seen):
            return
        seen = seen.copy()
        server = endpoint(seen["dst_hi"], seen["dst_lo"], seen["dport"])
        seen["key"] = pair_key(addresses(seen["src_hi"], seen["src_lo"]), server)
        for window in self.tallies["single"].add(seen, share):
            yield self._finding(window, self.rate, share, 0.8)
        seen["key"] = server
        for window in self.tallies["many"].add(seen, share):
            if window.sum().sources.distinct() >= SOURCES:
                yield self._finding(window, self.rate * FACTOR, share, 0.6)

    def _finding(self, window: Window, rate: float, share: float, confidence: float) -> Finding:
        crowd = window.sum()
        pace = crowd.packets / WINDOW_S / share
        return Finding(
            crowd.last_ns,
            "http-flood",
            (window.key,),
            crowd,
            window.accept(),
            pace,
            f"{pace:.0f} requests per second for 5 s",
            f"{rate:g} per second for 5 s",
            "TCP",
            address(*crowd.target),
            crowd.port,
            confidence=confidence,
        )
