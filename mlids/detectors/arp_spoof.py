"""ARP and neighbour discovery spoofing: claims of addresses that another card holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture import dhcp
from mlids.capture.addresses import HOME, MAPPED, Networks, is_group, words
from mlids.capture.macs import GROUP, mac_number, macs
from mlids.capture.neighbours import Neighbours, neighbours
from mlids.episodes import Episodes
from mlids.events import Event
from mlids.neighbours.bindings import Binding, Bindings, Claim, Finding, Limits
from mlids.neighbours.events import account
from mlids.neighbours.questions import Questions
from mlids.neighbours.table import Table, place_keys

MacText = Annotated[str, msgspec.Meta(pattern=r"^\s*[0-9A-Fa-f]{2}([:.-]?[0-9A-Fa-f]{2}){5}\s*$")]
NS = 1_000_000_000
QUIET_S = 600.0
ANSWER_NS = 2 * NS  # hosts ask again after a second (RFC 1122 § 2.3.2.1)
SYN, FLAGS = 0x02, 0x12


class ArpSpoofSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Which addresses matter most, and which cards may do as they like."""

    gateways: Annotated[
        list[str], msgspec.Meta(description="addresses of routers; others are learnt")
    ] = []
    dns_servers: Annotated[
        list[str], msgspec.Meta(description="addresses of name servers; others are learnt")
    ] = []
    proxies: Annotated[
        list[MacText],
        msgspec.Meta(description="cards that may answer for others: proxy ARP, failover pairs"),
    ] = []
    claims: Annotated[
        int, msgspec.Meta(ge=2, le=64, description="addresses claimed by one card, unasked")
    ] = 3
    window_s: Annotated[float, msgspec.Meta(gt=0, le=3600, description="within so many s")] = 60.0
    live_s: Annotated[
        float, msgspec.Meta(gt=0, description="a holder silent for so many s gives way")
    ] = 1200.0
    learn_s: Annotated[
        float, msgspec.Meta(ge=0, description="s in which IPv6 routers are learnt at first")
    ] = 600.0
    exclude_ips: Annotated[
        list[str],
        msgspec.Meta(description="addresses left out", extra={"key": "network.exclude_ips"}),
    ] = []
    home_networks: Annotated[
        list[str],
        msgspec.Meta(description="what is not outside", extra={"key": "network.home_networks"}),
    ] = msgspec.field(default_factory=lambda: list(HOME))
    max_addresses: Annotated[
        int, msgspec.Meta(ge=100, le=10_000_000, description="addresses whose card is known")
    ] = 65_536


