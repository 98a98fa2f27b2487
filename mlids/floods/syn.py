"""SYN floods: connections asked for by the hundred, and hardly any of them completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlids.capture.addresses import address
from mlids.floods.findings import Finding
from mlids.floods.handshakes import COMPLETED, REFUSED
from mlids.floods.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlids.floods.records import Records
    from mlids.floods.tally import Crowd, Window

WIDTH_NS = 100_000_000
SLOTS = 10  # a second
MEMORY = 50  # five seconds
HALF_OPEN = 50
RATIO = 5
SCAN_PORTS = 20
SCAN_SOURCES = 64
SCAN_REPEATS = 3


class SynFloods:
    """Finds SYN floods among SYNs whose fate is decided; rate: SYNs per second and target."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.tally = Tally(WIDTH_NS, SLOTS, rate, memory=MEMORY)

    def findings(self, seen: Records, share: float) -> Iterator[Finding]:
        """Judge SYNs of slots that are over; share: what part of all traffic is seen."""
        for window in self.tally.add(seen, share):
            if (finding := self._judged(window, share)) is not None:
                yield finding

    def _judged(self, window: Window, share: float) -> Finding | None:
        every = window.past + window.recent
        asked = sum(one.packets for one in every)
        completed = sum(one.states.get(COMPLETED, 0) for one in every)
        refused = sum(one.states.get(REFUSED, 0) for one in every)
        half_open = asked - completed - refused
        crowd = window.sum()
        if half_open < HALF_OPEN or asked < RATIO * completed or is_scan(crowd):
            return None
        rate = crowd.packets / share
        return Finding(
            crowd.last_ns,
            "syn-flood",
            crowd.target,
            crowd,
            window.accept(),
            rate,
            f"{rate:.0f} SYN in 1 s; of {asked} in 5 s {completed} completed,"
            f" {half_open} half-open",
            f"{self.rate:g} SYN in 1 s, {HALF_OPEN} half-open and {RATIO} to 1 completed in 5 s",
            "TCP",
            address(*crowd.target),
            crowd.port,
            extra={"half_open": half_open, "completed": completed, "refused": refused},
        )


def is_scan(crowd: Crowd) -> bool:
    """Whether each of few sources tried each of many ports about once: that is a port scan.

    A few dozen sources may be the decoys of one (``nmap -D``).
    """
    ports, sources = crowd.ports.distinct(), crowd.sources.distinct()
    each = ports * sources * SCAN_REPEATS
    return ports >= SCAN_PORTS and sources <= SCAN_SOURCES and crowd.packets <= each
