"""What is told of a finding about addresses."""

from __future__ import annotations

from typing import Any

from mlids.capture.addresses import address
from mlids.capture.macs import mac_text
from mlids.episodes import Account
from mlids.neighbours.bindings import NS, Finding, Limits


def account(finding: Finding, captures: list[str], limits: Limits) -> Account:
    """The account of one finding; captures: their names by number."""
    claim = finding.claim
    contested, mac = address(*claim.address[1:]), mac_text(claim.mac)
    many = len(finding.addresses) > 1
    metadata: dict[str, Any] = {
        "technique": finding.technique,
        "mac": mac,
        "address": contested,
        "reply": claim.reply,
        "asked": claim.asked,
    }
    if finding.previous:
        metadata["previous_mac"] = mac_text(finding.previous)
    if claim.ether and claim.ether != claim.mac:
        metadata["sent_by"] = mac_text(claim.ether)
    if claim.address[0]:
        metadata["vlan"] = claim.address[0]
    against = f"a holder counts as live for {limits.live_ns / NS:g} s"
    if many:
        metadata["addresses"] = [address(*each[1:]) for each in finding.addresses]
        metadata["threshold"] = limits.claims
        against = f"threshold {limits.claims} in {limits.window_ns / NS:g} s"
    held = f", which {mac_text(finding.previous)} holds" if finding.previous else ""
    return Account(
        "ARP Spoofing",
        "HIGH" if finding.high else "MEDIUM",
        f"arp_spoof/{finding.technique}",
        {
            "ip": contested,
            "mac": mac,
            "protocol": "ICMPv6" if claim.six else "ARP",
            "description": f"{mac} claims {contested}{held}: {finding.reason}",
            "metadata": metadata,
        },
        f"{finding.reason}; {mac} claimed {contested}{held}; {against}",
        [{"source": captures[capture], "frame": frame} for capture, frame in finding.places],
        ["T1557.002"] if not claim.six else ["T1557"],
        ["spoofing", finding.technique],
    )
