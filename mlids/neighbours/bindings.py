"""Who holds which address, and what contradicts it.

An address belongs to the card that claimed it first, as long as that card goes on claiming it; who
contradicts a live holder is the one to be blamed, however often. A holder that was silent for
`live_ns` gives its place up to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

NS = 1_000_000_000
CONFLICT_NS = 60 * NS
MOST_CARDS = 4096
MOST_ROUTERS = 256
MOST_CLAIMS = 64  # of one card that are remembered
MOST_SERVICES = 1024  # gateways and name servers learnt
ROUTER_LIVE_NS = 1800 * NS  # MaxRtrAdvInterval, RFC 4861 § 6.2.1
MOST_LEARNT_ROUTERS = 16

# Virtual router cards: VRRP and CARP (RFC 9568 § 7.3), HSRP 1 and 2, HSRP for IPv6, GLBP (Cisco).
VIRTUAL = (
    (0x00005E000100, 0xFFFFFFFFFF00),
    (0x00005E000200, 0xFFFFFFFFFF00),
    (0x00000C07AC00, 0xFFFFFFFFFF00),
    (0x00000C9FF000, 0xFFFFFFFFF000),
    (0x000573A00000, 0xFFFFFFFFF000),
    (0x0007B4000000, 0xFFFFFF000000),
)

Address = tuple[int, int, int]  # VLAN, then the two words


class Limits(NamedTuple):
    """When claims are spoofed."""

    live_ns: int  # a holder silent for so long gives way
    claims: int  # addresses of one card within window_ns
    window_ns: int
    learn_ns: int  # routers that advertise within so long after the start are the real ones


class Claim(NamedTuple):
    """One claim, or what else changes who holds an address."""

    time: int
    address: Address
    mac: int
    ether: int
    reply: bool
    asked: bool
    six: bool
    frame: int
    capture: int


class Binding(msgspec.Struct):
    """Who holds one address."""

    mac: int = 0
    last: int = 0  # when it claimed it last
    frame: int = 0  # where it claimed it first
    capture: int = 0
    rival: int = 0  # who answered for it as well, when asked
    contested: int = 0  # when


class Finding(NamedTuple):
    """What is to be told of a claim."""

    technique: str
    reason: str
    claim: Claim
    previous: int  # the card that holds the address, 0: nobody is contradicted
    places: list[tuple[int, int]]  # capture and frame, the deciding one first
    high: bool
    addresses: list[Address]  # that the card claimed


class _Card(msgspec.Struct):
    claims: list[tuple[int, Address, int, int]] = []  # time, address, capture, frame


class Bindings:
    """Judges claims one after the other; what addresses are bound to is handed in.

    gateways: addresses of gateways and name servers; proxies: cards that may claim anything.
    """

    def __init__(
        self, limits: Limits, gateways: Iterable[tuple[int, int]], proxies: frozenset[int]
    ) -> None:
        self.limits = limits
        self.proxies = proxies
        self.evicted = 0
        self._told_gateways = frozenset(gateways)
        self._services: dict[tuple[int, int], None] = {}
        self._routers: dict[int, None] = {}
        self._advertisers: dict[int, int] = {}  # card to when it advertised last
        self._accused: dict[int, None] = {}
        self._cards: dict[int, _Card] = {}  # ordered by last claim
        self._since = 0

    @property
    def routers(self) -> list[int]:
        """The cards that carry packets to the outside."""
        return list(self._routers)

    def begin(self, time: int) -> None:
        """Note when the input began."""
        self._since = self._since or time

    def routed(self, mac: int) -> None:
        """A packet for the outside went to this card."""
        if mac not in self._accused and len(self._routers) < MOST_ROUTERS:
            self._routers[mac] = None

    def service(self, hi: int, lo: int) -> None:
        """Note that an address is that of a gateway or a name server."""
        if len(self._services) < MOST_SERVICES:
            self._services[hi, lo] = None

    def leased(self, binding: Binding, claim: Claim) -> None:
        """A DHCP server gave the address to this card."""
        if not self._is_gateway(claim.address, binding.mac):
            _adopt(binding, claim)

    def advertised(self, claim: Claim) -> Iterator[Finding]:
        """A router advertised itself: routers seen before, or alone, are the real ones."""
        known, time = self._advertisers, claim.time
        mac = claim.ether
        live = [m for m, last in known.items() if m != mac and time - last < ROUTER_LIVE_NS]
        learning = time - self._since < self.limits.learn_ns and len(live) < MOST_LEARNT_ROUTERS
        trusted = mac in self.proxies or claim.address[1:] in self._told_gateways
        if mac in known or trusted or is_virtual(mac) or learning or not live:
            known.pop(mac, None)
            known[mac] = time
            if len(known) > MOST_ROUTERS:
                del known[next(iter(known))]
            self.service(*claim.address[1:])
            return
        reason = "a router that was not there before advertises itself"
        here = [(claim.capture, claim.frame)]
        yield Finding("ndp-spoof", reason, claim, live[-1], here, False, [claim.address])

    def claimed(self, binding: Binding, claim: Claim) -> Iterator[Finding]:
        """Judge one claim of an address and note it."""
        mac = claim.mac
        if is_virtual(mac):
            _adopt(binding, claim)
            return
        if mac in self.proxies:
            return
        yield from self._sender(claim)
        fresh, contradicts = not binding.mac, binding.mac not in (0, mac)
        if contradicts:
            yield from self._contradiction(binding, claim)
        elif fresh:
            _adopt(binding, claim)
        else:
            binding.last = max(binding.last, claim.time)
        unwanted = claim.reply and not claim.asked
        if (contradicts and binding.mac != mac) or (fresh and unwanted):
            yield from self._count(claim, binding.mac if contradicts else 0)

    def _sender(self, claim: Claim) -> Iterator[Finding]:
        ether = claim.ether
        if ether in (0, claim.mac) or ether in self.proxies or is_virtual(ether) or claim.six:
            return
        reason = "the frame was sent by another card than the one it speaks of"
        here = [(claim.capture, claim.frame)]
        yield Finding("sender-mismatch", reason, claim, 0, here, False, [claim.address])

    def _contradiction(self, binding: Binding, claim: Claim) -> Iterator[Finding]:
        mac, time = claim.mac, claim.time
        gateway = self._is_gateway(claim.address, binding.mac)
        live = time - binding.last < self.limits.live_ns
        if not gateway and (not live or binding.mac in self._accused):
            _adopt(binding, claim)
            return
        technique = "ndp-spoof" if claim.six else "contradiction"
        if gateway:
            technique = "ndp-spoof" if claim.six else "gateway"
            reason = "a gateway or name server is said to have another card"
        elif not (claim.reply and claim.asked):
            reason = "nobody asked, and another card holds the address"
        elif self._in_conflict(binding, claim):
            technique = "ndp-spoof" if claim.six else "conflict"
            reason = "two cards answer for one address by turns"
        else:
            binding.rival, binding.contested = mac, time
            return
        binding.rival, binding.contested = mac, time
        self._accuse(mac)
        places = [(claim.capture, claim.frame), (binding.capture, binding.frame)]
        yield Finding(technique, reason, claim, binding.mac, places, gateway, [claim.address])
        if not live:
            _adopt(binding, claim)

    def _in_conflict(self, binding: Binding, claim: Claim) -> bool:
        again = binding.rival == claim.mac and claim.time - binding.contested < CONFLICT_NS
        return again and binding.last > binding.contested

    def _count(self, claim: Claim, previous: int) -> Iterator[Finding]:
        """A card that claims many addresses which nobody asked it for."""
        mac, time = claim.mac, claim.time
        if mac in self._routers and mac not in self._accused:
            return
        card = self._cards.pop(mac, None) or _Card()
        self._cards[mac] = card
        if len(self._cards) > MOST_CARDS:
            oldest = self._cards.pop(next(iter(self._cards)))
            self.evicted += time - oldest.claims[-1][0] < self.limits.window_ns
        since = time - self.limits.window_ns
        kept = [c for c in card.claims if c[0] > since and c[1] != claim.address]
        kept.append((time, claim.address, claim.capture, claim.frame))
        card.claims = kept[-MOST_CLAIMS:]
        if len(card.claims) >= self.limits.claims:
            self._accuse(mac)
            reason = f"{len(card.claims)} addresses claimed by one card"
            places = [(capture, frame) for _, _, capture, frame in reversed(card.claims)]
            addresses = [c[1] for c in card.claims]
            technique = "ndp-spoof" if claim.six else "many-addresses"
            yield Finding(technique, reason, claim, previous, places, True, addresses)

    def _accuse(self, mac: int) -> None:
        self._accused.pop(mac, None)
        self._accused[mac] = None
        self._routers.pop(mac, None)
        if len(self._accused) > MOST_CARDS:
            del self._accused[next(iter(self._accused))]
            self.evicted += 1

    def _is_gateway(self, address: Address, mac: int) -> bool:
        spoken = address[1:]
        known = spoken in self._told_gateways or spoken in self._services
        return known or mac in self._routers

    def save(self) -> list[object]:
        """The state, as plain data."""
        cards = [[mac, card.claims] for mac, card in self._cards.items()]
        lists = [list(self._services), list(self._routers), list(self._accused)]
        return [self._since, self.evicted, *lists, list(self._advertisers.items()), cards]

    def restore(self, state: list[object]) -> None:
        """Take up a state that `save` gave."""
        since, evicted, services, routers, accused, advertisers, cards = msgspec.convert(
            state,
            tuple[
                int,
                int,
                list[tuple[int, int]],
                list[int],
                list[int],
                list[tuple[int, int]],
                list[tuple[int, list[tuple[int, Address, int, int]]]],
            ],
        )
        self._since, self.evicted = since, evicted
        self._services, self._routers = dict.fromkeys(services), dict.fromkeys(routers)
        self._accused, self._advertisers = dict.fromkeys(accused), dict(advertisers)
        self._cards = {mac: _Card(claims) for mac, claims in cards}


def is_virtual(mac: int) -> bool:
    """Whether a card is that of a virtual router, which moves from machine to machine."""
    return any(mac & mask == prefix for prefix, mask in VIRTUAL)


def _adopt(binding: Binding, claim: Claim) -> None:
    binding.last = max(claim.time, binding.last)
    if binding.mac == claim.mac:
        return
    binding.mac = claim.mac
    binding.frame, binding.capture = claim.frame, claim.capture
    binding.rival = binding.contested = 0