class ArpSpoof(Detector[PacketBatch]):
    """Says which card claims an address that another one holds, in ARP and IPv6 discovery.

    Gateways and name servers are configured, or learnt from DHCP and from the cards that packets
    for the outside go to. Virtual routers and addresses given by DHCP are exempt. A failover
    pair without a virtual card looks like spoofing: name its cards in `proxies`.
    """

    Settings = ArpSpoofSettings
    kind = PacketBatch
    settings: ArpSpoofSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        limits = Limits(int(s.live_s * NS), s.claims, int(s.window_s * NS), int(s.learn_s * NS))
        gateways = [words(text.strip()) for text in (*s.gateways, *s.dns_servers)]
        self._bindings = Bindings(limits, gateways, frozenset(map(mac_number, s.proxies)))
        self._limits = limits
        self._table = Table(s.max_addresses, limits.live_ns, self._bindings.proxies)
        self._questions = Questions(ANSWER_NS)
        self._episodes = Episodes(QUIET_S)
        self._home = Networks(s.home_networks)
        self._excluded = Networks(s.exclude_ips)
        self._captures: list[str] = []

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """The claims of this batch that contradict, and what ended episodes held back."""
        events: list[Event] = []
        if len(batch):
            self._bindings.begin(int(batch.time[0]))
            events += self._inspect(batch)
        return events + self._episodes.close(batch.now)

    def _inspect(self, batch: PacketBatch) -> Iterator[Event]:
        said, leases = neighbours(batch), dhcp.messages(batch)
        steps = self._routed(batch)
        given = np.flatnonzero(leases.reply & (leases.kind == dhcp.ACK)).tolist()
        if said or given:
            steps += self._judged(batch, said, leases, given)
        for _, step in sorted(steps, key=lambda each: each[0]):
            yield from step()

    def flush(self) -> Iterable[Event]:
        """What was held back."""
        return self._episodes.flush()

    def counts(self) -> dict[str, int]:
        """Addresses, cards and episodes given up for lack of room."""
        return {
            "evicted_addresses": self._table.evicted,
            "evicted_cards": self._bindings.evicted,
            "evicted_episodes": self._episodes.evicted,
        }

    def _routed(self, batch: PacketBatch) -> list[Any]:
        """Cards that packets for the outside go to for the first time: first SYNs tell them."""
        rows = np.flatnonzero(batch.flags == SYN)
        if not len(rows):
            return []
        _, receivers = macs(batch, rows)
        new = (receivers != 0) & (receivers & GROUP == 0)
        for known in self._bindings.routers[:16]:
            new &= receivers != known
        new &= batch.tunnel[rows] == 0
        rows, receivers = rows[new], receivers[new]
        if not len(rows):
            return []
        out = ~self._home.among(batch.dst_hi[rows], batch.dst_lo[rows])
        rows, receivers = rows[out], receivers[out]
        out = self._home.among(batch.src_hi[rows], batch.src_lo[rows])
        out &= ~is_group(batch.dst_hi[rows], batch.dst_lo[rows])
        found, first = np.unique(receivers[out], return_index=True)
        return [
            (row, lambda mac=mac: self._noted(mac))
            for row, mac in zip(rows[out][first].tolist(), found.tolist(), strict=True)
        ]

    def _noted(self, mac: int) -> Iterator[Event]:
        self._bindings.routed(mac)
        return iter(())

    def _judged(
        self, batch: PacketBatch, said: Neighbours, leases: dhcp.Messages, given: list[int]
    ) -> list[Any]:
        """Steps for the claims that may be news; the others only keep their holders alive."""
        claims = said.claims
        keys = place_keys(batch, claims.row, claims.hi, claims.lo)
        lease_rows = leases.row[given]
        lease_lo = leases.given[given].astype(np.uint64) | np.uint64(MAPPED)
        lease_keys = place_keys(batch, lease_rows, np.zeros(len(given), np.uint64), lease_lo)
        loud = self._table.loud(batch, claims, keys, lease_keys, self._capture(batch.source))
        asks = said.asks
        ask_keys = place_keys(batch, asks.row, asks.hi, asks.lo)
        asked = self._questions.asked(
            keys[loud],
            batch.time[claims.row[loud]],
            claims.row[loud],
            (ask_keys, batch.time[asks.row], asks.row),
        )
        wanted = np.unique(np.concatenate((keys[loud], lease_keys)))
        held = self._table.held(wanted)
        steps: list[Any] = []
        columns = (*(column[loud] for column in claims), asked, keys[loud])
        each = zip(*(column.tolist() for column in columns), strict=True)
        for row, hi, lo, mac, ether, reply, six, answers, key in each:
            claim = self._claim(batch, row, (int(batch.vlan[row]), hi, lo), mac, ether)
            claim = claim._replace(reply=reply, six=six, asked=answers)
            steps.append((row, lambda c=claim, k=key: self._claimed(held[k], c)))
        steps += self._leases(batch, leases, given, held, lease_keys.tolist())
        steps += self._advertised(batch, said)
        steps.append((len(batch), lambda: self._kept(held)))
        return steps

    def _kept(self, held: dict[int, Binding]) -> Iterator[Event]:
        self._table.write(held)
        return iter(())

    def _claim(
        self, batch: PacketBatch, row: int, place: tuple[int, int, int], mac: int, ether: int
    ) -> Claim:
        frame, capture = int(batch.frame[row]), self._capture(batch.source)
        time = int(batch.time[row])
        return Claim(time, place, mac, ether, False, False, False, frame, capture)

    def _leases(
        self,
        batch: PacketBatch,
        leases: dhcp.Messages,
        given: list[int],
        held: dict[int, Binding],
        keys: list[int],
    ) -> Iterator[Any]:
        for index, key in zip(given, keys, strict=True):
            row, lo = int(leases.row[index]), int(leases.given[index]) | MAPPED
            place, mac = (int(batch.vlan[row]), 0, lo), int(leases.mac[index])
            services = [
                each
                for option in (dhcp.ROUTER, dhcp.NAMESERVER)
                for each in leases.addresses(batch, index, option)
            ]
            claim = self._claim(batch, row, place, mac, 0)
            yield row, lambda b=held[key], c=claim, s=services: self._leased(b, c, s)

    def _leased(self, binding: Binding, claim: Claim, services: list[int]) -> Iterator[Event]:
        for each in services:
            self._bindings.service(0, each | MAPPED)
        if claim.mac and claim.address[2] != MAPPED:
            self._bindings.leased(binding, claim)
        return iter(())

    def _advertised(self, batch: PacketBatch, said: Neighbours) -> Iterator[Any]:
        for row, mac in zip(said.routers.row.tolist(), said.routers.mac.tolist(), strict=True):
            place = (int(batch.vlan[row]), int(batch.src_hi[row]), int(batch.src_lo[row]))
            claim = self._claim(batch, row, place, mac, mac)._replace(six=True)
            yield row, lambda c=claim: self._told(self._bindings.advertised(c))

    def _claimed(self, binding: Binding, claim: Claim) -> Iterator[Event]:
        if self._excluded and self._excluded.holds(*claim.address[1:]):
            return iter(())
        return self._told(self._bindings.claimed(binding, claim))

    def _told(self, findings: Iterable[Finding]) -> Iterator[Event]:
        for finding in findings:
            who: tuple[int, ...] = (finding.claim.mac,)
            if finding.technique not in ("many-addresses", "sender-mismatch"):
                who = (*finding.claim.address, finding.claim.mac)
            key = (finding.technique, *who)
            told = account(finding, self._captures, self._limits)
            yield from self._episodes.trigger(key, finding.claim.time, told)

    def _capture(self, source: str) -> int:
        if source not in self._captures:
            self._captures.append(source)
        return self._captures.index(source)

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "bindings": self._bindings.save(),
            "table": self._table.save(),
            "questions": self._questions.save(),
            "episodes": self._episodes.save(),
            "captures": self._captures,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._bindings.restore(state["bindings"])
        self._table.restore(state["table"])
        self._questions.restore(state["questions"])
        self._episodes.restore(state["episodes"])
        self._captures = list(state["captures"])
