"""Builds frames and captures, for tests and benchmarks: plain bytes, no numpy, nothing sent.

::

    frame = ethernet(ipv4("192.0.2.1", "198.51.100.2", 6, tcp(40000, 22, "S")))
    write_pcap(path, [Frame(time_ns, frame)])
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
FLAGS = "FSRPAUEC"  # from the lowest bit up


class Frame(NamedTuple):
    """One recorded frame: ns since 1970, its bytes, and its length on the wire (0: as many)."""

    time_ns: int
    data: bytes
    length: int = 0


def flag_bits(flags: str) -> int:
    """TCP flags by letter: ``"SA"`` is 0x12."""
    return sum(1 << FLAGS.index(letter) for letter in flags)


def ethernet(
    payload: bytes,
    ethertype: int = 0,
    tags: Sequence[int] = (),
    src: str = "02:00:00:00:00:01",
    dst: str = "02:00:00:00:00:02",
) -> bytes:
    """An Ethernet frame; ethertype 0: IPv4 or IPv6 by the payload's version; tags: VLAN ids."""
    ethertype = ethertype or (0x86DD if payload[:1] and payload[0] >> 4 == 6 else 0x0800)
    outer = 0x88A8 if len(tags) > 1 else 0x8100
    kinds = [outer, *[0x8100] * (len(tags) - 1)] if tags else []
    marks = b"".join(struct.pack(">HH", k, tag) for k, tag in zip(kinds, tags, strict=True))
    return _mac(dst) + _mac(src) + marks + struct.pack(">H", ethertype) + payload


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip(src: str, dst: str, protocol: int, payload: bytes, ttl: int = 64) -> bytes:
    """An IPv4 or IPv6 packet, as the addresses say."""
    if ":" in src:
        return ipv6(src, dst, protocol, payload, ttl=ttl)
    return ipv4(src, dst, protocol, payload, ttl=ttl)


def ipv4(
    src: str,
    dst: str,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    options: bytes = b"",
    offset: int = 0,
    more: bool = False,
    total: int | None = None,
    ident: int = 1,
    df: bool = False,
    tos: int = 0,
) -> bytes:
    """An IPv4 packet; offset: of a fragment, in bytes; total: a length that may lie."""
    options += bytes(-len(options) % 4)
    size = 20 + len(options)
    total = size + len(payload) if total is None else total
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x40 | size // 4,
        tos,
        total,
        ident,
        offset // 8 | (0x2000 if more else 0) | (0x4000 if df else 0),
        ttl,
        protocol,
        0,
        ipaddress.IPv4Address(src).packed,
        ipaddress.IPv4Address(dst).packed,
    )
    head += options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(
    src: str,
    dst: str,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    extensions: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """An IPv6 packet; extensions: number and content (without next header) of each, in order."""
    chain, following = b"", protocol
    for kind, content in reversed(extensions):
        chain = bytes([following]) + content + chain
        following = kind
    return (
        struct.pack(">IHBB", 6 << 28, len(chain) + len(payload), following, ttl)
        + ipaddress.IPv6Address(src).packed
        + ipaddress.IPv6Address(dst).packed
        + chain
        + payload
    )


def tcp(
    sport: int,
    dport: int,
    flags: str = "A",
    *,
    seq: int = 0,
    ack: int = 0,
    payload: bytes = b"",
    options: bytes = b"",
) -> bytes:
    """A TCP segment (its checksum is left 0)."""
    options += bytes(-len(options) % 4)
    offset = (20 + len(options)) // 4 << 4
    bits = flag_bits(flags)
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, offset, bits, 64240, 0, 0)
    return head + options + payload


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    """A UDP datagram (without checksum)."""
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def icmp(kind: int, code: int = 0, payload: bytes = b"", rest: int = 0) -> bytes:
    """An ICMP or ICMPv6 message; payload of an error: the packet that it is about."""
    return struct.pack(">BBHI", kind, code, 0, rest) + payload


def igmp(kind: int, group: str = "0.0.0.0") -> bytes:  # noqa: S104
    """An IGMP message."""
    head = struct.pack(">BBH4s", kind, 0, 0, ipaddress.IPv4Address(group).packed)
    return head[:2] + struct.pack(">H", checksum(head)) + head[4:]


def sctp(sport: int, dport: int, chunk: int = 1, payload: bytes = b"") -> bytes:
    """An SCTP packet of one chunk: 1 asks for an association, 2 grants it, 6 refuses."""
    return struct.pack(">HHIIBBH", sport, dport, 0, 0, chunk, 0, 4 + len(payload)) + payload


