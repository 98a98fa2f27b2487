from __future__ import annotations

import msgspec
import pytest

from mlids.ingested.contacts import NS, Contact, Limits, Sources, is_group, kind_of
from mlids.layouts.netfilter import packet

LIMITS = Limits(ports=10, window_ns=60 * NS, hosts=25, echoes=10, spread=25, slow=30)
A = "203.0.113.7"


def contact(second, host="192.0.2.1", port=1, kind="syn"):
    return Contact(kind, host, port, int(second * NS), ("x.log", 1, 0))


def scans(contacts, src=A, sources=None):
    sources = sources or Sources(LIMITS, 1000)
    return [
        (s.technique, len(s.contacts), s.target) for c in contacts for s in sources.observe(src, c)
    ]


def test_ports_of_one_target():
    assert scans(contact(n, port=n) for n in range(10)) == [("syn", 10, "192.0.2.1")]
    assert scans(contact(n, port=n) for n in range(9)) == []
    assert scans(contact(n, port=n % 9) for n in range(99)) == []
    assert scans(contact(7 * n, port=n) for n in range(10)) == []
    assert scans(contact(n, port=n) for n in range(20)) == [("syn", 10, "192.0.2.1")] * 2
    assert scans(contact(n, port=n, kind="udp") for n in range(10)) == [("udp", 10, "192.0.2.1")]


def test_hosts():
    hosts = [contact(10 * n, host=f"192.0.2.{n}", port=22) for n in range(25)]
    assert scans(hosts) == [("sweep", 25, "")]
    assert scans(hosts[:24]) == []
    echoes = [contact(n, host=f"192.0.2.{n}", port=0, kind="echo") for n in range(10)]
    assert scans(echoes) == [("sweep", 10, "")]
    assert scans(echoes[:9]) == []


def test_without_a_long_gap():
    spread = [contact(300 * n, host=f"192.0.2.{n % 5}", port=n) for n in range(25)]
    assert scans(spread) == [("syn", 25, "")]
    assert scans(spread[:24]) == []


def test_slowly():
    slow = [contact(1800 * n, port=n) for n in range(30)]
    assert scans(slow) == [("slow", 30, "192.0.2.1")]
    assert scans(slow[:29]) == []
    assert scans(contact(3000 * n, port=n) for n in range(60)) == []


def test_a_network_counts_as_one():
    sources = Sources(LIMITS, 1000)
    found = []
    for n in range(10):
        found += scans([contact(n, port=n)], src=f"2001:db8::{n}", sources=sources)
    assert found == [("syn", 10, "192.0.2.1")]


def test_a_clock_that_steps_back():
    back = [contact(100 - n, port=n) for n in range(10)]
    assert scans(back) == [("syn", 10, "192.0.2.1")]


def test_sources_are_bounded():
    sources = Sources(LIMITS, 100)
    for n in range(1000):
        scans([contact(1)], src=f"10.0.{n // 250}.{n % 250}", sources=sources)
    assert sources.evicted == 900
    assert len(sources.save()) == 100
    for n in range(1000):
        scans([contact(n * 1000, port=n)], sources=sources)
    assert max(len(contacts) for _, contacts in sources.save()) <= 60


def test_state_is_saved():
    first, second = Sources(LIMITS, 100), Sources(LIMITS, 100)
    scans([contact(n, port=n) for n in range(9)], sources=first)
    second.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.save())))
    assert scans([contact(9, port=9)], sources=second) == [("syn", 10, "192.0.2.1")]


LINE = "Jan 13 10:30:45 gw kernel: {prefix} IN={inward} OUT= SRC=203.0.113.7 DST={dst} {rest}"
TCP = "PROTO=TCP SPT={spt} DPT={dpt} WINDOW=1024 RES=0x00 {flags}URGP=0"


def kind(prefix="", inward="eth0", dst="192.0.2.1", rest="", spt=4711, dpt=22, flags="SYN "):
    rest = rest or TCP.format(spt=spt, dpt=dpt, flags=flags)
    line = LINE.format(prefix=prefix, inward=inward, dst=dst, rest=rest)
    found = packet(line.encode())
    assert found is not None
    return kind_of(found)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("SYN ", "syn"), ("FIN ", "fin"), ("", "null"), ("URG PSH FIN ", "xmas"), ("ACK ", ""),
     ("ACK SYN ", ""), ("RST ", ""), ("ACK RST ", ""), ("ACK FIN ", "")],
)  # fmt: skip
def test_flags(flags, expected):
    assert kind(flags=flags) == expected


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("[UFW BLOCK]", "syn"), ("[UFW LIMIT BLOCK]", "syn"), ("fw-drop:", "syn"), ("", "syn"),
     ("FW_REJECT", "syn"), ("[UFW ALLOW]", ""), ("[UFW AUDIT]", ""), ("FW_ACCEPT_IN", ""),
     ("passive", "syn"), ("DROP not allowed", "syn")],
)  # fmt: skip
def test_only_what_was_stopped_is_evidence(prefix, expected):
    assert kind(prefix=prefix) == expected


def test_late_answers_and_own_packets_are_none():
    assert kind(rest="PROTO=UDP SPT=53 DPT=40000 LEN=9") == ""
    assert kind(rest="PROTO=UDP SPT=53 DPT=161 LEN=9") == "udp"
    assert kind(spt=53, dpt=40000) == "syn"  # a handshake is no answer, whatever its port
    assert kind(inward="") == ""
    assert kind(dst="224.0.0.251", rest="PROTO=UDP SPT=5353 DPT=5353") == ""
    assert kind(rest="PROTO=ICMP TYPE=8 CODE=0") == "echo"
    assert kind(rest="PROTO=ICMP TYPE=3 CODE=3") == ""
    assert kind(rest="PROTO=47") == ""
    assert is_group("255.255.255.255") and is_group("ff02::1") and not is_group("192.0.2.1")
