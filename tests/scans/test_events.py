from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mlids.capture.addresses import HOME, Networks, words
from mlids.scans.contacts import Contact, Kind
from mlids.scans.events import MOST_EVIDENCE, MOST_PORTS, Summary, event, summarise
from mlids.scans.findings import NOBODY, Finding, Limits
from mlids.volume import Telling

SECOND = 10**9
LIMITS = Limits(10, 60 * SECOND, 25, 25, 10, 1000)
OUT, HOST = words("203.0.113.9"), words("192.168.1.10")
TELLING = Telling("key", SECOND, 9 * SECOND, 10, 8)


def contacts(count: int, kind: Kind = Kind.REFUSED, src: Any = OUT, hosts: int = 1) -> Any:
    return [
        Contact(n * SECOND, *src, HOST[0], HOST[1] + n % hosts, n + 1, n, 100 + n, 0, kind, 0)
        for n in range(count)
    ]


def told(technique: str, found: Any, key: Any = (), source: Any = OUT, total: int = 0) -> Any:
    key = key or ("syn", *source, 128, *HOST)
    finding = Finding(technique, key, found, total or len(found))
    return summarise(finding, Networks(HOME), ["a.pcap"], LIMITS)


def test_all_that_an_event_must_say() -> None:
    made = event(told("syn", contacts(10), total=97), TELLING)
    assert (made.type, made.severity, made.source) == ("Port Scan", "HIGH", "network")
    assert (made.details["ip"], made.details["target"]) == ("203.0.113.9", "192.168.1.10")
    assert made.details["suppressed"] == 8
    assert made.details["metadata"]["distinct"] == 97
    assert "97 distinct closed or unanswered ports" in made.explanation
    assert "threshold 10 in 60 s" in made.explanation
    assert "triggered 10 times" in made.explanation
    assert made.evidence[0] == {"source": "a.pcap", "frame": 10}
    assert made.time_ns == TELLING.last_ns


def test_lists_are_cut() -> None:
    summary = told("syn", contacts(60, hosts=30), ("syn", *OUT, 128, *NOBODY))
    assert len(summary.ports) == MOST_PORTS
    assert len(summary.evidence) == MOST_EVIDENCE
    assert (len(summary.targets), summary.target_count) == (10, 30)
    assert "30 hosts" in event(summary, TELLING).details["description"]


@pytest.mark.parametrize(
    ("technique", "rule", "kind", "protocol", "against"),
    [
        ("fin", "fin", Kind.FIN, "TCP", "3 packets to 2 distinct ports in 60 s"),
        ("udp", "udp", Kind.UDP_REFUSED, "UDP", "10 in 60 s"),
        ("sweep", "echo", Kind.ECHO, "ICMP", "10 hosts in 60 s"),
        ("sweep", "sweep", Kind.REFUSED, "TCP", "25 hosts in 300 s"),
        ("sweep", "udp-sweep", Kind.UDP_UNANSWERED, "UDP", "25 hosts in 300 s"),
        ("maimon", "maimon", Kind.MAIMON, "TCP", "3 packets to 2 distinct ports in 60 s"),
        ("ack", "ack", Kind.ACK, "TCP", "10 in 60 s"),
        ("arp", "arp", Kind.ARP, "ARP", "5 addresses in 30 s"),
        ("protocol", "protocol", Kind.PROTOCOL, "IP", "5 protocols in 60 s"),
        ("fingerprint", "fingerprint", Kind.PROBE, "IP", "3 kinds in 60 s"),
        ("slow", "slow", Kind.REFUSED, "TCP", "4 more than succeeded, 6 s apart"),
    ],
)
def test_threshold_and_protocol_by_rule(
    technique: str, rule: str, kind: Kind, protocol: str, against: str
) -> None:
    summary = told(technique, contacts(10, kind), (rule, *OUT, 128, *NOBODY))
    assert (summary.protocol, summary.against) == (protocol, against)
    made = event(summary, TELLING)
    assert made.techniques == ["T1018" if technique in ("sweep", "arp") else "T1046"]
    assert made.details["metadata"]["technique"] == technique
    assert summary.against in made.explanation


def test_scan_from_inside_and_a_network_as_source() -> None:
    inside = told("syn", contacts(10, src=words("10.0.0.5")), source=words("10.0.0.5"))
    assert event(inside, TELLING).severity == "MEDIUM"
    hi, lo = words("2001:db8:bad::9")
    for bits in (64, 56, 48):
        network = told("syn", contacts(10, src=(hi, lo)), ("syn", hi, 0, bits, *HOST))
        assert network.ip == "2001:db8:bad::9"
        prefix = f"2001:db8:bad::/{bits}"
        assert event(network, TELLING).details["metadata"]["prefix"] == prefix


@pytest.mark.parametrize(
    ("technique", "against"),
    [("decoy", "5 sources in 2 s"), ("distributed", "10 sources and 25 ports in 600 s")],
)
def test_of_many_sources_none_is_blamed(technique: str, against: str) -> None:
    found = [each._replace(src_lo=OUT[1] + n % 30) for n, each in enumerate(contacts(60))]
    sources = tuple((0, OUT[1] + n) for n in range(30))
    finding = Finding(technique, (technique, 0, 0, 128, *HOST), found, 60, sources)
    made = event(summarise(finding, Networks(HOME), ["a.pcap"], LIMITS), TELLING)
    assert made.details["ip"] == ""
    metadata = made.details["metadata"]
    assert (metadata["source_count"], len(metadata["sources"])) == (30, 20)
    assert metadata["sources"][0] == "203.0.113.10"
    assert made.details["description"].startswith("30 sources scan 192.168.1.10")
    assert against in made.explanation
    assert made.severity == "HIGH"


def test_protocols_and_probes_are_named() -> None:
    protocols = told("protocol", contacts(5, Kind.PROTOCOL), ("protocol", *OUT, 128, *HOST))
    details = event(protocols, TELLING).details
    assert details["metadata"]["protocols"] == [100, 101, 102, 103, 104]
    assert "port" not in details
    found = [each._replace(socket=1 + n) for n, each in enumerate(contacts(3, Kind.PROBE))]
    probes = told("fingerprint", found, ("fingerprint", *OUT, 128, *HOST))
    assert event(probes, TELLING).details["metadata"]["probes"] == ["T2", "T3", "T4"]


def test_refusals_are_counted_by_kind() -> None:
    acks = [each._replace(socket=n % 2) for n, each in enumerate(contacts(10, Kind.ACK))]
    assert told("ack", acks, ("ack", *OUT, 128, *HOST)).refused == 5
    assert told("syn", contacts(10, Kind.UNANSWERED)).refused == 0
    assert told("udp", contacts(10, Kind.UDP_REFUSED), ("udp", *OUT, 128, *HOST)).refused == 10


def test_thirty_in_a_day_is_the_other_slow_rule() -> None:
    day = told("slow", contacts(30), ("slow", *OUT, 128, *NOBODY))
    assert (day.against, day.threshold) == ("30 in 24 h", 30)


def test_summary_survives_a_restart() -> None:
    summary = told("syn", contacts(10))
    assert msgspec.convert(msgspec.to_builtins(summary), Summary) == summary
