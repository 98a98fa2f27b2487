"""What a tunnel carries is decoded as if it had come alone."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from mlids.batches import PacketBatch
from mlids.capture import crafting as c
from mlids.capture.decoding import Fault, Tunnel
from mlids.testing import packets

A, B, OUTER, FAR = "192.0.2.1", "198.51.100.2", "10.0.0.1", "10.0.0.2"
INSIDE = [
    c.ip(A, B, 6, c.tcp(40000, 22, "S", options=b"\x02\x04\x05\xb4")),
    c.ip(A, B, 17, c.udp(5000, 53, b"question")),
    c.ip(A, B, 1, c.icmp(8, payload=b"ping")),
    c.ip("2001:db8::1", "2001:db8::2", 6, c.tcp(40000, 22, "PA", payload=b"GET / HTTP/1.1\r\n")),
    c.ipv6("2001:db8::1", "2001:db8::2", 17, c.udp(1, 2, b"x"), extensions=[(60, bytes(7))]),
    c.ipv4(A, B, 6, c.tcp(1, 2, "FPU"), options=b"\x94\x04\0\0"),
    c.ipv4(A, B, 17, b"later piece", offset=64),
]
PLACES = ("frame", "start", "captured", "length", "network", "transport", "payload_start")


def four(payload: bytes, protocol: int) -> bytes:
    return c.ethernet(c.ipv4(OUTER, FAR, protocol, payload))


def six(payload: bytes, protocol: int) -> bytes:
    return c.ethernet(c.ipv6("fd00::1", "fd00::2", protocol, payload))


def ipip(packet: bytes) -> int:
    return 41 if packet[0] >> 4 == 6 else 4


WRAPS = {
    "ip in ip": lambda p: four(p, ipip(p)),
    "ip in ipv6": lambda p: six(p, ipip(p)),
    "gre": lambda p: four(c.gre(p), 47),
    "gre with a key": lambda p: four(c.gre(p, key=77), 47),
    "gre, checksum, key and number": lambda p: four(
        struct.pack(">HH", 0xB000, 0x86DD if p[0] >> 4 == 6 else 0x0800) + bytes(12) + p, 47
    ),
    "gre with an ethernet frame": lambda p: four(c.gre(c.ethernet(p), 0x6558), 47),
    "gre with a tagged ethernet frame": lambda p: four(c.gre(c.ethernet(p, tags=[5]), 0x6558), 47),
    "erspan": lambda p: four(struct.pack(">HHI", 0x1000, 0x88BE, 1) + bytes(8) + c.ethernet(p), 47),
    "pptp": lambda p: four(
        struct.pack(">HHHHI", 0x3001, 0x880B, len(p) + 2, 9, 1)
        + (b"\0\x57" if p[0] >> 4 == 6 else b"\0\x21")
        + p,
        47,
    ),
    "pptp, framed": lambda p: four(
        struct.pack(">HHHHII", 0x3081, 0x880B, len(p) + 4, 9, 1, 1)
        + (b"\xff\x03\0\x57" if p[0] >> 4 == 6 else b"\xff\x03\0\x21")
        + p,
        47,
    ),
    "vxlan": lambda p: four(c.udp(40001, 4789, c.vxlan(c.ethernet(p))), 17),
    "vxlan in ipv6, tagged": lambda p: six(c.udp(1, 8472, c.vxlan(c.ethernet(p, tags=[9]))), 17),
    "pppoe": lambda p: c.ethernet(c.pppoe(p), 0x8864),
    "mpls": lambda p: c.ethernet(c.mpls(p, 17), 0x8847),
    "three labels": lambda p: c.ethernet(c.mpls(p, 1, 2, 3), 0x8847),
    "mpls with an ethernet frame": lambda p: c.ethernet(
        c.mpls(bytes(4) + c.ethernet(p), 17), 0x8847
    ),
    "tagged pppoe": lambda p: c.ethernet(c.pppoe(p), 0x8864, tags=[5, 6]),
}


def seen(batch: PacketBatch) -> list[tuple[object, ...]]:
    names = [n for n in batch.columns() if n not in (*PLACES, "time", "vlan", "tunnel")]
    rows = zip(*(getattr(batch, name).tolist() for name in names), strict=True)
    return [(*row, batch.payload(n)) for n, row in enumerate(rows)]


@pytest.mark.parametrize("wrap", WRAPS)
def test_the_inner_packet_takes_the_place_of_the_outer(wrap: str) -> None:
    alone = packets([c.ethernet(p) for p in INSIDE])
    assert not alone.fault.any()
    wrapped = packets([WRAPS[wrap](p) for p in INSIDE])
    assert seen(wrapped) == seen(alone)
    layer = next(
        (kind for name, kind in (("gre", 2), ("pptp", 2), ("erspan", 2), ("vx", 3), ("ip ", 1))
         if wrap.startswith(name)), 0,
    )  # fmt: skip
    assert wrapped.tunnel.tolist() == [layer] * len(INSIDE)


def test_one_level_deep_and_no_deeper() -> None:
    packet = c.ipv4(OUTER, FAR, 4, INSIDE[0])
    batch = packets([four(packet, 4)])
    assert batch.protocol.tolist() == [4]
    assert batch.tunnel.tolist() == [Tunnel.IPIP]


@pytest.mark.parametrize("wrap", ["ip in ip", "gre", "pptp", "erspan", "vxlan", "pppoe", "mpls"])
def test_cut_at_every_byte_never_raises_and_never_invents(wrap: str) -> None:
    for inner in INSIDE:
        frame = WRAPS[wrap](inner)
        cut = packets([c.Frame(n, frame[:n], len(frame)) for n in range(len(frame))])
        whole = packets([frame])
        for row in np.flatnonzero(cut.fault == 0):
            addresses = (cut.src_lo[row], cut.dst_lo[row])
            assert addresses in {
                (0, 0),
                (whole.src_lo[0], whole.dst_lo[0]),
                *{(outer.src_lo[0], outer.dst_lo[0]) for outer in [packets([four(b"x", 99)])]},
            }


def test_what_cannot_be_read_inside_leaves_the_outside() -> None:
    broken = packets([four(b"\x99" * 40, 4), four(c.gre(b"\x99" * 40, 0x0800), 47)])
    assert broken.fault.tolist() == [Fault.TUNNEL] * 2
    assert broken.protocol.tolist() == [4, 47]
    assert broken.tunnel.tolist() == [0, 0]


def test_a_probe_without_content_is_no_broken_tunnel() -> None:
    empty = packets([four(b"", 4), four(b"", 47)])
    assert empty.fault.tolist() == [0, 0]
    assert empty.protocol.tolist() == [4, 47]


def test_datagrams_to_the_vxlan_port_that_carry_no_frame_stay_datagrams() -> None:
    batch = packets([four(c.udp(53, 4789, b"x" * 60), 17), four(c.udp(53, 4789, b"\x08"), 17)])
    assert batch.protocol.tolist() == [17, 17]
    assert batch.fault.tolist() == [0, 0]


def test_the_inside_is_not_believed_beyond_the_outside() -> None:
    packet = c.ipv4(A, B, 17, c.udp(1, 2, b"x" * 50), total=400)
    batch = packets([four(packet, 4) + bytes(600)])
    assert batch.fault.tolist() == [Fault.TOTAL_LENGTH]
    assert batch.tunnel.tolist() == [Tunnel.IPIP]


def test_spanning_tree_in_a_tunnel_is_no_fault() -> None:
    frame = c.ethernet(b"\x42\x42\x03" + bytes(35), 0x0026)
    batch = packets([four(c.gre(frame, 0x6558), 47)])
    assert batch.fault.tolist() == [0]
    assert batch.protocol.tolist() == [47]
