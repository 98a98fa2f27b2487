"""Link layers: where the network header of a frame begins, and what it is.

Link types by their number in captures (https://www.tcpdump.org/linktypes.html). VLAN tags, PPPoE
sessions and MPLS labels are part of the link header; `capture.wifi` knows 802.11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture import wifi
from mlids.capture.headers import ethernet_header, gather, number, snap_header, tag_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

ETHERNET = 1
RAW = (12, 101, 228, 229)  # IP without a link header
COOKED = 113
COOKED2 = 276
LOOPBACK = (0, 108)  # the address family in the byte order of the writer, or of the network

KNOWN = frozenset((ETHERNET, *RAW, COOKED, COOKED2, *LOOPBACK, *wifi.LINK_TYPES))

IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
TAGS = (0x8100, 0x88A8, 0x9100)
PPPOE = 0x8864
MPLS = (0x8847, 0x8848)
NAMED = 0xAAAA0300  # LLC, then an organisation of zeros: an ethertype follows
LEAST_TYPE = 0x0600  # below, the field is the length of an 802.3 frame
MOST_TAGS = 4  # as deep as a stack of VLAN tags is followed
MOST_LABELS = 8  # likewise of MPLS labels
IPV6_FAMILIES = (10, 23, 24, 28, 30)  # AF_INET6 of Linux, Windows and the BSDs
PPP_KINDS = {0x0021: IPV4, 0x0057: IPV6}  # RFC 1661

Rows = Any


class Link(NamedTuple):
    """What the link layer says, row by row; `short` where it ends within, or goes too deep."""

    size: NDArray[np.int64]
    ethertype: NDArray[np.uint16]
    vlan: NDArray[np.uint16]
    short: NDArray[np.bool_]


def link(
    data: NDArray[np.uint8], start: NDArray[np.int64], captured: NDArray[np.int64], kind: int
) -> Link:
    """Read the link headers of frames of one known kind."""
    size, ethertype = _first_header(data, start, captured, kind)
    sizes = np.empty(len(start), dtype=np.int64)
    sizes[:] = size
    least = np.maximum(sizes, 1) if kind in wifi.LINK_TYPES else max(int(np.max(size)), 1)
    found = Link(sizes, ethertype, np.zeros(len(start), np.uint16), captured < least)
    # Nearly every frame is IP at once; the rest is looked at more closely.
    rows = np.flatnonzero((ethertype != IPV4) & (ethertype != IPV6) & ~found.short)
    if len(rows):
        for peel in (_snap, _tags, _pppoe, _labels):
            peel(data, start, captured, found, rows)
    if found.short.any():
        for column in found[:3]:
            column[found.short] = 0
    return found


def _first_header(
    data: NDArray[np.uint8], start: NDArray[np.int64], captured: NDArray[np.int64], kind: int
) -> tuple[Any, NDArray[np.uint16]]:
    if kind == ETHERNET:
        return 14, gather(data, start, ethernet_header())["type"].astype(np.uint16)
    if kind in RAW:
        return 0, _by_version(data, start)
    if kind == COOKED:
        return 16, number(data, start + 14, ">u2").astype(np.uint16)
    if kind == COOKED2:
        return 20, number(data, start, ">u2").astype(np.uint16)
    if kind in wifi.LINK_TYPES:
        return wifi.network(data, start, captured, kind)
    return 4, _by_family(data, start)


def _whole(
    captured: NDArray[np.int64], found: Link, rows: Rows, more: int | NDArray[np.int64]
) -> Rows:
    """Of these rows those that hold so many bytes more; the others are short."""
    enough = captured[rows] >= found.size[rows] + more
    found.short[rows[~enough]] = True
    return rows[enough]


def _snap(
    data: NDArray[np.uint8], start: Any, captured: NDArray[np.int64], found: Link, rows: Rows
) -> None:
    """An 802.3 frame may name its type behind an LLC header (RFC 1042); most are spanning tree."""
    rows = rows[(found.ethertype[rows] < LEAST_TYPE) & (found.size[rows] == 14)]
    rows = rows[captured[rows] >= 22]
    if len(rows):
        header = gather(data, start[rows] + 14, snap_header())
        named = (header["llc"] == NAMED) & (header["organisation"] == 0)
        found.ethertype[rows[named]] = header["type"][named]
        found.size[rows[named]] += 8


def _tags(
    data: NDArray[np.uint8], start: Any, captured: NDArray[np.int64], found: Link, rows: Rows
) -> None:
    rows = rows[np.isin(found.ethertype[rows], TAGS)]
    for depth in range(MOST_TAGS):
        rows = _whole(captured, found, rows, 4)
        if not len(rows):
            return
        tag = gather(data, start[rows] + found.size[rows], tag_header())
        if depth == 0:
            found.vlan[rows] = tag["tci"] & 0x0FFF
        found.ethertype[rows] = tag["type"]
        found.size[rows] += 4
        rows = rows[np.isin(tag["type"], TAGS)]
    found.short[rows] = True


def _pppoe(
    data: NDArray[np.uint8], start: Any, captured: NDArray[np.int64], found: Link, rows: Rows
) -> None:
    """A PPPoE session (RFC 2516): six bytes, then the protocol of PPP."""
    rows = _whole(captured, found, rows[found.ethertype[rows] == PPPOE], 8)
    protocol = number(data, start[rows] + found.size[rows] + 6, ">u2")
    for ppp, ethertype in PPP_KINDS.items():
        some = rows[protocol == ppp]
        found.ethertype[some] = ethertype
        found.size[some] += 8


def _labels(
    data: NDArray[np.uint8], start: Any, captured: NDArray[np.int64], found: Link, rows: Rows
) -> None:
    """A stack of MPLS labels (RFC 3032); what follows shows itself by its first half byte."""
    rows = rows[np.isin(found.ethertype[rows], MPLS)]
    for _ in range(MOST_LABELS):
        rows = _whole(captured, found, rows, 5)
        if not len(rows):
            return
        word = number(data, start[rows] + found.size[rows], ">u4")
        found.size[rows] += 4
        bottom = word & 0x100 > 0
        _below_labels(data, start, captured, found, rows[bottom])
        rows = rows[~bottom]
    found.short[rows] = True


def _below_labels(
    data: NDArray[np.uint8], start: Any, captured: NDArray[np.int64], found: Link, rows: Rows
) -> None:
    version = number(data, start[rows] + found.size[rows], "u1") >> 4
    found.ethertype[rows[version == 4]] = IPV4
    found.ethertype[rows[version == 6]] = IPV6
    # A control word (RFC 4385) stands before an Ethernet frame that is carried as a whole.
    wires = _whole(captured, found, rows[version == 0], 18)
    found.ethertype[wires] = number(data, start[wires] + found.size[wires] + 16, ">u2")
    found.size[wires] += 18


def _by_version(data: NDArray[np.uint8], start: NDArray[np.int64]) -> NDArray[np.uint16]:
    version = number(data, start, "u1") >> 4
    return np.where(version == 6, IPV6, IPV4).astype(np.uint16)


def _by_family(data: NDArray[np.uint8], start: NDArray[np.int64]) -> NDArray[np.uint16]:
    # A family is below 256, so the byte order shows itself.
    family = number(data, start, "<u4")
    family = np.where(family > 0xFFFF, family.byteswap(), family)
    six = np.isin(family, IPV6_FAMILIES)
    return np.where(six, IPV6, np.where(family == 2, IPV4, 0)).astype(np.uint16)
