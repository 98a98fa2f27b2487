from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.detectors.kernel_firewall import KernelFirewall
from mlids.formats.app import App
from mlids.formats.kernel import Kernel
from mlids.formats.syslog import Syslog
from mlids.testing import START_NS, check_detector, lines, run
from mlids.volume import NS

A, B = "203.0.113.7", "192.0.2.1"
LINE = (
    "Jan 13 {clock} gw kernel: [  12.345678] {prefix}IN=eth0 OUT= MAC=aa:bb SRC={src} DST={dst}"
    " LEN=44 TTL=43 ID=1 PROTO={proto} SPT=4711 DPT={port} {flags}"
)
SYN = "WINDOW=1024 RES=0x00 SYN URGP=0"


def line(second=0, src=A, dst=B, port=1, proto="TCP", flags=SYN, prefix="[UFW BLOCK] "):
    clock = f"{10 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return LINE.format(
        clock=clock, src=src, dst=dst, port=port, proto=proto, flags=flags, prefix=prefix
    )


def said(*text, form=None, **options):
    batch = lines(*text, format=form or Syslog(timezone="UTC"), source="kern.log")
    return check_detector(lambda: KernelFirewall(**options), batch)


def test_a_port_scan():
    (event,) = said(*(line(n, port=20 + n) for n in range(10)))
    assert (event.type, event.severity, event.source) == ("Port Scan", "HIGH", "network")
    assert (event.rule, event.techniques) == ("kernel_firewall/syn", ["T1046"])
    details = event.details
    assert (details["ip"], details["target"], details["port"], details["protocol"]) == (
        A,
        B,
        20,
        "TCP",
    )
    assert details["metadata"]["technique"] == "syn"
    assert details["metadata"]["ports"] == list(range(20, 30))
    assert [place["line"] for place in event.evidence] == list(range(10, 0, -1))
    assert event.timestamp == "2025-01-13T10:00:09.000000Z"
    assert "threshold 10 in 60 s" in event.explanation


def test_one_less_is_silent():
    assert said(*(line(n, port=20 + n) for n in range(9))) == []
    assert said(*(line(n, port=20 + n) for n in range(5)), threshold=5)
    assert said(*(line(n, port=20 + n) for n in range(4)), threshold=5) == []


@pytest.mark.parametrize(
    ("changes", "technique"),
    [
        ({"flags": SYN.replace("SYN", "FIN")}, "fin"),
        ({"flags": SYN.replace("SYN ", "")}, "null"),
        ({"flags": SYN.replace("SYN", "FIN PSH URG")}, "xmas"),
        ({"proto": "UDP", "flags": "LEN=20"}, "udp"),
    ],
)
def test_techniques(changes, technique):
    (event,) = said(*(line(n, port=20 + n, **changes) for n in range(10)))
    assert event.details["metadata"]["technique"] == technique


def test_sweeps():
    (event,) = said(*(line(9 * n, dst=f"192.0.2.{n}", port=22) for n in range(25)))
    assert (event.details["metadata"]["technique"], event.techniques) == ("sweep", ["T1018"])
    assert event.details["metadata"]["hosts"] == 25
    echo = [
        line(n, dst=f"192.0.2.{n}").replace(
            "PROTO=TCP SPT=4711 DPT=1 " + SYN, "PROTO=ICMP TYPE=8 CODE=0"
        )
        for n in range(10)
    ]
    (event,) = said(*echo)
    assert (event.details["protocol"], event.details["metadata"]["hosts"]) == ("ICMP", 10)


def test_slow_scans():
    (event,) = said(*(line(1000 * n, port=20 + n) for n in range(30)))
    assert event.rule == "kernel_firewall/slow"
    assert said(*(line(1000 * n, port=20 + n) for n in range(29))) == []


