"""Port scans in what a firewall logs: refused packets of each source, by target and port.

A source's latest different contacts are kept; when enough of them lie in a window they are taken
as one finding, and the count begins anew. Thresholds are those of port scans on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from mlids import addresses
from mlids.layouts.netfilter import Logged

NS = 1_000_000_000
SWEEP_NS = 300 * NS
GAP_NS = 900 * NS
DAY_NS = 86_400 * NS
ECHO_REQUEST = frozenset((8, 128))
# Ports of services from which late answers come to ports of clients.
SERVICES = frozenset((53, 67, 80, 123, 443, 853, 993, 3478, 5353))
CLIENTS = 1024
# Words of a prefix, not parts of words: what was let through is no evidence, unless it was not.
_LET = re.compile(r"(?<![a-z])(?:accept|accepted|allow|allowed|pass|passed|permit|audit)(?![a-z])")
_STOPPED = re.compile(r"(?<![a-z])(?:block|drop|deny|denied|reject|limit)")


class Limits(NamedTuple):
    """When contacts are a scan: the first is of different ports of one target in window_ns."""

    ports: int
    window_ns: int
    hosts: int  # on one port in `SWEEP_NS`
    echoes: int  # hosts asked by ICMP in window_ns
    spread: int  # different (host, port) without a gap of `GAP_NS`
    slow: int  # different (host, port) in `DAY_NS`


class Contact(NamedTuple):
    """One refused packet: place is its source, line and offset."""

    kind: str
    host: str
    port: int
    time_ns: int
    place: tuple[str, int, int]


class Scan(NamedTuple):
    """Contacts that are enough. technique: as of port scans on the wire."""

    technique: str
    contacts: list[Contact]
    threshold: int
    window_ns: int
    target: str  # "" where there are several


def kind_of(packet: Logged) -> str:
    """syn, fin, null, xmas, udp or echo; "" for what is no sign of a scan."""
    if not packet.inward or not _refused(packet.prefix.lower()) or is_group(packet.dst):
        return ""
    if packet.protocol in ("ICMP", "ICMPV6"):
        return "echo" if packet.icmp_type in ECHO_REQUEST else ""
    if packet.dport < 0 or packet.protocol not in ("TCP", "UDP"):
        return ""
    answers = packet.sport in SERVICES and packet.dport >= CLIENTS
    if packet.protocol == "UDP":
        return "" if answers else "udp"
    if packet.flags is None:
        return "" if answers else "syn"
    return _of_flags(packet.flags)


def _of_flags(flags: frozenset[str]) -> str:
    if "RST" in flags or "ACK" in flags:
        return ""
    if "SYN" in flags:
        return "syn"
    if {"FIN", "PSH", "URG"} <= flags:
        return "xmas"
    return "fin" if "FIN" in flags else ("" if flags else "null")


def _refused(prefix: str) -> bool:
    return _STOPPED.search(prefix) is not None or _LET.search(prefix) is None


@lru_cache(maxsize=16384)
def is_group(address: str) -> bool:
    """Whether an address is multicast, broadcast or none at all."""
    import ipaddress

    found = ipaddress.ip_address(address)
    return found.is_multicast or found.is_unspecified or address == "255.255.255.255"


class Sources:
    """The latest contacts of each source (of IPv6 its /64); the one longest silent goes first.

    keys: sources at most; `evicted` counts those that went within a day.
    """

    def __init__(self, limits: Limits, keys: int) -> None:
        self.limits = limits
        self.keys = keys
        self.evicted = 0
        self._kept = 2 * max(limits.ports, limits.hosts, limits.echoes, limits.spread, limits.slow)
        self._sources: dict[str, dict[tuple[str, str, int], Contact]] = {}

    def observe(self, src: str, contact: Contact) -> Iterator[Scan]:
        """Take up a contact; yields the scan that it completes."""
        key = addresses.keys(src)[0]
        known = self._sources.pop(key, None)
        if known is None:
            known = {}
            self._make_room(contact.time_ns)
        self._sources[key] = known
        latest = next(reversed(known.values())).time_ns if known else 0
        contact = contact._replace(time_ns=max(contact.time_ns, latest))
        what = contact[:3]
        known.pop(what, None)
        known[what] = contact
        while len(known) > self._kept:
            del known[next(iter(known))]
        scan = self._scan(list(known.values()), contact)
        if scan is not None:
            for each in scan.contacts:
                del known[each[:3]]
            yield scan

    def _scan(self, known: list[Contact], last: Contact) -> Scan | None:
        """The scan that the last of these contacts completes."""
        limits, now = self.limits, last.time_ns
        if len(known) < min(limits):
            return None
        same = [each for each in known if each.kind == last.kind]
        if last.kind == "echo":
            hosts = [each for each in same if now - each.time_ns <= limits.window_ns]
            if len(hosts) >= limits.echoes:
                return Scan("sweep", hosts, limits.echoes, limits.window_ns, "")
        else:
            ports = [
                each
                for each in same
                if each.host == last.host and now - each.time_ns <= limits.window_ns
            ]
            if len(ports) >= limits.ports:
                return Scan(last.kind, ports, limits.ports, limits.window_ns, last.host)
            hosts = [
                each for each in same if each.port == last.port and now - each.time_ns <= SWEEP_NS
            ]
            if len(hosts) >= limits.hosts:
                return Scan("sweep", hosts, limits.hosts, SWEEP_NS, "")
        return self._over_all(known, last)

    def _over_all(self, known: list[Contact], last: Contact) -> Scan | None:
        """Scans over several hosts and ports: without a long gap, or slowly over a day."""
        limits, run = self.limits, [last]
        for each in reversed(known[:-1]):
            if run[-1].time_ns - each.time_ns > GAP_NS:
                break
            run.append(each)
        run.reverse()
        target = last.host if len({each.host for each in run}) == 1 else ""
        if len(run) >= limits.spread and last.kind != "echo":
            return Scan(last.kind, run, limits.spread, GAP_NS, target)
        day = [each for each in known if last.time_ns - each.time_ns <= DAY_NS]
        target = last.host if len({each.host for each in day}) == 1 else ""
        return Scan("slow", day, limits.slow, DAY_NS, target) if len(day) >= limits.slow else None

    def _make_room(self, now: int) -> None:
        while self._sources:
            oldest = next(iter(self._sources))
            contacts = self._sources[oldest]
            useful = bool(contacts) and now - next(reversed(contacts.values())).time_ns <= DAY_NS
            if useful and len(self._sources) < self.keys:
                return
            del self._sources[oldest]
            self.evicted += useful

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [[key, [list(each) for each in c.values()]] for key, c in self._sources.items()]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._sources = {}
        for key, contacts in state:
            known = [
                Contact(kind, host, port, time_ns, (place[0], place[1], place[2]))
                for kind, host, port, time_ns, place in contacts
            ]
            self._sources[key] = {each[:3]: each for each in known}
