"""Denial of service: floods by SYN, UDP, ICMP, fragments, HTTP, DHCP, reflectors; slow requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture.addresses import HOME, Networks, words
from mlids.capture.exemptions import Exempt
from mlids.events import Event
from mlids.floods.associations import Associations
from mlids.floods.datagrams import DatagramFloods
from mlids.floods.dhcp import DhcpFloods
from mlids.floods.findings import Finding, Floods, Technique
from mlids.floods.fragments import FragmentAttacks
from mlids.floods.handshakes import Handshakes
from mlids.floods.history import History
from mlids.floods.http import HttpFloods
from mlids.floods.oneway import OneWay
from mlids.floods.records import Captures, settled, taken
from mlids.floods.reflection import Reflections, reflected
from mlids.floods.singles import SinglePackets
from mlids.floods.slow import SlowRequests
from mlids.floods.syn import SynFloods
from mlids.volume import NS

if TYPE_CHECKING:
    from mlids.floods.records import Records

MOST_ROWS = 65_536
EVER = 1 << 62
LEARNT = ("udp-flood", "icmp-flood", "http-flood")  # whose usual rates are known by target


class FloodSettings(Exempt, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """When traffic is a flood."""

    packet_rate: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            description="unanswered UDP or ICMP packets per second towards one target",
            extra={"key": "thresholds.packet_rate_threshold"},
        ),
    ] = 100
    syn_rate: Annotated[
        int, msgspec.Meta(ge=10, description="SYN per second towards one target")
    ] = 200
    request_rate: Annotated[
        int,
        msgspec.Meta(ge=10, description="HTTP requests per second, for 5 s, of one source"),
    ] = 100
    dhcp_requests: Annotated[
        int,
        msgspec.Meta(
            ge=10, le=64, description="DHCP requests of one machine, or machines that ask, in 10 s"
        ),
    ] = 50
    slow_connections: Annotated[
        int, msgspec.Meta(ge=2, description="connections of one source without a whole request")
    ] = 20
    home_networks: Annotated[
        list[str],
        msgspec.Meta(description="networks that are ours", extra={"key": "network.home_networks"}),
    ] = msgspec.field(default_factory=lambda: list(HOME))
    max_pending: Annotated[
        int,
        msgspec.Meta(
            ge=1000, le=10_000_000, description="packets of a kind held until their fate is known"
        ),
    ] = 65_536


class Flood(Detector[PacketBatch]):
    """Says what is flooded: syn, udp, icmp, http, dhcp, fragments, amplification, slow requests.

    Also land, smurf, teardrop and ping-of-death, of which a packet or two are enough. Each second
    of a flood is one trigger.
    """

    Settings = FloodSettings
    kind = PacketBatch
    settings: FloodSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        home = Networks(s.home_networks)
        self._sources, self._targets = s.sources(), s.targets()
        self._captures = Captures()
        self._share = 1.0
        self._now = 0
        self._settled = 0
        self._handshakes = Handshakes(s.max_pending)
        self._oneway = OneWay(s.max_pending)
        self._associations = Associations()
        self._history = History()
        self._syn = SynFloods(s.syn_rate)
        self._datagrams = DatagramFloods(s.packet_rate, home, self._associations)
        self._reflections = Reflections(home)
        self._waiting: dict[str, Technique] = {
            "fragments": FragmentAttacks(s.max_pending // 4),
            "singles": SinglePackets(home, s.max_pending // 4),
            "dhcp": DhcpFloods(s.dhcp_requests, s.max_pending // 4),
            "http": HttpFloods(s.request_rate, s.max_pending // 4),
        }
        self._slow = SlowRequests(s.slow_connections, s.max_pending // 4)
        self._floods = Floods(home, self._captures.names)

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """The floods that this batch shows, and what ended ones held back."""
        events: list[Event] = []
        for begin in range(0, len(batch) - MOST_ROWS, MOST_ROWS):
            part = batch.take(np.arange(begin, begin + MOST_ROWS))
            events += self._inspect(replace(part, now=int(part.time[-1])))
        done = max(0, -(-len(batch) // MOST_ROWS) - 1) * MOST_ROWS
        return events + self._inspect(batch.take(np.arange(done, len(batch))) if done else batch)

    def _inspect(self, batch: PacketBatch) -> list[Event]:
        self._share = batch.sampled
        until = settled(batch.now)
        capture = self._captures.number(batch.source)
        if len(batch):
            self._history.begin(int(batch.time[0]))
            asked, flow = self._handshakes.inspect(batch, capture)
            self._handshakes.settle(batch, until, self._syn.tally, self._share)
            self._associations.note(asked)
            self._slow.inspect(batch, asked, flow)
            for each in self._waiting.values():
                each.inspect(batch, capture)
        self._now = max(self._now, batch.now)
        servers = partial(self._reflections.of_servers, share=self._share)
        seen = self._oneway.judged(batch, capture, max(until, self._settled), servers)
        full = any(each.full for each in (self._handshakes, *self._waiting.values()))
        if until <= self._settled and not len(seen) and not full:
            return []
        self._settled = max(until, self._settled)
        return [*self._told(self._judged(seen, until)), *self._floods.close(until - NS)]

    def _judged(self, seen: Records, until: int) -> Iterator[Finding]:
        """What slots that are over by then show."""
        share = self._share
        asked = self._wanted(self._handshakes.closed(until))
        if len(asked):
            yield from self._syn.findings(asked, share)
        seen = self._wanted(seen)
        if len(seen):
            yield from self._reflections.findings(seen, share)
            yield from self._datagrams.findings(taken(seen, ~reflected(seen)), share)
        for each in self._waiting.values():
            yield from each.findings(until, share)
        # A connection that is not old enough at the end of the input is not slow.
        yield from self._slow.findings(min(until, self._now + 1))

    def _wanted(self, seen: Records) -> Records:
        if self._sources and len(seen):
            seen = taken(seen, ~self._sources.among(seen["src_hi"], seen["src_lo"]))
        return seen

    def _told(self, findings: Iterable[Finding]) -> Iterator[Event]:
        for finding in sorted(findings, key=lambda one: (one.time_ns, one.technique, one.key)):
            if self._counts(finding):
                yield from self._floods.follow(finding)

    def _counts(self, finding: Finding) -> bool:
        """Whether it is to be told: not between those left out, and unusual for the target."""
        target = words(finding.target)
        if self._targets and self._targets.holds(*target):
            return False
        if self._sources and finding.ip and self._sources.holds(*words(finding.ip)):
            return False
        if finding.technique not in LEARNT:
            return True
        key = " ".join(map(str, (finding.technique, *finding.key)))
        self._history.note(key, finding.time_ns, finding.rate)
        return finding.rate > self._history.usual(key, self._floods.began(finding))

    def flush(self) -> Iterable[Event]:
        """What the last slots show, and what was held back."""
        servers = partial(self._reflections.of_servers, share=self._share)
        told = list(self._told(self._judged(self._oneway.rest(servers), EVER)))
        return [*told, *self._floods.flush()]

    def counts(self) -> dict[str, int]:
        """Packets judged before their time, targets and floods given up for lack of room."""
        tallies = [self._syn.tally, *self._datagrams.tallies.values(), self._reflections.victims]
        tallies += [tally for each in self._waiting.values() for tally in each.tallies.values()]
        early = self._handshakes.evicted + self._oneway.evicted + self._reflections.evicted
        return {
            "evicted_packets": early + sum(each.evicted for each in self._waiting.values()),
            "evicted_targets": sum(tally.evicted for tally in tallies) + self._history.evicted,
            "evicted_connections": self._slow.evicted,
            "evicted_episodes": self._floods.evicted,
        }

    def _parts(self) -> dict[str, Any]:
        """What is saved and restored, by name."""
        return {
            "handshakes": self._handshakes,
            "oneway": self._oneway,
            "associations": self._associations,
            "history": self._history,
            "syn": self._syn.tally,
            "reflections": self._reflections,
            "slow": self._slow,
            "floods": self._floods,
            **{f"datagrams_{name}": tally for name, tally in self._datagrams.tallies.items()},
            **self._waiting,
        }

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        parts = {name: part.save() for name, part in self._parts().items()}
        times = [self._now, self._settled]
        return {"parts": parts, "captures": list(self._captures.names), "times": times}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        for name, part in self._parts().items():
            part.restore(state["parts"][name])
        self._captures.names[:] = state["captures"]
        self._now, self._settled = state["times"]
