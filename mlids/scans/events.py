"""Tells findings of scans as events: who, whom, how, and what stands against which threshold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mlids.capture.addresses import MAPPED, Networks, address
from mlids.events import Event, detection_id
from mlids.scans.contacts import Contact, Kind
from mlids.scans.crowds import WINDOW_NS as CROWD_NS
from mlids.scans.decoys import WINDOW_NS as DECOY_NS
from mlids.scans.findings import NOBODY, QUIET_NS, SUBNET, SWEEP_NS, Finding, Limits
from mlids.scans.fingerprints import NAMES
from mlids.scans.rules import FLAG_PORTS, FLAG_RULES
from mlids.scans.slow import APART_NS
from mlids.volume import NS, Telling

MOST_EVIDENCE = 10
MOST_TARGETS = 10
MOST_PORTS = 20
MOST_SOURCES = 20
CROWDS = ("decoy", "distributed")  # of which nobody is blamed
UNPORTED = (Kind.ECHO, Kind.ARP, Kind.PROBE)


class Summary(msgspec.Struct, array_like=True):
    """What is told of a finding; kept so that its repeats can be told later."""

    technique: str
    ip: str  # "" where nobody is to be blamed
    prefix: str  # the network counted as one source, "" for a single address
    outside: bool
    targets: list[str]
    target_count: int
    ports: list[int]  # of the protocol technique the numbers of protocols
    total: int
    refused: int
    contacts: int
    protocol: str
    seconds: float
    against: str  # the threshold and window in words
    threshold: int
    evidence: list[dict[str, Any]]
    sources: list[str] = []
    source_count: int = 1
    probes: list[str] = []


def summarise(finding: Finding, home: Networks, captures: list[str], limits: Limits) -> Summary:
    """Make out of a finding what is told of it."""
    found, latest = finding.contacts, finding.contacts[-1]
    targets = list(dict.fromkeys(each.target for each in reversed(found)))
    against, threshold = _against(finding, limits)
    crowd = finding.technique in CROWDS
    hi, lo, bits = finding.key[1:4]
    sources = list(dict.fromkeys((each.src_hi, each.src_lo) for each in found)) if crowd else []
    outside = any(not home.holds(*each) for each in sources or [(latest.src_hi, latest.src_lo)])
    ports = [] if latest.kind in UNPORTED else sorted({each.port for each in found})
    return Summary(
        technique=finding.technique,
        ip="" if crowd else address(latest.src_hi, latest.src_lo),
        prefix=f"{address(hi, lo)}/{bits}" if bits <= SUBNET and not crowd else "",
        outside=outside,
        targets=[address(*target) for target in targets[:MOST_TARGETS]],
        target_count=len(targets),
        ports=ports[:MOST_PORTS],
        total=finding.total,
        refused=sum(_refused(each) for each in found),
        contacts=len(found),
        protocol=_protocol(latest),
        seconds=(latest.time - found[0].time) / NS,
        against=against,
        threshold=threshold,
        evidence=_evidence(found, captures),
        sources=sorted(address(*each) for each in sources)[:MOST_SOURCES],
        source_count=max(1, len(finding.sources)),
        probes=sorted(NAMES[each.socket] for each in found if each.kind == Kind.PROBE),
    )


def _refused(contact: Contact) -> bool:
    if contact.kind in (Kind.ACK, Kind.MAIMON, Kind.PROTOCOL):
        return contact.socket > 0
    return contact.kind in (Kind.REFUSED, Kind.UDP_REFUSED)


def _evidence(found: Iterable[Contact], captures: list[str]) -> list[dict[str, Any]]:
    latest = list(found)[-MOST_EVIDENCE:]
    return [{"source": captures[c.capture], "frame": c.frame} for c in reversed(latest)]


def _protocol(contact: Contact) -> str:
    if contact.kind == Kind.ECHO:
        four = contact.src_hi == 0 and contact.src_lo & MAPPED == MAPPED
        return "ICMP" if four else "ICMPv6"
    if contact.kind == Kind.ARP:
        return "ARP"
    if contact.kind in (Kind.PROTOCOL, Kind.PROBE):
        return "IP"
    return "UDP" if contact.kind in (Kind.UDP_UNANSWERED, Kind.UDP_REFUSED) else "TCP"


def _against(finding: Finding, limits: Limits) -> tuple[str, int]:
    """Which threshold decided, in words and as a number."""
    window = limits.window_ns // NS
    rule, single = finding.key[0], finding.key[4:] != NOBODY
    if rule == "syn" and (not single or len(finding.contacts) >= limits.contacts > limits.ports):
        return f"{limits.contacts} without a gap of {QUIET_NS // NS} s", limits.contacts
    if rule == "slow":
        if len(finding.contacts) >= limits.closed:
            return f"{limits.closed} in 24 h", limits.closed
        apart = APART_NS // NS
        return f"{limits.failures} more than succeeded, {apart} s apart", limits.failures
    if rule in FLAG_RULES.values():
        packets = limits.flag_packets
        return f"{packets} packets to {FLAG_PORTS} distinct ports in {window} s", packets
    sweep = f"{limits.port_hosts} hosts in {SWEEP_NS // NS} s"
    crowd = (
        f"{limits.crowd} sources and {limits.crowd_ports} ports in {CROWD_NS // NS} s,"
        " fewer than 5 contacts each"
    )
    known = {
        "echo": (f"{limits.echo_hosts} hosts in {window} s", limits.echo_hosts),
        "sweep": (sweep, limits.port_hosts),
        "udp-sweep": (sweep, limits.port_hosts),
        "arp": (f"{limits.arp_hosts} addresses in {limits.arp_ns // NS} s", limits.arp_hosts),
        "protocol": (f"{limits.protocols} protocols in {window} s", limits.protocols),
        "fingerprint": (f"{limits.probes} kinds in {window} s", limits.probes),
        "decoy": (f"{limits.decoys} sources in {DECOY_NS // NS} s", limits.decoys),
        "distributed": (crowd, limits.crowd_ports),
    }
    return known.get(rule, (f"{limits.ports} in {window} s", limits.ports))


def event(summary: Summary, telling: Telling) -> Event:
    """The event of one telling."""
    s = summary
    observed = _observed(s)
    who = s.prefix or s.ip or f"{s.source_count} sources"
    return Event.new(
        "Port Scan",
        "HIGH" if s.outside else "MEDIUM",
        "network",
        _details(s, telling, observed),
        time_ns=telling.last_ns,
        rule="port_scan",
        tags=["reconnaissance", s.technique],
        techniques=["T1018" if s.technique in ("sweep", "arp") else "T1046"],
        evidence=s.evidence,
        explanation=(
            f"{observed} by {who}, {s.contacts} of them in the last "
            f"{s.seconds:.1f} s; threshold {s.against}; triggered {telling.total} times"
        ),
        correlation_id=detection_id("port_scan", telling.key, telling.first_ns),
    )


def _details(s: Summary, telling: Telling, observed: str) -> dict[str, Any]:
    whom = s.targets[0] if s.target_count == 1 else f"{s.target_count} hosts"
    metadata: dict[str, Any] = {
        "technique": s.technique,
        "distinct": s.total,
        "round": s.contacts,
        "refused": s.refused,
        "unanswered": s.contacts - s.refused,
        "seconds": round(s.seconds, 3),
        "threshold": s.threshold,
        "triggers": telling.total,
    }
    who = s.ip or f"{s.source_count} sources"
    details: dict[str, Any] = {
        "ip": s.ip,
        "target": s.targets[0],
        "protocol": s.protocol,
        "description": f"{who} {'scans' if s.ip else 'scan'} {whom}: {s.technique}, {observed}",
        "metadata": metadata,
        "suppressed": telling.suppressed,
    }
    if s.prefix:
        metadata["prefix"] = s.prefix
    if s.sources:
        metadata["sources"], metadata["source_count"] = s.sources, s.source_count
    if s.target_count > 1:
        metadata["targets"], metadata["hosts"] = s.targets, s.target_count
    if s.probes:
        metadata["probes"] = s.probes
    if s.ports and s.technique == "protocol":
        metadata["protocols"] = s.ports
    elif s.ports:
        details["port"], metadata["ports"] = s.ports[0], s.ports
    return details


def _observed(s: Summary) -> str:
    if s.protocol.startswith("ICMP"):
        return f"{s.total} distinct hosts asked by ICMP"
    simple = {
        "arp": "distinct addresses asked for that did not answer",
        "protocol": "distinct IP protocols tried",
        "fingerprint": "kinds of probes of an operating system's fingerprint",
        "ack": "distinct ports that got an ACK without a connection",
        "decoy": "sources that probe the same ports at once",
        "slow": "distinct failed (host, port) contacts, slowly one after the other",
    }
    if s.technique in simple:
        return f"{s.total} {simple[s.technique]}"
    if s.technique == "sweep":
        return f"{s.total} distinct hosts that refused or gave no answer on port {s.ports[0]}"
    if s.technique in FLAG_RULES.values():
        return f"{s.total} packets with the flags of a {s.technique} scan"
    what = "closed or unanswered ports" if s.target_count == 1 else "failed (host, port) contacts"
    unused = ", or opened and not used" if s.technique == "connect" else ""
    return f"{s.total} distinct {what}{unused}"
