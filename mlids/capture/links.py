"""Link layers: where the network header of a frame begins, and what it is.

Link types by their number in captures (https://www.tcpdump.org/linktypes.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.headers import ethernet_header, gather, tag_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

ETHERNET = 1
RAW = (12, 101, 228, 229)  # IP without a link header
COOKED = 113
COOKED2 = 276
LOOPBACK = (0, 108)  # the address family in the byte order of the writer, or of the network

KNOWN = frozenset((ETHERNET, *RAW, COOKED, COOKED2, *LOOPBACK))

IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
TAGS = (0x8100, 0x88A8, 0x9100)
MOST_TAGS = 4  # as deep as a stack of VLAN tags is followed
IPV6_FAMILIES = (10, 23, 24, 28, 30)  # AF_INET6 of Linux, Windows and the BSDs


class Link(NamedTuple):
    """What the link layer says, row by row; `short` where the frame ends inside its header."""

    size: NDArray[np.int64]
    ethertype: NDArray[np.uint16]
    vlan: NDArray[np.uint16]
    short: NDArray[np.bool_]


def link(
    data: NDArray[np.uint8], start: NDArray[np.int64], captured: NDArray[np.int64], kind: int
) -> Link:
    """Read the link headers of frames of one known kind."""
    if kind == ETHERNET:
        size, ethertype = 14, gather(data, start, ethernet_header())["type"].astype(np.uint16)
    elif kind in RAW:
        size, ethertype = 0, _by_version(data, start)
    elif kind == COOKED:
        size, ethertype = 16, _word(data, start + 14)
    elif kind == COOKED2:
        size, ethertype = 20, _word(data, start)
    else:
        size, ethertype = 4, _by_family(data, start)
    sizes = np.full(len(start), size, dtype=np.int64)
    short = captured < max(size, 1)
    vlan = np.zeros(len(start), dtype=np.uint16)
    rows = np.flatnonzero(_tagged(ethertype) & ~short)
    for depth in range(MOST_TAGS):
        if not len(rows):
            break
        short[rows] = captured[rows] < sizes[rows] + 4
        rows = rows[~short[rows]]
        tag = gather(data, start[rows] + sizes[rows], tag_header())
        if depth == 0:
            vlan[rows] = tag["tci"] & 0x0FFF
        ethertype[rows] = tag["type"]
        sizes[rows] += 4
        rows = rows[_tagged(ethertype[rows])]
    ethertype[short] = 0
    vlan[short] = 0
    sizes[short] = 0
    return Link(sizes, ethertype, vlan, short)


def _tagged(ethertype: NDArray[np.uint16]) -> NDArray[np.bool_]:
    a, b, c = TAGS
    found: NDArray[np.bool_] = (ethertype == a) | (ethertype == b) | (ethertype == c)
    return found


def _word(data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.uint16]:
    return gather(data, at, _type(">u2")).astype(np.uint16)


def _by_version(data: NDArray[np.uint8], start: NDArray[np.int64]) -> NDArray[np.uint16]:
    version = gather(data, start, _type("u1")) >> 4
    return np.where(version == 6, IPV6, IPV4).astype(np.uint16)


def _by_family(data: NDArray[np.uint8], start: NDArray[np.int64]) -> NDArray[np.uint16]:
    # A family is below 256, so the byte order shows itself.
    family = gather(data, start, _type("<u4"))
    family = np.where(family > 0xFFFF, family.byteswap(), family)
    six = np.isin(family, IPV6_FAMILIES)
    return np.where(six, IPV6, np.where(family == 2, IPV4, 0)).astype(np.uint16)


def _type(text: str) -> np.dtype[Any]:
    return np.dtype(text)