def gre(payload: bytes, ethertype: int = 0, *, key: int | None = None, flags: int = 0) -> bytes:
    """A GRE header before a packet; key: an identifier that it carries; flags: further ones."""
    ethertype = ethertype or (0x86DD if payload[:1] and payload[0] >> 4 == 6 else 0x0800)
    marks = b"" if key is None else struct.pack(">I", key)
    return struct.pack(">HH", flags | (0 if key is None else 0x2000), ethertype) + marks + payload


def vxlan(frame: bytes, identifier: int = 7) -> bytes:
    """A VXLAN header before an Ethernet frame, as the payload of a datagram to port 4789."""
    return struct.pack(">II", 0x08000000, identifier << 8) + frame


def pppoe(payload: bytes, protocol: int = 0) -> bytes:
    """A PPPoE session's header before a packet, for ethertype 0x8864."""
    protocol = protocol or (0x0057 if payload[:1] and payload[0] >> 4 == 6 else 0x0021)
    return struct.pack(">BBHHH", 0x11, 0, 1, len(payload) + 2, protocol) + payload


def mpls(payload: bytes, *labels: int) -> bytes:
    """A stack of MPLS labels before a packet, for ethertype 0x8847."""
    stack = [label << 12 | (n == len(labels) - 1) << 8 | 64 for n, label in enumerate(labels)]
    return struct.pack(f">{len(stack)}I", *stack) + payload


def arp(operation: int, src: str, dst: str, mac: str = "02:00:00:00:00:01") -> bytes:
    """An ARP message for IPv4 over Ethernet: 1 asks, 2 answers; mac: of its sender."""
    addresses = [ipaddress.IPv4Address(text).packed for text in (src, dst)]
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    return head + _mac(mac) + addresses[0] + bytes(6) + addresses[1]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = int(sum(struct.unpack(f">{len(data) // 2}H", data)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pcap(
    frames: Iterable[Frame],
    *,
    kind: int = 1,
    order: str = "<",
    nanos: bool = False,
    snap: int = 262144,
) -> bytes:
    """A pcap file. kind: link type; order: ``<`` or ``>``; nanos: ns, not µs; snap: cut at."""
    magic, unit = (0xA1B23C4D, 1) if nanos else (0xA1B2C3D4, 1000)
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, kind)]
    for time_ns, data, length in frames:
        seconds, part = divmod(time_ns, 1_000_000_000)
        kept = data[:snap]
        sizes = (len(kept), length or len(data))
        parts.append(struct.pack(order + "IIII", seconds, part // unit, *sizes) + kept)
    return b"".join(parts)


def pcapng(
    frames: Iterable[Frame],
    *,
    kind: int = 1,
    order: str = "<",
    resolution: int | None = None,
    simple: bool = False,
    snap: int = 0,
) -> bytes:
    """A pcapng file of one section and interface.

    resolution: the value of if_tsresol (6: µs, 9: ns, 0x80 | n: 2^-n s), None: not written;
    simple: simple packet blocks, which know no time.
    """
    parts = [section(order), interface(kind, order, resolution, snap)]
    for time_ns, data, length in frames:
        kept = data[:snap] if snap else data
        if simple:
            body = struct.pack(order + "I", length or len(data)) + kept
            parts.append(block(3, body, order))
            continue
        whole = Frame(time_ns, kept, length or len(data))
        parts.append(enhanced(0, whole, order=order, resolution=resolution))
    return b"".join(parts)


def section(order: str = "<") -> bytes:
    """A section header block."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(kind: int, order: str = "<", resolution: int | None = None, snap: int = 0) -> bytes:
    """An interface description block."""
    body = struct.pack(order + "HHI", kind, 0, snap)
    if resolution is not None:
        body += struct.pack(order + "HHB3xHH", 9, 1, resolution, 0, 0)
    return block(1, body, order)


def enhanced(
    number: int, frame: Frame, *, order: str = "<", resolution: int | None = None
) -> bytes:
    """An enhanced packet block of the interface with this number."""
    resolution = 6 if resolution is None else resolution
    units = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    ticks = frame.time_ns * units // 1_000_000_000
    sizes = (len(frame.data), frame.length or len(frame.data))
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, *sizes)
    return block(6, head + frame.data, order)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """Any pcapng block."""
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def write_pcap(path: Path | str, frames: Iterable[Frame], **options: object) -> None:
    """Write frames as `pcap` does."""
    Path(path).write_bytes(pcap(frames, **options))  # type: ignore[arg-type]


def write_pcapng(path: Path | str, frames: Iterable[Frame], **options: object) -> None:
    """Write frames as `pcapng` does."""
    Path(path).write_bytes(pcapng(frames, **options))  # type: ignore[arg-type]
