from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.layouts.netfilter import packet, record

HEAD = b"Jan 13 10:30:45 web kernel: "
ENDS = b"SRC=203.0.113.7 DST=192.0.2.1 LEN=44 TOS=0x00 PREC=0x00 TTL=43 ID=25313 "
TCP = b"PROTO=TCP SPT=5222 DPT=80 WINDOW=1024 RES=0x00 SYN URGP=0"
LINE = HEAD + b"[1995.516358] fw drop: IN=eth0 OUT= MAC=aa:bb " + ENDS + TCP


def test_a_packet():
    found = packet(LINE)
    assert found is not None
    assert found[:9] == (
        "fw drop:", "eth0", "", "203.0.113.7", "192.0.2.1", "TCP", 5222, 80, -1,
    )  # fmt: skip
    assert found.flags == {"SYN"}
    assert record(LINE)["WINDOW"] == "1024"
    assert record(LINE)["FLAGS"] == "SYN"


@pytest.mark.parametrize(
    "line",
    [
        b"[  12.5] IN=eth0 OUT= " + ENDS + TCP,
        b"<4>1 2025-01-13T10:30:45Z web kernel - - - IN=eth0 OUT= " + ENDS + TCP,
        b"2025-01-13T10:30:45+00:00 gw ulogd[7]: IN=eth0 OUT= MAC= " + ENDS + TCP,
        HEAD + b"[UFW BLOCK] IN=eth0 OUT= PHYSIN=veth1 MAC=aa " + ENDS + TCP,
    ],
)
def test_ways_to_log(line):
    found = packet(line)
    assert found and (found.src, found.dport) == ("203.0.113.7", 80)


def test_kinds_of_packets():
    icmp = (
        HEAD
        + b"IN=eth0 OUT= "
        + ENDS
        + b"PROTO=ICMP TYPE=3 CODE=3 [SRC=192.0.2.1 DST=8.8.8.8 SPT=1 DPT=2 ]"
    )
    found = packet(icmp)
    assert found and (found.src, found.icmp_type, found.dport) == ("203.0.113.7", 3, -1)
    udp = packet(HEAD + b"IN=eth0 OUT= SRC=2001:0db8::0001 DST=ff02::1 PROTO=UDP SPT=1 DPT=2")
    assert udp and (udp.src, udp.protocol, udp.flags) == ("2001:db8::1", "UDP", None)
    null = packet(HEAD + b"IN=eth0 OUT= " + ENDS + TCP.replace(b"SYN ", b""))
    assert null and null.flags == frozenset()


@pytest.mark.parametrize(
    "line",
    [
        b"Jan 13 10:30:45 web sshd[1]: Invalid user IN=eth0 OUT= " + ENDS + TCP,
        b"Jan 13 10:30:45 web sshd[1]: kernel: IN=eth0 OUT= " + ENDS + TCP,
        b'203.0.113.7 - - [13/Jan/2025:10:30:45 +0000] "GET /kernel: IN=eth0 OUT= ' + ENDS + TCP,
        b"kernel: IN=eth0 OUT= " + ENDS + TCP,
        HEAD + b"IN=eth0 OUT= SRC=1.2.3.4.5 DST=192.0.2.1 PROTO=TCP",
        HEAD + b"usb 1-1: new device",
        b"",
    ],
)
def test_what_is_no_packet_of_the_kernel(line):
    assert packet(line) is None
    assert record(line) == {}


@given(st.binary(max_size=200))
def test_nothing_raises(text):
    packet(text)
    packet(HEAD + text)
    packet(LINE + text)


def test_long_lines_are_fast():
    began = time.perf_counter()
    for text in (b"IN=" * 20_000, b"a" * 60_000, b" SRC=" * 12_000, b"[ 1.1] " * 9_000):
        packet(HEAD + text)
        packet(text)
    assert time.perf_counter() - began < 1


def test_paths_that_the_kernel_quotes_are_no_packets():
    text = "IN=eth0 OUT= SRC=198.51.100.66 DST=192.0.2.1 LEN=44 PROTO=TCP SPT=1 DPT=22 WINDOW=1 SYN"
    head = "Jan 13 10:30:45 gw kernel: [ 12.345678] "
    assert packet(f"{head}overlayfs: failed to resolve '/tmp/{text}': -2".encode()) is None
    assert packet(f"{head}[DROP] {text}".encode()) is not None
