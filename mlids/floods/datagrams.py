"""Floods of UDP and ICMP that nobody asked for and nobody answers, and what reflectors send.

What is no flood: media streams, telemetry and tunnels also go one way, hundreds of packets a second
and longer. They are few flows that go on, while a flood is many flows of a packet or three each
(changing ports or sources), or one far beyond what a stream of such small packets needs:

- packets in flows with at most `LIGHT` packets a second count against the threshold, unless they
  come from inside to a port that is made for one way (syslog, NetFlow, statsd …);
- those of heavier flows count from ten times the threshold on where they are small (below `SMALL`
  bytes; video is larger) and come from outside, a hundred times from inside (networked audio), and
  `TORRENT` a second whatever their size from outside;
- never where the two hosts have opened a TCP connection of late (``iperf3 -u`` controls its stream
  by one; so do RTSP and most calls).

A target that answers every ping is still flooded by ten times the threshold (``ping -f``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlids.capture.addresses import address, is_group
from mlids.floods.findings import Finding
from mlids.floods.oneway import ALONE, ANSWERED, ASKS, DATAGRAM, ECHO_REPLY
from mlids.floods.records import GRID_NS, taken
from mlids.floods.syn import is_scan
from mlids.floods.tally import Tally
from mlids.volume import NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlids.capture.addresses import Networks
    from mlids.floods.associations import Associations
    from mlids.floods.records import Records
    from mlids.floods.sketches import Sketch
    from mlids.floods.tally import Crowd, Window

WIDTH_NS = 100_000_000
SLOTS = 10
LIGHT = 3
SMALL = 512
BEYOND = 10  # times the threshold
INSIDE = 100
TORRENT = 20_000
# Syslog, SNMP traps, NetFlow and IPFIX, sFlow, statsd, collectd, Ganglia, GELF, Lumberjack.
ONE_WAY_PORTS = (514, 162, 2055, 4739, 6343, 8125, 8649, 9555, 9995, 9996, 12201, 25826)
REPLIES_NS = 5 * NS
ECHOERS = 10
REQUEST = 2  # added to the state of requests


class DatagramFloods:
    """Finds udp-flood, icmp-flood and smurf; rate: packets per second and target."""

    def __init__(self, rate: float, home: Networks, associations: Associations) -> None:
        self.rate = rate
        self.home = home
        self.associations = associations
        self.tallies = {
            "udp": Tally(WIDTH_NS, SLOTS, rate),
            "icmp": Tally(WIDTH_NS, SLOTS, rate),
            "replies": Tally(GRID_NS, REPLIES_NS // GRID_NS, ECHOERS),
        }

    def findings(self, seen: Records, share: float) -> Iterator[Finding]:
        """Judge rows of slots that are over, without those of reflectors."""
        datagrams = seen["kind"] == DATAGRAM
        alone = taken(seen, (seen["state"] == ALONE) & datagrams)
        alone = taken(alone, ~is_group(alone["dst_hi"], alone["dst_lo"]))
        for window in self.tallies["udp"].add(alone, share):
            if (finding := self._datagrams(window, share)) is not None:
                yield finding
        if datagrams.all():
            return
        icmp = taken(seen, ~datagrams)
        yield from self._icmp(icmp, share)

    def _datagrams(self, window: Window, share: float) -> Finding | None:
        crowd = window.sum()
        inside = all_inside(crowd.sources, self.home)
        rate, light = crowd.packets / share, crowd.flows.rare(LIGHT, crowd.packets) / share
        if light >= self.rate:
            fine = is_scan(crowd) and rate < BEYOND * self.rate
            fine |= inside and crowd.port in ONE_WAY_PORTS and rate < TORRENT
        else:
            fine = not self._torrent(crowd, rate - light, inside)
            fine = fine or self.associations.any(crowd)
        if fine:
            return None
        observed = f"{rate:.0f} unanswered datagrams in 1 s, in {crowd.flows.distinct()} flows"
        against = f"{self.rate:g} in 1 s"
        return self._finding("udp-flood", window, crowd, rate, observed, against, "UDP", crowd.port)

    def _torrent(self, crowd: Crowd, rate: float, inside: bool) -> bool:
        small = crowd.size < SMALL * crowd.packets
        if inside:
            return small and rate >= INSIDE * self.rate
        many = crowd.flows.distinct() >= 2 * BEYOND
        return rate >= TORRENT or ((small or many) and rate >= BEYOND * self.rate)

    def _icmp(self, seen: Records, share: float) -> Iterator[Finding]:
        alone = seen["state"] == ALONE
        # An answer to a request is no fault of who gives it.
        every = taken(seen, alone | (seen["kind"] != ECHO_REPLY)).copy()
        every["state"] |= REQUEST * (every["kind"] == ASKS).astype(np.uint8)
        for window in self.tallies["icmp"].add(every, share):
            if (finding := self._messages(window, share)) is not None:
                yield finding
        replies = taken(seen, alone & (seen["kind"] == ECHO_REPLY))
        for window in self.tallies["replies"].add(replies):
            crowd = window.sum()
            hosts = crowd.sources.distinct()
            if hosts >= ECHOERS:
                observed = f"{hosts} hosts answered echo requests that nobody sent in 5 s"
                rate, against = crowd.packets * NS / REPLIES_NS, f"{ECHOERS} hosts in 5 s"
                yield self._finding("smurf", window, crowd, rate, observed, against, "ICMP", 0, "")

    def _messages(self, window: Window, share: float) -> Finding | None:
        crowd = window.sum()
        unanswered, rate = crowd.states.get(ALONE | REQUEST, 0) / share, crowd.packets / share
        if unanswered >= self.rate:
            observed = f"{unanswered:.0f} unanswered requests in 1 s"
            against = f"{self.rate:g} in 1 s"
        elif rate >= BEYOND * self.rate:
            both = sum(count for state, count in crowd.states.items() if state & ANSWERED)
            observed = f"{rate:.0f} ICMP messages ({both} of flows that go both ways) in 1 s"
            against = f"{BEYOND * self.rate:g} in 1 s"
        else:
            return None
        return self._finding("icmp-flood", window, crowd, rate, observed, against, "ICMP", 0)

    def _finding(
        self,
        technique: str,
        window: Window,
        crowd: Crowd,
        rate: float,
        observed: str,
        against: str,
        protocol: str,
        port: int,
        ip: str | None = None,
    ) -> Finding:
        return Finding(
            crowd.last_ns,
            technique,
            crowd.target,
            crowd,
            window.accept(),
            rate,
            observed,
            against,
            protocol,
            address(*crowd.target),
            port,
            ip,
            0.8,
            {"flows": crowd.flows.distinct()} if technique == "udp-flood" else {},
        )


def all_inside(sources: Sketch, home: Networks) -> bool:
    """Whether all the sources, as far as they are known by name, are of our own networks."""
    return all(home.holds(one[1], one[2]) for one in sources.seen.values())


def unsolicited(seen: Records) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of the records are datagrams that belong to no exchange."""
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = (seen["state"] == ALONE) & (
        seen["kind"] == DATAGRAM
    )
    return found
