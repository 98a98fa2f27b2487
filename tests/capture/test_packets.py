from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.packets import Fault, address
from mlids.testing import START_NS, packets

KINDS = (1, 12, 101, 228, 229, 113, 276, 0, 108)
COLUMNS = (
    *("ethertype", "vlan", "network", "src_hi", "src_lo", "dst_hi", "dst_lo", "protocol", "ttl"),
    *("fragment", "sport", "dport", "flags", "icmp_type", "icmp_code", "transport"),
    *("payload_start", "payload_length", "fault"),
)


def plain(frame: bytes, wire: int, kind: int) -> dict[str, int]:
    """One frame, read step by step: the twin of `decode`."""
    row = dict.fromkeys(COLUMNS, 0)
    at, row["fault"] = plain_link(frame, kind, row)
    rest = max(wire - at, 0)
    row["payload_start"] = at
    if row["fault"]:
        return row
    read = {0x0800: plain_ipv4, 0x86DD: plain_ipv6, 0x0806: plain_arp}.get(row["ethertype"])
    if read is None:
        row["payload_length"] = rest
        return row
    at, rest, row["fault"] = read(frame, at, rest, row)
    row["payload_start"] = at
    if not row["fault"]:
        row["payload_length"] = rest
        if row["fragment"] < 8 and row["ethertype"] != 0x0806:
            plain_transport(frame, at, rest, row)
    return row


def plain_link(frame: bytes, kind: int, row: dict[str, int]) -> tuple[int, Fault]:
    if kind not in KINDS:
        return 0, Fault.LINK_TYPE
    size = {1: 14, 113: 16, 276: 20, 0: 4, 108: 4}.get(kind, 0)
    if len(frame) < max(size, 1):
        return 0, Fault.LINK
    if kind in (1, 113):
        ethertype = struct.unpack_from(">H", frame, size - 2)[0]
    elif kind == 276:
        ethertype = struct.unpack_from(">H", frame)[0]
    elif kind in (0, 108):
        family = struct.unpack_from("<I", frame)[0]
        family = struct.unpack_from(">I", frame)[0] if family > 0xFFFF else family
        ethertype = {2: 0x800}.get(family, 0x86DD if family in (10, 23, 24, 28, 30) else 0)
    else:
        ethertype = 0x86DD if frame[0] >> 4 == 6 else 0x800
    vlan = 0
    for depth in range(4):
        if ethertype not in (0x8100, 0x88A8, 0x9100):
            break
        if len(frame) < size + 4:
            return 0, Fault.LINK
        tci, ethertype = struct.unpack_from(">HH", frame, size)
        vlan = tci & 0xFFF if depth == 0 else vlan
        size += 4
    if ethertype in (0x8100, 0x88A8, 0x9100):
        return 0, Fault.LINK  # deeper than is followed
    row.update(ethertype=ethertype, vlan=vlan, network=size)
    return size, Fault.NONE


def plain_ipv4(f: bytes, at: int, wire: int, row: dict[str, int]) -> tuple[int, int, Fault]:
    if len(f) < at + 20:
        return at, wire, Fault.NETWORK
    first, total, bits, ttl, protocol, src, dst = struct.unpack_from(">BxHxxHBBxxII", f, at)
    if first >> 4 != 4:
        return at, wire, Fault.VERSION
    row.update(protocol=protocol, ttl=ttl, fragment=(bits & 0x1FFF) * 8 | (bits >> 13 & 1))
    row.update(src_lo=src | 0xFFFF << 32, dst_lo=dst | 0xFFFF << 32)
    size, total = (first & 15) * 4, total or wire
    if size < 20:
        return at, wire, Fault.HEADER_LENGTH
    if not size <= total <= wire:
        return at, wire, Fault.TOTAL_LENGTH
    if len(f) < at + size:
        return at, wire, Fault.NETWORK
    return at + size, total - size, Fault.NONE


