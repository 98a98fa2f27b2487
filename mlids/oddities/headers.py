"""Oddities that one packet shows by itself: flags, ports, addresses, lengths, routing options."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture import links, macs
from mlids.capture.addresses import Networks
from mlids.capture.decoding import ICMP6, IGMP, TCP, UDP, Fault
from mlids.capture.flows import flows
from mlids.capture.headers import number
from mlids.capture.tunnels import GRE, IPV4_IN, IPV6_IN, VXLAN_PORTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Rows = NDArray[np.intp]

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
BY_FAULT = {
    Fault.LINK: "truncated",
    Fault.NETWORK: "truncated",
    Fault.TRANSPORT: "truncated",
    Fault.VERSION: "bad-length",
    Fault.HEADER_LENGTH: "bad-length",
    Fault.TOTAL_LENGTH: "bad-length",
    Fault.TRANSPORT_LENGTH: "bad-length",
    Fault.EXTENSION: "extensions",
    Fault.ARP: "bad-length",
    Fault.TUNNEL: "bad-tunnel",
}
LOOSE, STRICT = 131, 137  # IPv4 options that route by the sender's will (RFC 791)
ROUTING = 43
TUNNELS = (IPV4_IN, IPV6_IN, GRE)
OPTION_STEPS = 10
# Never the source of a packet: this network, loopback, groups, reserved (RFC 6890).
NO_SOURCES = ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::1/128", "ff00::/8")
NO_TARGETS = ("0.0.0.0/8", "127.0.0.0/8", "240.0.0.0/5", "248.0.0.0/6", "::1/128")


def oddities(batch: PacketBatch) -> Iterator[tuple[str, Rows]]:
    """The odd packets of a batch, by what is odd."""
    yield from _faults(batch)
    yield "flags", _flags(batch)
    yield from _endpoints(batch)
    yield from _routing(batch)
    yield "nested-tunnel", _nested(batch)


def _faults(batch: PacketBatch) -> Iterator[tuple[str, Rows]]:
    """Headers that contradict themselves; those cut off by the capture are no fault of theirs."""
    rows = np.flatnonzero(batch.fault)
    if not len(rows):
        return
    whole = batch.captured[rows] >= batch.length[rows]
    kinds = batch.fault[rows]
    first = batch.fragment[rows] == 1  # tiny fragments are told as such
    for name in sorted(set(BY_FAULT.values())):
        codes = [int(code) for code, title in BY_FAULT.items() if title == name]
        mine = np.isin(kinds, codes)
        if name == "truncated":
            mine &= whole
        mine &= ~(first & (kinds >= Fault.TRANSPORT))
        yield name, rows[mine]


@cache
def _strange_flags() -> NDArray[np.bool_]:
    """Combinations that no TCP stack sends; none at all is one of them (RFC 9293 § 3.5)."""
    table = np.zeros(256, bool)
    for flags in range(256):
        core = flags & 0x3F
        opposed = bool(core & SYN) and bool(core & (FIN | RST))
        lonely = not core & (SYN | RST | ACK)
        table[flags] = opposed or lonely
    return table


def _flags(batch: PacketBatch) -> Rows:
    rows: Rows = np.flatnonzero(_strange_flags()[batch.flags] & (batch.protocol == TCP))
    return rows[batch.transport[rows] > 0]


def _endpoints(batch: PacketBatch) -> Iterator[tuple[str, Rows]]:
    """Ports, sources and targets that cannot be, on a wire between hosts.

    One row of each conversation is looked at, and every row that belongs to none; only where one
    of them is odd all rows of its conversation are.
    """
    found = flows(batch)
    alone = np.flatnonzero((found.of_row < 0) & (batch.ethertype != links.ARP))
    suspects = _suspects(batch, found.row)
    rows = alone[_suspects(batch, alone)]
    if suspects.any():
        rows = np.sort(
            np.concatenate((rows, np.flatnonzero(suspects[found.of_row] & (found.of_row >= 0))))
        )
    if len(rows):
        yield from _impossibilities(batch, rows)


def _suspects(batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
    """A quick look, the same for both directions of a conversation."""
    sport, dport, protocol = batch.sport[rows], batch.dport[rows], batch.protocol[rows]
    found: NDArray[np.bool_] = ((sport == 0) | (dport == 0)) & (
        (protocol == TCP) | (protocol == UDP)
    )
    six = batch.ethertype[rows] == links.IPV6
    src_hi, src_lo, dst_hi, dst_lo = (
        column[rows] for column in (batch.src_hi, batch.src_lo, batch.dst_hi, batch.dst_lo)
    )
    odd = _odd_octets()
    for hi, lo in ((src_hi, src_lo), (dst_hi, dst_lo)):
        # IPv4 and the unspecified and loopback addresses of IPv6 have nothing in the upper word.
        low = (hi == 0) & (odd[(lo >> np.uint64(24)) & np.uint64(0xFF)] | six)
        found |= low | (hi >> np.uint64(56) == 0xFF)
    found |= (src_lo == dst_lo) & (src_hi == dst_hi)
    found &= (src_lo > 0) | (dst_lo > 0)
    return found


@cache
def _odd_octets() -> NDArray[np.bool_]:
    """First octets of IPv4 addresses that cannot be everywhere (see `NO_SOURCES`)."""
    table = np.zeros(256, bool)
    table[[0, 127]] = True
    table[224:] = True
    return table


def _impossibilities(batch: PacketBatch, rows: Rows) -> Iterator[tuple[str, Rows]]:
    protocol, transport = batch.protocol[rows], batch.transport[rows] > 0
    # Port 0 is reserved; a datagram that wants no answer may come from it (RFC 768).
    zero = (batch.dport[rows] == 0) & ((protocol == TCP) | (protocol == UDP))
    zero |= (batch.sport[rows] == 0) & (protocol == TCP)
    yield "port-zero", rows[zero & transport]
    sources = batch.src_hi[rows], batch.src_lo[rows]
    targets = batch.dst_hi[rows], batch.dst_lo[rows]
    no_source, no_target, mapped = _impossible()
    real = ~_within_host(batch, rows)
    odd_source = real & no_source.among(*sources) & ~_unnumbered(batch, rows)
    same = (sources[0] == targets[0]) & (sources[1] == targets[1])
    yield "impossible-source", rows[odd_source]
    yield "impossible-target", rows[real & no_target.among(*targets) & ~odd_source]
    yield "same-address", rows[real & same & ~odd_source]
    # ::ffff:0:0/96 is for programs; on the wire it gets past filters of addresses.
    six = batch.ethertype[rows] == links.IPV6
    yield "mapped-address", rows[six & (mapped.among(*sources) | mapped.among(*targets))]


@cache
def _impossible() -> tuple[Networks, Networks, Networks]:
    """Sources and targets that cannot be, and IPv4 as columns hold it."""
    return Networks(NO_SOURCES), Networks(NO_TARGETS), Networks(("0.0.0.0/0",))


def _unnumbered(batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
    """A host without an address yet may use 0.0.0.0: DHCP, IGMP; :: likewise, for ICMPv6."""
    nobody = (batch.src_hi[rows] == 0) & (batch.src_lo[rows] & np.uint64(0xFFFF_FFFF) == 0)
    protocol = batch.protocol[rows]
    asks = (protocol == UDP) & (batch.dport[rows] == 67)
    found: NDArray[np.bool_] = nobody & (
        asks | (protocol == IGMP) | (protocol == ICMP6) | (protocol == 0)
    )
    return found


def _within_host(batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
    """Packets of a loopback interface, where a host speaks with itself."""
    sender, receiver = macs.macs(batch, rows)
    loopback = Networks(("127.0.0.0/8", "::1/128"))
    found: NDArray[np.bool_] = (sender == 0) & (receiver == 0)
    return found | (
        loopback.among(batch.src_hi[rows], batch.src_lo[rows])
        & loopback.among(batch.dst_hi[rows], batch.dst_lo[rows])
    )


def _nested(batch: PacketBatch) -> Rows:
    """Tunnels within tunnels: what is in the inner one is not looked at."""
    rows: Rows = np.flatnonzero(batch.tunnel)
    wrapped = np.isin(batch.protocol[rows], TUNNELS)
    return rows[wrapped | np.isin(batch.dport[rows], VXLAN_PORTS)]


def _routing(batch: PacketBatch) -> Iterator[tuple[str, Rows]]:
    """Packets that prescribe their own way: a means to get past filters (RFC 5095, RFC 6274)."""
    size = batch.transport.astype(np.int32) - batch.network
    rows = np.flatnonzero((size > 20) & (size != 40))
    if not len(rows):
        return
    four = rows[batch.ethertype[rows] == links.IPV4]
    six = rows[batch.ethertype[rows] == links.IPV6]
    yield "source-route", np.concatenate((four[_routed(batch, four)], six[_routed6(batch, six)]))


def _routed(batch: PacketBatch, rows: Rows) -> Any:
    """Whether the options of these IPv4 headers hold a source route."""
    at = batch.start[rows] + batch.network[rows] + 20
    end = batch.start[rows] + batch.transport[rows]
    found = np.zeros(len(rows), bool)
    for _ in range(OPTION_STEPS):
        inside = at < end
        kind = np.where(inside, number(batch.data, at, "u1"), 0)
        found |= (kind == LOOSE) | (kind == STRICT)
        size = np.where(kind == 1, 1, np.maximum(number(batch.data, at + 1, "u1"), 2))
        at = np.where(inside & (kind > 0), at + size, end)
    return found


def _routed6(batch: PacketBatch, rows: Rows) -> Any:
    """Whether the first extension is a routing header of type 0 that names a way."""
    at = batch.start[rows] + batch.network[rows]
    kind = number(batch.data, at + 6, "u1")
    size, type0 = number(batch.data, at + 41, "u1"), number(batch.data, at + 42, "u1") == 0
    return (kind == ROUTING) & (size > 0) & type0