def test_a_scan_that_goes_on_is_told_by_the_volume_law():
    events = said(*(line(n // 10, port=1 + n) for n in range(2000)))
    assert [event.details["metadata"]["triggers"] for event in events] == [1, 10, 100, 200]
    assert sum(event.details["suppressed"] + 1 for event in events) == 200
    assert len({event.correlation_id for event in events}) == 1


def test_sources_from_home_and_networks():
    (event,) = said(*(line(n, src="10.0.0.7", port=20 + n) for n in range(10)))
    assert event.severity == "MEDIUM"
    (event,) = said(
        *(line(n, src=f"2001:db8::{n}", dst="2001:db9::1", port=20 + n) for n in range(10))
    )
    assert event.details["metadata"]["prefix"] == "2001:db8::/64"
    assert said(*(line(n, src=f"203.0.113.{n}", port=20 + n) for n in range(10))) == []


def test_ignored():
    scan = [line(n, port=20 + n) for n in range(10)]
    assert said(*scan, ignore_sources=["203.0.113.0/24"]) == []
    assert said(*scan, network_ignore_targets=[B]) == []
    assert said(*scan, exclude_ips=[A]) == []


def test_look_alikes():
    for prefix in ("[UFW ALLOW] ", "[UFW AUDIT] ", "FW-ACCEPT: "):
        assert said(*(line(n, port=20 + n, prefix=prefix) for n in range(20))) == []
    answers = (
        line(n, port=40000 + n, proto="UDP", flags="LEN=9").replace("SPT=4711", "SPT=53")
        for n in range(20)
    )
    assert said(*answers) == []
    assert said(*(line(n, port=443) for n in range(50))) == []
    assert (
        said(*(line(n, port=20 + n).replace("IN=eth0 OUT=", "IN= OUT=eth0") for n in range(20)))
        == []
    )


@pytest.mark.parametrize(
    "forged",
    [
        "Jan 13 10:00:00 gw sshd[7]: Invalid user kernel: {} from 8.8.4.4 port 1",
        "Jan 13 10:00:00 gw app: [UFW BLOCK] {}",
        '8.8.4.4 - - [13/Jan/2025:10:00:00 +0000] "GET /?{} HTTP/1.1" 200 1',
        "{}",
    ],
)
def test_nobody_can_blame_another(forged):
    packets = [line(n, port=20 + n).partition("[UFW BLOCK] ")[2] for n in range(40)]
    for form in (Syslog(timezone="UTC"), Kernel(timezone="UTC"), App(), None):
        batch = lines(*(forged.format(packet) for packet in packets), format=form)
        assert run(KernelFirewall(), [batch]) == []


@pytest.mark.parametrize(
    "form", [Syslog(timezone="UTC"), Kernel(timezone="UTC"), App(timezone="UTC")]
)
def test_any_format_serves(form):
    other = "Jan 13 10:00:00 gw sshd[7]: Connection closed"
    text = [each for n in range(10) for each in (other, line(n, port=20 + n))]
    (event,) = said(*text, form=form)
    assert event.time_ns // NS == 1736762409
    assert [place["line"] for place in event.evidence] == list(range(20, 0, -2))


def test_lines_without_a_time_have_that_of_their_file():
    dmesg = [line(n, port=20 + n).partition("kernel: ")[2] for n in range(10)]
    (event,) = said(*dmesg, form=Kernel())
    assert event.time_ns == START_NS
    assert len(run(KernelFirewall(), [lines(*dmesg)])) == 1


def test_heartbeats_tell_what_was_held_back():
    made = KernelFirewall()
    text = [line(n // 10, port=1 + n) for n in range(50)]
    assert len(list(made.inspect(lines(*text, format=Syslog(timezone="UTC"))))) == 1
    beat = replace(lines(), now=START_NS + 3600 * NS)
    (event,) = made.inspect(beat)
    assert event.details["suppressed"] == 3


def test_sources_are_bounded():
    made = KernelFirewall(max_keys=100)
    text = [line(n // 100, src=f"100.{n // 250}.{n % 250}.1", port=22) for n in range(3000)]
    list(made.inspect(lines(*text, format=Syslog(timezone="UTC"))))
    assert made.counts()["evicted_sources"] == 2900
    assert len(msgspec.msgpack.encode(made.save())) < 1 << 16


@given(st.lists(st.binary(max_size=80).filter(lambda b: b"\n" not in b), max_size=4))
def test_garbage_tells_nothing(rubbish):
    odd = [b" SRC= DST= DPT=", b"\xff SRC=\xff", line(dst="1.2.3.4.5"), line(port=10**9)]
    assert run(KernelFirewall(), [lines(*rubbish, *odd, format=Syslog())]) == []


CORPUS = Path(os.environ.get("MLIDS_CORPORA", "/nowhere")) / "logs" / "crowdsec"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="MLIDS_CORPORA names no labelled cases")
def test_labelled_scans():
    text = (CORPUS / "iptables-scan-multi-port.log").read_bytes().splitlines()
    events = said(*text, form=Kernel(timezone="UTC"))
    assert {event.details["ip"] for event in events} == {"62.34.17.168", "127.0.0.2"}