def plain_ipv6(f: bytes, at: int, wire: int, row: dict[str, int]) -> tuple[int, int, Fault]:
    if len(f) < at + 40:
        return at, wire, Fault.NETWORK
    first, length, protocol, ttl, *address = struct.unpack_from(">BxxxHBBQQQQ", f, at)
    if first >> 4 != 6:
        return at, wire, Fault.VERSION
    row.update(zip(("src_hi", "src_lo", "dst_hi", "dst_lo"), address, strict=True))
    row.update(protocol=protocol, ttl=ttl)
    rest = length or wire - 40
    if rest > wire - 40:
        return at, wire, Fault.TOTAL_LENGTH
    at += 40
    for _ in range(16):
        kind = row["protocol"]
        if kind not in (0, 43, 44, 51, 60, 135, 139, 140) or row["fragment"] >= 8:
            return at, rest, Fault.NONE
        head = f[at : at + 4].ljust(4, b"\0")
        size = {44: 8, 51: 4 * (head[1] + 2)}.get(kind, 8 * (head[1] + 1))
        if min(rest, len(f) - at) < size:
            return at, rest, Fault.EXTENSION
        row["protocol"] = head[0]
        if kind == 44:
            row["fragment"] = struct.unpack_from(">H", head, 2)[0] & 0xFFF9
        at, rest = at + size, rest - size
    if row["protocol"] in (0, 43, 44, 51, 60, 135, 139, 140) and row["fragment"] < 8:
        return at, rest, Fault.EXTENSION
    return at, rest, Fault.NONE


def plain_arp(f: bytes, at: int, wire: int, row: dict[str, int]) -> tuple[int, int, Fault]:
    if len(f) < at + 28:
        return at, 0, Fault.NETWORK
    kind, hardware, size, operation, src, dst = struct.unpack_from(">xxHBBH6xI6xI", f, at)
    if (kind, hardware, size) != (0x800, 6, 4) or not 0 < operation < 256:
        return at, 0, Fault.ARP
    row.update(src_lo=src | 0xFFFF << 32, dst_lo=dst | 0xFFFF << 32, icmp_type=operation)
    return at + 28, 0, Fault.NONE


def plain_transport(f: bytes, at: int, rest: int, row: dict[str, int]) -> None:
    protocol = row["protocol"]
    if protocol not in (6, 17, 1, 58):
        return
    size = 20 if protocol == 6 else 8
    if len(f) < at + size:
        row.update(fault=Fault.TRANSPORT, payload_length=0)
        return
    found: dict[str, int] = {}
    if protocol == 6:
        found["sport"], found["dport"] = struct.unpack_from(">HH", f, at)
        size, found["flags"] = (f[at + 12] >> 4) * 4, f[at + 13]
        wrong = size < 20 or size > rest
    elif protocol == 17:
        found["sport"], found["dport"], length = struct.unpack_from(">HHH", f, at)
        length = length or rest
        wrong = length < 8 or (length > rest and not row["fragment"])
        rest = min(rest, length)
    else:
        found["icmp_type"], found["icmp_code"] = f[at], f[at + 1]
        wrong = rest < 8
    if wrong:
        row.update(fault=Fault.TRANSPORT_LENGTH, payload_length=0)
        return
    row.update(found, transport=at, payload_start=at + size, payload_length=max(rest - size, 0))


def check(frames: list[Frame], kind: int) -> None:
    batch = packets(frames, kind)
    for n, frame in enumerate(sorted(frames, key=lambda f: f.time_ns)):
        expected = plain(frame.data, frame.length or len(frame.data), kind)
        expected["payload_start"] += int(batch.start[n])
        found = {name: int(getattr(batch, name)[n]) for name in COLUMNS}
        assert found == expected, (kind, frame)


V4, V6 = ("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8:1::2")
SEGMENT = c.tcp(40000, 22, "S", options=b"\2\4\5\xb4")
OPTIONS: list[tuple[int, bytes]] = [(0, bytes(7)), (43, bytes(7)), (60, b"\1" + bytes(14))]
PACKETS = [
    c.ip(*V4, 6, SEGMENT),
    c.ip(*V4, 6, c.tcp(1, 65535, "FPU", payload=b"hello")),
    c.ip(*V4, 17, c.udp(53, 5353, b"answer")),
    c.ip(*V4, 1, c.icmp(3, 3, c.ip(*V4, 17, c.udp(1, 2)))),
    c.ipv4(*V4, 6, SEGMENT, options=b"\1\1\1"),
    c.ipv4(*V4, 6, SEGMENT, offset=8, more=True),
    c.ipv4(*V4, 17, c.udp(1, 2, b"x" * 8)[:12], more=True),
    c.ipv4(*V4, 6, SEGMENT, total=0),
    c.ipv4(*V4, 99, b"gre"),
    c.ip(*V6, 6, SEGMENT),
    c.ip(*V6, 17, c.udp(1, 2, b"abc")),
    c.ip(*V6, 58, c.icmp(128, 0, b"ping")),
    c.ipv6(*V6, 6, SEGMENT, extensions=OPTIONS),
    c.ipv6(*V6, 6, SEGMENT, extensions=[(51, b"\4" + bytes(22)), (44, bytes(7))]),
    c.ipv6(*V6, 6, SEGMENT, extensions=[(44, b"\0\0\x10\0\0\0\0")]),
    c.ipv6(*V6, 6, SEGMENT, extensions=[(60, bytes(7))] * 16),
    c.ipv6(*V6, 6, SEGMENT, extensions=[(60, bytes(7))] * 17),
    c.ipv6(*V6, 59, b""),
]


