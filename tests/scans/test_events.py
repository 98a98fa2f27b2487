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
    key = key or ("syn", *source, *HOST)
    finding = Finding(technique, key, found, total or len(found))
    return summarise(finding, source, Networks(HOME), ["a.pcap"], LIMITS)


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
    summary = told("syn", contacts(60, hosts=30), ("syn", *OUT, *NOBODY))
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
    ],
)
def test_threshold_and_protocol_by_rule(
    technique: str, rule: str, kind: Kind, protocol: str, against: str
) -> None:
    summary = told(technique, contacts(10, kind), (rule, *OUT, *NOBODY))
    assert (summary.protocol, summary.against) == (protocol, against)
    made = event(summary, TELLING)
    assert made.techniques == ["T1018" if technique == "sweep" else "T1046"]


def test_scan_from_inside_and_a_network_as_source() -> None:
    inside = told("syn", contacts(10, src=words("10.0.0.5")), source=words("10.0.0.5"))
    assert event(inside, TELLING).severity == "MEDIUM"
    hi, lo = words("2001:db8:bad::9")
    network = told("syn", contacts(10, src=(hi, lo)), source=(hi, 0))
    assert network.ip == "2001:db8:bad::9"
    assert event(network, TELLING).details["metadata"]["prefix"] == "2001:db8:bad::/64"


def test_summary_survives_a_restart() -> None:
    summary = told("syn", contacts(10))
    assert msgspec.convert(msgspec.to_builtins(summary), Summary) == summary
