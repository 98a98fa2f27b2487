from __future__ import annotations

from mlids.capture.addresses import words
from mlids.neighbours.bindings import NS, Claim, Finding, Limits
from mlids.neighbours.events import account

LIMITS = Limits(live_ns=1200 * NS, claims=3, window_ns=60 * NS, learn_ns=600 * NS)
HOST, OTHER = (0, *words("10.0.0.1")), (5, *words("fe80::1"))


def finding(**more: object) -> Finding:
    claim = Claim(0, HOST, 0x66, 0x66, True, False, False, 7, 1)
    made = Finding("gateway", "it moved", claim, 0x11, [(1, 7), (0, 3)], True, [HOST])
    return made._replace(**more)


def test_contradiction() -> None:
    told = account(finding(), ["a.pcap", "b.pcap"], LIMITS)
    assert (told.type, told.severity, told.rule) == ("ARP Spoofing", "HIGH", "arp_spoof/gateway")
    assert told.details["ip"] == "10.0.0.1"
    assert told.details["mac"] == "00:00:00:00:00:66"
    assert told.details["metadata"]["previous_mac"] == "00:00:00:00:00:11"
    assert told.evidence == [{"source": "b.pcap", "frame": 7}, {"source": "a.pcap", "frame": 3}]
    assert told.techniques == ["T1557.002"]
    assert "1200 s" in told.explanation


def test_many_addresses() -> None:
    told = account(finding(addresses=[HOST, OTHER], previous=0), ["a", "b"], LIMITS)
    assert told.details["metadata"]["addresses"] == ["10.0.0.1", "fe80::1"]
    assert told.details["metadata"]["threshold"] == 3
    assert "previous_mac" not in told.details["metadata"]
    assert "threshold 3 in 60 s" in told.explanation


def test_discovery_and_senders() -> None:
    claim = Claim(0, OTHER, 0x66, 0x77, True, False, True, 7, 1)
    told = account(finding(claim=claim, high=False), ["a", "b"], LIMITS)
    assert told.severity == "MEDIUM"
    assert told.details["protocol"] == "ICMPv6"
    assert told.techniques == ["T1557"]
    assert told.details["metadata"]["sent_by"] == "00:00:00:00:00:77"
    assert told.details["metadata"]["vlan"] == 5
