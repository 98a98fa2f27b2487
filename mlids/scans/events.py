"""Tells findings of scans as events: who, whom, how, and what stands against which threshold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mlids.capture.addresses import MAPPED, Networks, address
from mlids.events import Event, detection_id
from mlids.scans.contacts import Contact, Kind
from mlids.scans.findings import FLAG_RULES, QUIET_NS, SWEEP_NS, Finding, Limits
from mlids.volume import NS, Telling

MOST_EVIDENCE = 10
MOST_TARGETS = 10
MOST_PORTS = 20
REFUSED = (Kind.REFUSED, Kind.UDP_REFUSED)


class Summary(msgspec.Struct, array_like=True):
    """What is told of a finding; kept so that its repeats can be told later."""

    technique: str
    ip: str
    prefix: str  # the network counted as one source, "" for a single address
    outside: bool
    targets: list[str]
    target_count: int
    ports: list[int]
    total: int
    refused: int
    contacts: int
    protocol: str
    seconds: float
    against: str  # the threshold and window in words
    threshold: int
    evidence: list[dict[str, Any]]


def summarise(
    finding: Finding, source: tuple[int, int], home: Networks, captures: list[str], limits: Limits
) -> Summary:
    """Make out of a finding what is told of it."""
    found, latest = finding.contacts, finding.contacts[-1]
    targets = list(dict.fromkeys(each.target for each in reversed(found)))
    network = source != (latest.src_hi, latest.src_lo)
    against, threshold = _against(finding, limits)
    return Summary(
        technique=finding.technique,
        ip=address(latest.src_hi, latest.src_lo),
        prefix=f"{address(*source)}/64" if network else "",
        outside=not home.holds(latest.src_hi, latest.src_lo),
        targets=[address(*target) for target in targets[:MOST_TARGETS]],
        target_count=len(targets),
        ports=[] if latest.kind == Kind.ECHO else sorted({c.port for c in found})[:MOST_PORTS],
        total=finding.total,
        refused=sum(each.kind in REFUSED for each in found),
        contacts=len(found),
        protocol=_protocol(latest),
        seconds=(latest.time - found[0].time) / NS,
        against=against,
        threshold=threshold,
        evidence=_evidence(found, captures),
    )


def _evidence(found: Iterable[Contact], captures: list[str]) -> list[dict[str, Any]]:
    latest = list(found)[-MOST_EVIDENCE:]
    return [{"source": captures[c.capture], "frame": c.frame} for c in reversed(latest)]


def _protocol(contact: Contact) -> str:
    if contact.kind == Kind.ECHO:
        four = contact.src_hi == 0 and contact.src_lo & MAPPED == MAPPED
        return "ICMP" if four else "ICMPv6"
    return "UDP" if contact.kind in (Kind.UDP_UNANSWERED, Kind.UDP_REFUSED) else "TCP"


def _against(finding: Finding, limits: Limits) -> tuple[str, int]:
    """Which threshold decided, in words and as a number."""
    window = limits.window_ns // NS
    rule, single = finding.key[0], finding.key[3:] != (0, 0)
    if rule == "echo":
        return f"{limits.echo_hosts} hosts in {window} s", limits.echo_hosts
    if rule == "sweep":
        return f"{limits.port_hosts} hosts in {SWEEP_NS // NS} s", limits.port_hosts
    if rule in FLAG_RULES.values():
        return f"3 packets to 2 distinct ports in {window} s", 3
    if rule == "syn" and (not single or len(finding.contacts) >= limits.contacts > limits.ports):
        gap = QUIET_NS // NS
        return f"{limits.contacts} without a gap of {gap} s", limits.contacts
    return f"{limits.ports} in {window} s", limits.ports


def event(summary: Summary, telling: Telling) -> Event:
    """The event of one telling."""
    s = summary
    observed = _observed(s)
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
    details: dict[str, Any] = {
        "ip": s.ip,
        "target": s.targets[0],
        "protocol": s.protocol,
        "description": f"{s.ip} scans {whom}: {s.technique}, {observed}",
        "metadata": metadata,
        "suppressed": telling.suppressed,
    }
    if s.prefix:
        metadata["prefix"] = s.prefix
    if s.target_count > 1:
        metadata["targets"], metadata["hosts"] = s.targets, s.target_count
    if s.ports:
        details["port"], metadata["ports"] = s.ports[0], s.ports
    return Event.new(
        "Port Scan",
        "HIGH" if s.outside else "MEDIUM",
        "network",
        details,
        time_ns=telling.last_ns,
        rule="port_scan",
        tags=["reconnaissance", s.technique],
        techniques=["T1018" if s.technique == "sweep" else "T1046"],
        evidence=s.evidence,
        explanation=(
            f"{observed} by {s.prefix or s.ip}, {s.contacts} of them in the last "
            f"{s.seconds:.1f} s; threshold {s.against}; triggered {telling.total} times"
        ),
        correlation_id=detection_id("port_scan", telling.key, telling.first_ns),
    )


def _observed(s: Summary) -> str:
    if s.protocol.startswith("ICMP"):
        return f"{s.total} distinct hosts asked by echo"
    if s.technique == "sweep":
        return f"{s.total} distinct hosts that refused or gave no answer on port {s.ports[0]}"
    if s.technique in FLAG_RULES.values():
        return f"{s.total} packets with the flags of a {s.technique} scan"
    what = "closed or unanswered ports" if s.target_count == 1 else "failed (host, port) contacts"
    unused = ", or opened and not used" if s.technique == "connect" else ""
    return f"{s.total} distinct {what}{unused}"
