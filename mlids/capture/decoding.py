"""Decodes many frames at once, layer by layer: the machinery behind `packets.decode`."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture import links
from mlids.capture.addresses import MAPPED
from mlids.capture.headers import (
    arp_header,
    extension_header,
    gather,
    ipv4_header,
    ipv6_header,
    sctp_header,
    tcp_header,
    udp_header,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.int64]
    Rows = NDArray[np.intp]

TCP, UDP, ICMP, ICMP6, IGMP, SCTP = 6, 17, 1, 58, 2, 132
FRAGMENT, AUTHENTICATION = 44, 51
# Hop-by-hop, routing, fragment, authentication, destination, mobility, HIP, shim6.
EXTENSIONS = (0, 43, FRAGMENT, AUTHENTICATION, 60, 135, 139, 140)
MOST_EXTENSIONS = 16  # longer chains than this are made to confuse


class Tunnel(IntEnum):
    """How a packet was wrapped."""

    NONE = 0
    IPIP = 1  # IPv4 or IPv6 in IPv4 or IPv6 (RFC 2003, RFC 2473, RFC 4213)
    GRE = 2
    VXLAN = 3


class Fault(IntEnum):
    """Why a frame could not be decoded to its end."""

    NONE = 0
    LINK_TYPE = 1  # a link type that is not known
    LINK = 2  # ends inside the link header, or has more tags or labels than are followed
    NETWORK = 3  # ends inside the network header
    VERSION = 4  # the IP version contradicts the link header
    HEADER_LENGTH = 5  # an IPv4 header shorter than its fixed part
    TOTAL_LENGTH = 6  # IP says more bytes than the frame had, or fewer than its header
    EXTENSION = 7  # IPv6 extension headers cut, past the end, or too many
    TRANSPORT = 8  # ends inside the transport header
    TRANSPORT_LENGTH = 9  # the transport header contradicts the length of the packet
    ARP = 10  # not IPv4 over Ethernet, or an impossible operation
    TUNNEL = 11  # what a tunnel carries cannot be read; the columns are those of its outside


_KINDS = {
    "ethertype": "u2",
    "vlan": "u2",
    "network": "u2",
    "tunnel": "u1",
    "src_hi": "u8",
    "src_lo": "u8",
    "dst_hi": "u8",
    "dst_lo": "u8",
    "protocol": "u1",
    "ttl": "u1",
    "fragment": "u2",
    "sport": "u2",
    "dport": "u2",
    "flags": "u1",
    "icmp_type": "u1",
    "icmp_code": "u1",
}


class Columns:
    """The columns while they are filled, and where each row's decoding stands."""

    def __init__(
        self, data: NDArray[np.uint8], start: Times, captured: NDArray[Any], length: NDArray[Any]
    ) -> None:
        n = len(start)
        self.data, self.start = data, start
        self.captured = captured.astype(np.int64)
        self.length = length.astype(np.int64)
        self.out: dict[str, Any] = {name: np.zeros(n, kind) for name, kind in _KINDS.items()}
        self.fault = np.zeros(n, np.uint8)
        self.at = np.zeros(n, np.int64)  # bytes of the frame that are decoded
        self.rest = np.zeros(n, np.int64)  # bytes that the headers say follow
        self.skip = np.zeros(n, np.int64)  # size of the transport header
        self.has_transport = np.zeros(n, bool)

    def read_links(self, kinds: int | NDArray[np.int64]) -> None:
        """Find where each network header begins."""
        for kind in [kinds] if isinstance(kinds, int) else np.unique(kinds).tolist():
            rows = _all_or_some(np.broadcast_to(np.equal(kinds, kind), self.start.shape))
            if kind not in links.KNOWN:
                self.fault[rows] = Fault.LINK_TYPE
                continue
            found = links.link(self.data, self.start[rows], self.captured[rows], kind)
            self.out["ethertype"][rows] = found.ethertype
            self.out["vlan"][rows] = found.vlan
            self.at[rows] = found.size
            self.fault[rows] = np.where(found.short, Fault.LINK, 0)
        self.rest = np.maximum(self.length - self.at, 0)

    def read_network(self) -> None:
        """Read IPv4, IPv6 and ARP."""
        self.out["network"][:] = self.at
        ethertype, fine = self.out["ethertype"], self.fault == 0
        for kind, read in (
            (links.IPV4, self._ipv4),
            (links.IPV6, self._ipv6),
            (links.ARP, self._arp),
        ):
            rows = _all_or_some((ethertype == kind) & fine)
            if isinstance(rows, slice) or len(rows):
                read(rows)

    def _ipv4(self, rows: slice | Rows) -> None:
        at = self.at[rows]
        room = self.captured[rows] - at
        ip = gather(self.data, self.start[rows] + at, ipv4_header())
        first, total = ip["first"], ip["total"].astype(np.int64)
        size = (first & 15).astype(np.int64) * 4
        wire = self.rest[rows]
        total = np.where(total == 0, wire, total)  # 0: cut into segments by the network card later
        fault = _first_of(
            (Fault.NETWORK, room < 20),
            (Fault.VERSION, first >> 4 != 4),
            (Fault.HEADER_LENGTH, size < 20),
            (Fault.TOTAL_LENGTH, (total < size) | (total > wire)),
            (Fault.NETWORK, room < size),
        )
        bits = ip["fragment"]
        out = self.out
        out["src_lo"][rows] = ip["src"].astype(np.uint64) | np.uint64(MAPPED)
        out["dst_lo"][rows] = ip["dst"].astype(np.uint64) | np.uint64(MAPPED)
        out["protocol"][rows] = ip["protocol"]
        out["ttl"][rows] = ip["ttl"]
        out["fragment"][rows] = (bits & 0x1FFF) * 8 + (bits >> 13 & 1)
        if fault.any():
            self._blank(rows, (room < 20) | (first >> 4 != 4))
            size, total = np.where(fault, 0, size), np.where(fault, wire, total)
        self.fault[rows] = fault
        self.at[rows] = at + size
        self.rest[rows] = total - size

    def _blank(self, rows: slice | Rows, unread: NDArray[np.bool_]) -> None:
        bad = np.flatnonzero(unread)
        bad = bad if isinstance(rows, slice) else rows[bad]
        for name in ("src_hi", "src_lo", "dst_hi", "dst_lo", "protocol", "ttl", "fragment"):
            self.out[name][bad] = 0

    def _ipv6(self, rows: slice | Rows) -> None:
        at = self.at[rows]
        room = self.captured[rows] - at
        ip = gather(self.data, self.start[rows] + at, ipv6_header())
        version, wire = ip["first"] >> 4, self.rest[rows] - 40
        rest = ip["length"].astype(np.int64)
        rest = np.where(rest == 0, wire, rest)  # jumbograms and segments cut later
        fault = _first_of(
            (Fault.NETWORK, room < 40),
            (Fault.VERSION, version != 6),
            (Fault.TOTAL_LENGTH, rest > wire),
        )
        for name in ("src_hi", "src_lo", "dst_hi", "dst_lo", "ttl"):
            self.out[name][rows] = ip[name]
        self.out["protocol"][rows] = ip["next"]
        if fault.any():
            self._blank(rows, (room < 40) | (version != 6))
        self.fault[rows] = fault
        self.at[rows] = at + np.where(fault, 0, 40)
        self.rest[rows] = np.where(fault, wire + 40, rest)
        some = np.arange(len(self.start))[rows] if isinstance(rows, slice) else rows
        self._extensions(some[(fault == 0) & np.isin(ip["next"], EXTENSIONS)])

    def _extensions(self, rows: Rows) -> None:
        """Follow the chains of extension headers, one header of every row at a time."""
        protocol, fragment = self.out["protocol"], self.out["fragment"]
        for _ in range(MOST_EXTENSIONS):
            if not len(rows):
                return
            header = gather(self.data, self.start[rows] + self.at[rows], extension_header())
            kind, units = protocol[rows], header["length"].astype(np.int64)
            size = np.where(kind == AUTHENTICATION, 4 * (units + 2), 8 * (units + 1))
            size[kind == FRAGMENT] = 8
            room = np.minimum(self.captured[rows] - self.at[rows], self.rest[rows])
            cut = room < size
            self.fault[rows[cut]] = Fault.EXTENSION
            rows, header, size, kind = rows[~cut], header[~cut], size[~cut], kind[~cut]
            self.at[rows] += size
            self.rest[rows] -= size
            protocol[rows] = header["next"]
            pieces = kind == FRAGMENT
            bits = header["fragment"][pieces]
            fragment[rows[pieces]] = (bits & 0xFFF8) | (bits & 1)
            later = fragment[rows] >> 3 > 0  # a later fragment has no headers left
            rows = rows[~later & np.isin(protocol[rows], EXTENSIONS)]
        self.fault[rows] = Fault.EXTENSION

    def _arp(self, rows: slice | Rows) -> None:
        at = self.at[rows]
        arp = gather(self.data, self.start[rows] + at, arp_header())
        operation = arp["operation"]
        cut = self.captured[rows] - at < 28
        strange = (arp["protocol"] != links.IPV4) | (arp["hardware_size"] != 6)
        strange |= (arp["protocol_size"] != 4) | (operation == 0) | (operation > 255)
        fault = _first_of((Fault.NETWORK, cut), (Fault.ARP, strange))
        fine = fault == 0
        out = self.out
        out["src_lo"][rows] = np.where(fine, arp["src"].astype(np.uint64) | np.uint64(MAPPED), 0)
        out["dst_lo"][rows] = np.where(fine, arp["dst"].astype(np.uint64) | np.uint64(MAPPED), 0)
        out["icmp_type"][rows] = np.where(fine, operation, 0)
        self.fault[rows] = fault
        self.at[rows] = at + np.where(fine, 28, 0)
        self.rest[rows] = 0

    def take_over(self, rows: Rows, other: Columns, theirs: Rows) -> None:
        """Replace rows by rows of other columns of the same frames."""
        for name, column in self.out.items():
            column[rows] = other.out[name][theirs]
        for name in ("fault", "at", "rest", "skip", "has_transport"):
            getattr(self, name)[rows] = getattr(other, name)[theirs]

    def read_transport(self) -> None:
        """Read TCP, UDP, ICMP, ICMPv6, IGMP and SCTP."""
        protocol = self.out["protocol"]
        whole = (self.fault == 0) & (self.out["fragment"] < 8)  # later fragments have no header
        for numbers, read in (
            ((TCP,), self._tcp),
            ((UDP,), self._udp),
            ((ICMP, ICMP6), self._icmp),
            ((IGMP,), self._igmp),
            ((SCTP,), self._sctp),
        ):
            mask = protocol == numbers[0]
            if len(numbers) > 1:
                mask |= protocol == numbers[1]
            rows = _all_or_some(mask & whole)
            if isinstance(rows, slice) or len(rows):
                read(rows)

    def _tcp(self, rows: slice | Rows) -> None:
        at, rest = self.at[rows], self.rest[rows]
        tcp = gather(self.data, self.start[rows] + at, tcp_header())
        size = (tcp["offset"] >> 4).astype(np.int64) * 4
        short = self.captured[rows] - at < 20
        fields = {name: tcp[name] for name in ("sport", "dport", "flags")}
        self._finish(rows, fields, size, short, (size < 20) | (size > rest))

    def _udp(self, rows: slice | Rows) -> None:
        at, rest = self.at[rows], self.rest[rows]
        udp = gather(self.data, self.start[rows] + at, udp_header())
        length = udp["length"].astype(np.int64)
        length = np.where(length == 0, rest, length)  # segments cut later
        more = self.out["fragment"][rows] > 0
        short = self.captured[rows] - at < 8
        wrong = (length < 8) | ((length > rest) & ~more)
        fields = {name: udp[name] for name in ("sport", "dport")}
        self._finish(rows, fields, np.full(len(udp), 8), short, wrong)
        self.rest[rows] = np.minimum(rest, length)

    def _icmp(self, rows: slice | Rows) -> None:
        at, rest = self.at[rows], self.rest[rows]
        icmp = gather(self.data, self.start[rows] + at, extension_header())
        out = {"icmp_type": icmp["next"], "icmp_code": icmp["length"]}
        short = self.captured[rows] - at < 8
        self._finish(rows, out, np.full(len(icmp), 8), short, rest < 8)

    def _igmp(self, rows: slice | Rows) -> None:
        igmp = gather(self.data, self.start[rows] + self.at[rows], extension_header())
        short = self.captured[rows] - self.at[rows] < 8
        wrong = self.rest[rows] < 8
        self._finish(rows, {"icmp_type": igmp["next"]}, np.full(len(igmp), 8), short, wrong)

    def _sctp(self, rows: slice | Rows) -> None:
        at, rest = self.at[rows], self.rest[rows]
        sctp = gather(self.data, self.start[rows] + at, sctp_header())
        short = self.captured[rows] - at < 16
        fields = {name: sctp[name] for name in ("sport", "dport")}
        fields["icmp_type"] = sctp["chunk"]
        self._finish(rows, fields, np.full(len(sctp), 12), short, rest < 16)

    def _finish(
        self,
        rows: slice | Rows,
        fields: dict[str, Any],
        size: NDArray[np.int64],
        short: NDArray[np.bool_],
        wrong: NDArray[np.bool_],
    ) -> None:
        """Note a transport header: the columns it fills, its size, and what is wrong with it."""
        bad = short | wrong
        fine = None if not bad.any() else ~bad
        for name, values in fields.items():
            self.out[name][rows] = values if fine is None else np.where(fine, values, 0)
        if fine is not None:
            self.fault[rows] = _first_of((Fault.TRANSPORT, short), (Fault.TRANSPORT_LENGTH, wrong))
            size = np.where(fine, size, 0)
        self.skip[rows] = size
        self.has_transport[rows] = True if fine is None else fine


def _all_or_some(mask: NDArray[np.bool_]) -> slice | Rows:
    """The rows of a mask; all of them as a slice, which costs nothing."""
    return slice(None) if mask.all() else np.flatnonzero(mask)


def _first_of(*faults: tuple[Fault, NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """For each row the first fault that holds, else 0."""
    found = np.zeros(len(faults[0][1]), np.uint8)
    for code, holds in reversed(faults):
        if holds.any():
            found[holds] = code
    return found