def dressed(packet: bytes, kind: int, tags: list[int]) -> bytes:
    six = packet[:1] == b"\x60"
    ethertype = struct.pack(">H", 0x86DD if six else 0x0800)
    if kind == 1:
        return c.ethernet(packet, tags=tags)
    if kind == 113:
        return bytes(14) + ethertype + packet
    if kind == 276:
        return ethertype + bytes(18) + packet
    if kind in (0, 108):
        return struct.pack("<I" if kind == 0 else ">I", 10 if six else 2) + packet
    return packet


@pytest.mark.parametrize("kind", KINDS)
def test_every_packet_in_every_link_layer(kind: int) -> None:
    frames = [Frame(START_NS + n, dressed(p, kind, [])) for n, p in enumerate(PACKETS)]
    check(frames, kind)


@pytest.mark.parametrize("tags", [[7], [100, 7], [1, 2, 3, 4], [1, 2, 3, 4, 5]])
def test_vlan_tags(tags: list[int]) -> None:
    frames = [Frame(START_NS + n, c.ethernet(p, tags=tags)) for n, p in enumerate(PACKETS)]
    check(frames, 1)
    batch = packets(frames)
    followed = len(tags) <= 4
    assert set(batch.vlan.tolist()) == {tags[0] if followed else 0}
    assert (batch.dport[0] == 22) is np.bool_(followed)


def test_arp() -> None:
    frames = [c.ethernet(c.arp(2, "10.0.0.1", "10.0.0.2"), 0x0806)]
    batch = packets(frames)
    assert address(int(batch.src_hi[0]), int(batch.src_lo[0])) == "10.0.0.1"
    assert (batch.icmp_type[0], batch.fault[0]) == (2, 0)
    check([Frame(START_NS, frames[0][:n]) for n in range(len(frames[0]) + 1)], 1)


@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_byte(kind: int) -> None:
    whole = [dressed(packet, kind, [9]) for packet in PACKETS]
    cut = [frame[:n] for frame in whole for n in range(len(frame))]
    check([Frame(START_NS + n, frame) for n, frame in enumerate(cut)], kind)
    snapped = [Frame(START_NS, f[:n], len(f)) for f in whole for n in range(0, len(f), 3)]
    check(snapped, kind)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_mutated_frames_as_the_plain_decoder(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from((*KINDS, 147)))
    frames = []
    for n in range(data.draw(st.integers(1, 8))):
        frame = bytearray(dressed(data.draw(st.sampled_from(PACKETS)), kind, []))
        for _ in range(data.draw(st.integers(0, 4))):
            frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
        frame = frame[: data.draw(st.integers(0, len(frame)))]
        frames.append(
            Frame(START_NS + n, bytes(frame), data.draw(st.integers(len(frame), len(frame) + 20)))
        )
    check(frames, kind)


@given(st.lists(st.binary(max_size=90), max_size=8), st.sampled_from(KINDS))
@settings(max_examples=80, deadline=None)
def test_random_frames_as_the_plain_decoder(frames: list[bytes], kind: int) -> None:
    check([Frame(START_NS + n, frame) for n, frame in enumerate(frames)], kind)


def test_payload_and_evidence() -> None:
    batch = packets([c.ethernet(c.ip(*V4, 6, c.tcp(1, 80, "PA", payload=b"GET /"))) + b"trailer"])
    assert batch.payload(0) == b"GET /"
    assert batch.evidence(0) == {"source": "test.pcap", "frame": 1}


def test_no_frames() -> None:
    assert len(packets([])) == 0
