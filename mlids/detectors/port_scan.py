"""Port scans and sweeps: failed first contacts, counted per source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture.addresses import HOME, Networks
from mlids.capture.exemptions import Exempt
from mlids.events import Event
from mlids.scans.contacts import Kind, joined
from mlids.scans.crowds import Crowds
from mlids.scans.findings import NS, Limits
from mlids.scans.packets import Contacts
from mlids.scans.sources import Scans
from mlids.scans.suspects import Suspects, counted
from mlids.scans.tellings import Tellings

if TYPE_CHECKING:
    from mlids.scans.contacts import Records

MOST_ROWS = 65_536


class PortScanSettings(Exempt, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """When contacts are a scan, and whose are none."""

    threshold: Annotated[
        int,
        msgspec.Meta(
            ge=2,
            description="distinct closed or unanswered ports of one target",
            extra={"key": "thresholds.port_scan_threshold"},
        ),
    ] = 10
    window_s: Annotated[float, msgspec.Meta(gt=0, le=3600, description="within so many s")] = 60.0
    contacts: Annotated[
        int, msgspec.Meta(ge=2, description="distinct failed (host, port), gaps below 15 min")
    ] = 25
    sweep_hosts: Annotated[
        int, msgspec.Meta(ge=2, description="hosts on one port within 5 min")
    ] = 25
    echo_hosts: Annotated[int, msgspec.Meta(ge=2, description="hosts by ICMP within window_s")] = 10
    flag_packets: Annotated[
        int, msgspec.Meta(ge=2, description="packets with odd flags, to 2 ports within window_s")
    ] = 3
    protocols: Annotated[
        int, msgspec.Meta(ge=2, description="uncommon IP protocols of one target within window_s")
    ] = 5
    probes: Annotated[
        int,
        msgspec.Meta(ge=2, le=10, description="kinds of fingerprinting probes within window_s"),
    ] = 3
    arp_hosts: Annotated[
        int, msgspec.Meta(ge=2, description="addresses asked for by ARP that do not answer")
    ] = 5
    arp_window_s: Annotated[float, msgspec.Meta(gt=0, le=3600, description="within so many s")] = (
        30.0
    )
    gateways: Annotated[
        list[str],
        msgspec.Meta(description="addresses that may ask for anybody by ARP; others are learnt"),
    ] = []
    slow_failures: Annotated[
        int,
        msgspec.Meta(
            ge=2, le=64, description="net failures of first contacts 6 s apart, over any time"
        ),
    ] = 4
    slow_contacts: Annotated[
        int, msgspec.Meta(ge=2, le=64, description="distinct failed (host, port) in 24 h")
    ] = 30
    distributed_sources: Annotated[
        int, msgspec.Meta(ge=2, description="sources with few contacts each, within 10 min")
    ] = 10
    distributed_ports: Annotated[
        int, msgspec.Meta(ge=2, le=250, description="distinct closed ports they find at one host")
    ] = 25
    decoy_sources: Annotated[
        int, msgspec.Meta(ge=2, description="sources that probe the same ports within 2 s")
    ] = 5
    grace_s: Annotated[
        float, msgspec.Meta(gt=0, le=60, description="an answer may take so many s")
    ] = 3.0
    home_networks: Annotated[list[str], msgspec.Meta(extra={"key": "network.home_networks"})] = (
        msgspec.field(default_factory=lambda: list(HOME))
    )
    max_keys: Annotated[
        int, msgspec.Meta(ge=100, le=10_000_000, description="sources followed exactly")
    ] = 10_000
    max_sources: Annotated[
        int, msgspec.Meta(ge=100, le=50_000_000, description="sources with one contact held")
    ] = 262_144
    max_pending: Annotated[
        int, msgspec.Meta(ge=100, le=10_000_000, description="contacts waiting for an answer")
    ] = 131_072


class PortScan(Detector[PacketBatch]):
    """Says who scans whom, by which technique, however fast or slow and from however many sources.

    Techniques: syn, connect, fin, null, xmas, maimon, synfin, full-xmas, ack, udp, protocol, sweep,
    arp, distributed, decoy, slow and fingerprint. Thresholds are those of the common detectors
    (Snort's sfportscan, Zeek's scan policy) and of the threshold random walk (see `scans.slow`),
    counted over failed contacts: a port that answers is no evidence. Sources of one network are
    counted together where it is an IPv6 network outside: a /64, or the /56 or /48 of which three or
    more parts take part.
    """

    Settings = PortScanSettings
    kind = PacketBatch
    settings: PortScanSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        self._home = Networks(s.home_networks)
        self._contacts = Contacts(int(s.grace_s * NS), s.max_pending, self._home, s.gateways)
        limits = _limits(s)
        self._suspects = Suspects(self._home, s.max_sources)
        self._scans = Scans(limits)
        self._crowds = Crowds(limits)
        self._tellings = Tellings(limits, self._home)
        self._ignored_sources, self._ignored_targets = s.sources(), s.targets()

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """The scans that this batch completes, and what ended episodes held back."""
        events: list[Event] = []
        # What is made on the way needs room for each row, so large batches come in parts.
        for begin in range(0, len(batch) - MOST_ROWS, MOST_ROWS):
            part = batch.take(np.arange(begin, begin + MOST_ROWS))
            events += self._inspect(replace(part, now=int(part.time[-1])))
        done = max(0, -(-len(batch) // MOST_ROWS) - 1) * MOST_ROWS
        return events + self._inspect(batch.take(np.arange(done, len(batch))) if done else batch)

    def _inspect(self, batch: PacketBatch) -> list[Event]:
        capture = self._tellings.capture(batch.source)
        seen = self._contacts.inspect(batch, capture)
        failed = self._of_interest(seen.failed)
        if len(failed):
            self._suspects.note(failed)
        answers = [
            self._suspects.answers(batch, rows, capture, kind)
            for rows, kind in ((seen.opened, Kind.OPENED), (seen.answered, Kind.UDP_ANSWERED))
            if len(rows) and self._suspects
        ]
        every = joined([failed, *(each for each in answers if len(each))])
        events = list(self._follow(every)) if len(every) else []
        events += self._crowd(failed, batch.now)
        return events + list(self._tellings.close(batch.now, self._scans))

    def flush(self) -> Iterable[Event]:
        """Contacts still unanswered at the end, and what was held back."""
        left = self._of_interest(self._contacts.flush())
        if len(left):
            self._suspects.note(left)
        events = list(self._follow(left)) if len(left) else []
        events += self._crowd(left, 0)
        for finding in self._crowds.flush():
            events += self._tellings.told(finding, finding.contacts[-1].time)
        return events + list(self._tellings.flush(self._scans))

    def counts(self) -> dict[str, int]:
        """Contacts and sources given up for lack of room."""
        return {
            "evicted_contacts": self._contacts.evicted,
            "evicted_sources": self._suspects.singles.evicted + self._scans.evicted,
            "evicted_targets": self._crowds.evicted,
            "evicted_episodes": self._tellings.evicted,
        }

    def _of_interest(self, made: Records) -> Records:
        if self._ignored_sources and len(made):
            made = made[~self._ignored_sources.among(made["src_hi"], made["src_lo"])]
        if self._ignored_targets and len(made):
            made = made[~self._ignored_targets.among(made["dst_hi"], made["dst_lo"])]
        return made

    def _follow(self, made: Records) -> Iterator[Event]:
        """Hand contacts to where their sources are followed."""
        scans, tellings = self._scans, self._tellings
        for source, contact, net in self._suspects.chosen(made, scans):
            found = scans.observe(source, contact, net)
            if scans.ended:
                tellings.totals(scans.ended)
                scans.ended = []
            for finding in found:
                yield from tellings.told(finding, contact.time)
        if scans.lost:
            self._suspects.remember(scans.lost)
            scans.lost = []

    def _crowd(self, made: Records, now: int) -> list[Event]:
        """Scans of one target that are spread over many sources."""
        sources = counted(made["src_hi"], made["src_lo"], self._home)
        found = self._crowds.inspect(made, sources.lo[: len(made)], now)
        return [
            event
            for finding in found
            for event in self._tellings.told(finding, finding.contacts[-1].time)
        ]

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "contacts": self._contacts.save(),
            "suspects": self._suspects.save(),
            "scans": self._scans.save(),
            "crowds": self._crowds.save(),
            "tellings": self._tellings.save(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._contacts.restore(state["contacts"])
        self._suspects.restore(state["suspects"])
        self._scans.restore(state["scans"])
        self._crowds.restore(state["crowds"])
        self._tellings.restore(state["tellings"])


def _limits(s: PortScanSettings) -> Limits:
    return Limits(
        ports=s.threshold,
        window_ns=int(s.window_s * NS),
        contacts=s.contacts,
        port_hosts=s.sweep_hosts,
        echo_hosts=s.echo_hosts,
        sources=s.max_keys,
        grace_ns=int(s.grace_s * NS),
        flag_packets=s.flag_packets,
        protocols=s.protocols,
        probes=s.probes,
        arp_hosts=s.arp_hosts,
        arp_ns=int(s.arp_window_s * NS),
        failures=s.slow_failures,
        closed=s.slow_contacts,
        decoys=s.decoy_sources,
        crowd=s.distributed_sources,
        crowd_ports=s.distributed_ports,
    )
