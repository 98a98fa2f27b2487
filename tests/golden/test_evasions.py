"""Packets made to get past a sensor: each is decoded to its core or told, never passed over.

The outcome of each case stands in `evasions.json`; ``python -m tests.golden.test_evasions`` writes
it anew, for a reader to compare.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.decoding import Fault, Tunnel
from mlids.capture.reassembly import Reassembly
from mlids.detectors.packet_anomaly import PacketAnomaly
from mlids.testing import START_NS, packets, run

GOLDEN = Path(__file__).with_name("evasions.json")
A, B = "203.0.113.9", "192.168.1.10"
A6, B6 = "2001:db8:bad::9", "2001:db8:1::10"
SYN = c.tcp(40000, 22, "S", options=b"\x02\x04\x05\xb4")
DATA = c.tcp(40000, 80, "PA", payload=b"GET /../../etc/passwd HTTP/1.1\r\n\r\n")
ETHER = c.ethernet
Case = tuple[int, list[bytes]]
CASES: dict[str, Case] = {}


def case(name: str, *frames: bytes, kind: int = 1) -> None:
    assert name not in CASES, name
    CASES[name] = (kind, list(frames))


def four(payload: bytes, protocol: int = 6, **more: Any) -> bytes:
    return ETHER(c.ipv4(A, B, protocol, payload, **more))


def six(payload: bytes, protocol: int = 6, *extensions: tuple[int, bytes]) -> bytes:
    return ETHER(c.ipv6(A6, B6, protocol, payload, extensions=extensions))


def pieces(data: bytes, *sizes: int, protocol: int = 6, ident: int = 7) -> list[bytes]:
    made, at = [], 0
    for size in [*sizes, len(data)]:
        part = data[at : at + size]
        if part:
            more = at + size < len(data)
            made.append(four(part, protocol, offset=at, more=more, ident=ident))
        at += size
    return made


def mark(offset: int, more: bool, ident: int = 9) -> tuple[int, bytes]:
    return 44, b"\0" + (offset | more).to_bytes(2, "big") + ident.to_bytes(4, "big")


def changed(frame: bytes, at: int, new: bytes) -> bytes:
    return frame[:at] + new + frame[at + len(new) :]


# Fragments (Ptacek and Newsham 1998; RFC 1858; RFC 3128; RFC 5722).
case("tiny fragments of 8 bytes", *pieces(SYN, 8, 8))
case("tiny fragments of 16 bytes", *pieces(SYN, 16))
case("tiny fragments, last first", *reversed(pieces(SYN, 8, 8)))
case("tiny fragments, middle last", *[pieces(SYN, 8, 8)[n] for n in (0, 2, 1)])
case("tiny fragments, each twice", *[p for p in pieces(SYN, 8, 8) for _ in range(2)])
case("tiny first fragment, the rest whole", *pieces(DATA, 8))
case("request in fragments of 24 bytes", *pieces(DATA, 24, 24))
case("tiny fragments whose end never comes", *pieces(SYN, 8, 8)[:2])
case("tiny fragments whose beginning never comes", *pieces(SYN, 8, 8)[1:])
case(
    "tiny fragments of two datagrams, interleaved",
    *[p for both in zip(pieces(SYN, 8, 8), pieces(DATA, 8, 8, ident=8), strict=True) for p in both],
)
case(
    "flags overwritten by a second fragment",
    *pieces(c.tcp(40000, 22, "A"), 16)[:1],
    four(SYN[8:], offset=8, ident=7),
)
case("overlap forward", four(DATA[:40], more=True), four(b"x" * 24, offset=32))
case("overlap backward", four(b"x" * 40, offset=24), four(DATA[:32], more=True))
case("overlap of all", four(DATA[:40], more=True), four(b"y" * 64, offset=0, more=True))
case("teardrop", four(c.udp(1, 2, b"x" * 28), 17, more=True), four(b"x" * 4, 17, offset=24))
case(
    "ping of death",
    four(c.icmp(8, payload=b"x" * 32), 1, more=True),
    four(b"x" * 800, 1, offset=65528),
)
case("fragment of nothing", four(b"", more=True))
case("fragment with an odd length and more to come", four(DATA[:21], more=True))
case("later fragment alone", four(SYN, offset=64))
case(
    "fragments inside a tunnel",
    *[
        four(c.ipv4("10.0.0.1", "10.0.0.2", 6, SYN[at : at + 8], offset=at, more=at < 16), 4)
        for at in (0, 8, 16)
    ],
)
case(
    "a tunnel that is itself fragmented",
    *pieces(c.ipv4("10.0.0.1", "10.0.0.2", 6, SYN), 24, protocol=4),
)
case("IPv6 tiny fragments", *[six(SYN[at : at + 8], 6, mark(at, at < 16)) for at in (0, 8, 16)])
case("IPv6 atomic fragment", six(SYN, 6, mark(0, False)))
case("IPv6 overlap", six(DATA[:40], 6, mark(0, True)), six(b"x" * 24, 6, mark(32, False)))
case("IPv6 fragment header twice", six(SYN, 6, mark(0, False), mark(0, False, 10)))
case(
    "IPv6 extensions before a fragment",
    *[six(SYN[at : at + 8], 6, (0, bytes(7)), mark(at, at < 16)) for at in (0, 8, 16)],
)

# Headers that are cut on the wire.
case("Ethernet cut", four(SYN)[:13])
case("VLAN tag cut", ETHER(c.ipv4(A, B, 6, SYN), tags=[5])[:17])
case("IPv4 header cut", four(SYN)[:33])
case("IPv4 options cut", four(SYN, options=b"\x01" * 8)[:38])
case("IPv6 header cut", six(SYN)[:53])
case("IPv6 extension cut", six(SYN, 6, (60, bytes(23)))[:60])
case("TCP header cut", changed(four(SYN)[:46], 16, struct.pack(">H", 32)))
case("TCP header cut, length of IP says more", four(SYN)[:46])
case("UDP header cut", changed(four(c.udp(1, 53), 17)[:40], 16, struct.pack(">H", 26)))
case("ICMP header cut", changed(four(c.icmp(8), 1)[:38], 16, struct.pack(">H", 24)))
case("SCTP header cut", changed(four(c.sctp(1, 2), 132)[:44], 16, struct.pack(">H", 30)))
case("IGMP header cut", changed(four(c.igmp(0x16), 2)[:38], 16, struct.pack(">H", 24)))
case("ARP cut", ETHER(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806)[:40])
case("PPPoE cut", ETHER(c.pppoe(c.ipv4(A, B, 6, SYN)), 0x8864)[:20])
case("MPLS cut", ETHER(c.mpls(c.ipv4(A, B, 6, SYN), 1, 2), 0x8847)[:20])
case("GRE cut", changed(four(c.gre(c.ipv4(A, B, 6, SYN)), 47)[:36], 16, struct.pack(">H", 22)))
case("inner packet of a tunnel cut", four(c.ipv4("10.0.0.1", "10.0.0.2", 6, SYN)[:15], 4))
case("radiotap longer than its frame", struct.pack("<BBHI", 0, 0, 400, 0) + bytes(40), kind=127)

# Lengths that contradict each other.
case("IPv4 header length 16", changed(four(SYN), 14, b"\x44"))
case("IPv4 header length 60 without room", changed(four(SYN), 14, b"\x4f"))
case("IPv4 total length 0, cut by the card later", changed(four(SYN), 16, b"\0\0"))
case("IPv4 total length 10", changed(four(SYN), 16, b"\0\x0a"))
case("IPv4 total length beyond the frame", changed(four(SYN), 16, b"\x40\0"))
case("IPv4 with padding of Ethernet behind it", four(SYN) + bytes(20))
case("IPv6 length beyond the frame", changed(six(SYN), 18, b"\x40\0"))
case("IPv6 length 0, cut by the card later", changed(six(SYN), 18, b"\0\0"))
case("TCP header length 16", changed(four(SYN), 46, b"\x40"))
case("TCP header length 60 without room", changed(four(SYN), 46, b"\xf0"))
case("UDP length 7", changed(four(c.udp(1, 53, b"abc"), 17), 38, b"\0\x07"))
case("UDP length beyond the packet", changed(four(c.udp(1, 53, b"abc"), 17), 38, b"\x10\0"))
case("UDP length below the packet's", changed(four(c.udp(1, 53, b"abcdef"), 17), 38, b"\0\x0a"))
case(
    "ARP with addresses of 8 bytes",
    changed(ETHER(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806), 18, b"\x08"),
)
case("ARP of operation 0", changed(ETHER(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806), 20, b"\0\0"))
case("IPv6 in an IPv4 frame", ETHER(c.ipv6(A6, B6, 6, SYN), 0x0800))
case("IPv4 in an IPv6 frame", ETHER(c.ipv4(A, B, 6, SYN), 0x86DD))
case("IP version 15", changed(four(SYN), 14, b"\xf5"))

# Layers upon layers.
case("four VLAN tags", ETHER(c.ipv4(A, B, 6, SYN), tags=[1, 2, 3, 4]))
case("six VLAN tags", ETHER(c.ipv4(A, B, 6, SYN), tags=[1, 2, 3, 4, 5, 6]))
case("nine MPLS labels", ETHER(c.mpls(c.ipv4(A, B, 6, SYN), *range(1, 10)), 0x8847))
case("SNAP", ETHER(b"\xaa\xaa\x03\0\0\0\x08\0" + c.ipv4(A, B, 6, SYN), 60))
case("IP in IP", four(c.ipv4("10.0.0.1", "10.0.0.2", 6, SYN), 4))
case("IP in IP in IP", four(c.ipv4("10.0.0.1", "10.0.0.2", 4, c.ipv4(A, B, 6, SYN)), 4))
case("GRE in VXLAN", four(c.udp(9, 4789, c.vxlan(four(c.gre(c.ipv4(A, B, 6, SYN)), 47))), 17))
case("VXLAN", four(c.udp(9, 4789, c.vxlan(four(SYN))), 17))
case("PPPoE in a VLAN", ETHER(c.pppoe(c.ipv4(A, B, 6, SYN)), 0x8864, tags=[7]))
case("IPv6 in GRE with a key", four(c.gre(c.ipv6(A6, B6, 6, SYN), key=3), 47))
case("fifteen destination options", six(SYN, 6, *[(60, bytes(7))] * 15))
case("seventeen destination options", six(SYN, 6, *[(60, bytes(7))] * 17))
case("authentication header before TCP", six(SYN, 6, (51, b"\x04" + bytes(22))))
case("routing header of type 0", six(SYN, 6, (43, b"\x02\0\x01" + bytes(4) + bytes(16))))

# Things no stack sends.
for title, flags in (("none", ""), ("FIN", "F"), ("FIN PSH URG", "FPU"), ("SYN FIN", "SF"),
                     ("SYN RST", "SR"), ("all", "FSRPAU")):  # fmt: skip
    case(f"TCP flags: {title}", four(c.tcp(40000, 22, flags)))
case("port 0", four(c.tcp(40000, 0, "S")))
case("source is target", ETHER(c.ipv4(B, B, 6, SYN)))
case("source is a group", ETHER(c.ipv4("224.0.0.9", B, 6, SYN)))
case("source is loopback", ETHER(c.ipv4("127.0.0.1", B, 6, SYN)))
case("IPv4 mapped into IPv6", ETHER(c.ipv6("::ffff:10.0.0.1", B6, 6, SYN)))
case("loose source route", four(SYN, options=bytes([131, 7, 4, 192, 0, 2, 1, 0])))
case(
    "strict source route behind padding",
    four(SYN, options=b"\x01\x01\x01" + bytes([137, 5, 4, 1, 1])),
)
case(
    "wrong checksum from beyond a router",
    *[four(c.tcp(40000 + n, 22, "S")[:16] + b"\x12\x34\0\0", ttl=57) for n in range(8)],
)
case(
    "wrong header checksum from beyond a router",
    *[changed(four(SYN, ttl=57), 24, b"\x12\x34") for _ in range(8)],
)


def outcome(kind: int, frames: list[bytes]) -> dict[str, Any]:
    """What is read of the frames and what is told of them."""
    made = [Frame(START_NS + n * 1_000_000, frame) for n, frame in enumerate(frames)]
    batch = Reassembly().completed(packets(made, kind))
    events = run(PacketAnomaly(), [batch])
    rows = []
    for n in range(len(batch)):
        row = {
            "frame": int(batch.frame[n]),
            "fault": Fault(int(batch.fault[n])).name,
            "tunnel": Tunnel(int(batch.tunnel[n])).name,
            "protocol": int(batch.protocol[n]),
            "fragment": int(batch.fragment[n]),
            "dport": int(batch.dport[n]),
            "flags": int(batch.flags[n]),
            "payload": batch.payload(n)[:40].decode("latin-1"),
        }
        rows.append({name: value for name, value in row.items() if value not in (0, "", "NONE")})
    told = sorted({event.details["metadata"]["technique"] for event in events})
    return {"rows": rows, "told": told}


def core(found: dict[str, Any]) -> bool:
    """Whether the SYN to port 22, or the request, was read."""
    whole = [row for row in found["rows"] if "fault" not in row and "fragment" not in row]
    return any(
        (row.get("dport") == 22 and row.get("flags") == 2) or "etc/passwd" in row.get("payload", "")
        for row in whole
    )


# Neither told nor attacks: what the network card or the wire does, or what nobody answers.
HARMLESS = {"later fragment alone", "UDP length below the packet's"}


@pytest.mark.parametrize("name", CASES)
def test_the_outcome_is_the_recorded_one(name: str) -> None:
    assert outcome(*CASES[name]) == json.loads(GOLDEN.read_text())[name]


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_passed_over_in_silence(name: str) -> None:
    found = outcome(*CASES[name])
    assert core(found) or found["told"] or name in HARMLESS


@pytest.mark.parametrize("name", CASES)
def test_the_capture_may_cut_it_anywhere(name: str) -> None:
    kind, frames = CASES[name]
    for frame in frames:
        cut = [Frame(START_NS + n, frame[:n], len(frame)) for n in range(len(frame) + 1)]
        batch = Reassembly().completed(packets(cut, kind))
        run(PacketAnomaly(), [batch])
        assert (batch.payload_start + 0 <= len(batch.data)).all()


def test_there_are_cases_enough_and_none_is_stale() -> None:
    assert len(CASES) >= 60
    assert set(json.loads(GOLDEN.read_text())) == set(CASES)


if __name__ == "__main__":
    found = {name: outcome(*CASES[name]) for name in CASES}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
