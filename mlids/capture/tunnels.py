"""Tunnels, one level deep: packets within packets (IP-in-IP, GRE, VXLAN).

`unwrap` finds rows whose packet carries another one, decodes that one and puts it in the row's
place; what stood there before is lost but for `tunnel`. Where the inner packet cannot be read the
row stays as it is, with `Fault.TUNNEL`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlids.capture import links
from mlids.capture.decoding import UDP, Columns, Fault, Tunnel
from mlids.capture.headers import gather, gre_header, number, vxlan_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]
    Places = NDArray[np.int64]

IPV4_IN, IPV6_IN, GRE = 4, 41, 47
VXLAN_PORTS = (4789, 8472)  # RFC 7348; what Linux used before
WIRE, PPP, ERSPAN = 0x6558, 0x880B, 0x88BE  # an Ethernet frame, PPTP, a mirrored Ethernet frame
CHECKSUM, ROUTING, KEY, SEQUENCE, ACKNOWLEDGED = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080


class _Inside(NamedTuple):
    """What tunnels carry: the row, where it begins (bytes of the frame) and its ethertype."""

    rows: Rows
    at: Places
    ethertype: NDArray[np.uint16]  # 0: it cannot be told


def unwrap(columns: Columns) -> None:
    """Replace wrapped packets by what they carry."""
    whole = (columns.fault == 0) & (columns.out["fragment"] == 0)
    protocol = columns.out["protocol"]
    wrapped = whole & ((protocol == IPV4_IN) | (protocol == IPV6_IN) | (protocol == GRE))
    if wrapped.any():
        rows = np.flatnonzero(wrapped)
        rows = rows[columns.rest[rows] > 0]
        generic = protocol[rows] == GRE
        _replace(columns, _in_ip(columns, rows[~generic]), Tunnel.IPIP)
        _replace(columns, _in_gre(columns, rows[generic]), Tunnel.GRE)
    port = columns.out["dport"]
    maybe = (port == VXLAN_PORTS[0]) | (port == VXLAN_PORTS[1])
    if maybe.any():
        _replace(columns, _in_vxlan(columns, np.flatnonzero(maybe & whole)), Tunnel.VXLAN)


def _in_ip(columns: Columns, rows: Rows) -> _Inside:
    six = columns.out["protocol"][rows] == IPV6_IN
    ethertype = np.where(six, links.IPV6, links.IPV4).astype(np.uint16)
    return _Inside(rows, columns.at[rows], ethertype)


def _in_gre(columns: Columns, rows: Rows) -> _Inside:
    data, begin = columns.data, columns.start[rows] + columns.at[rows]
    header = gather(data, begin, gre_header())
    flags, kind = header["flags"], header["type"].astype(np.uint16)
    size = np.full(len(rows), 4, np.int64)
    for bit in (CHECKSUM, KEY, SEQUENCE):
        size += 4 * (flags & bit > 0)
    version = flags & 7
    size += 4 * ((version == 1) & (flags & ACKNOWLEDGED > 0))
    kind[(flags & ROUTING > 0) | (version > 1)] = 0
    # PPTP: PPP with or without its address and control bytes (RFC 2637).
    ppp = kind == PPP
    framed = ppp & (number(data, begin + size, ">u2") == 0xFF03)
    size += 2 * framed
    protocol = number(data, begin + size, ">u2")
    for number_, ethertype in links.PPP_KINDS.items():
        kind[ppp & (protocol == number_)] = ethertype
    size += 2 * ppp
    # A mirrored frame stands behind eight bytes where its packets are numbered (ERSPAN II).
    mirrored = kind == ERSPAN
    size += 8 * (mirrored & (flags & SEQUENCE > 0))
    at = columns.at[rows] + size
    return _Inside(rows, *_beyond_wire(columns, rows, at, kind, mirrored | (kind == WIRE)))


def _in_vxlan(columns: Columns, rows: Rows) -> _Inside:
    at = columns.at[rows] + columns.skip[rows]
    header = gather(columns.data, columns.start[rows] + at, vxlan_header())
    # The port alone proves nothing: any datagram may go there.
    marked = (header["flags"] == 0x08) & (columns.captured[rows] >= at + 8 + 14)
    marked &= (columns.out["protocol"][rows] == UDP) & columns.has_transport[rows]
    rows, at = rows[marked], at[marked] + 8
    kind = np.zeros(len(rows), np.uint16)
    return _Inside(rows, *_beyond_wire(columns, rows, at, kind, np.ones(len(rows), bool)))


def _beyond_wire(
    columns: Columns, rows: Rows, at: Places, kind: NDArray[np.uint16], wire: NDArray[np.bool_]
) -> tuple[Places, NDArray[np.uint16]]:
    """Step over the Ethernet headers of frames that are carried whole."""
    if wire.any():
        room = columns.captured[rows[wire]] - at[wire]
        found = links.link(columns.data, columns.start[rows[wire]] + at[wire], room, links.ETHERNET)
        kind[wire] = np.where(found.short, 0, found.ethertype)
        at = at.copy()
        at[wire] += found.size
    return at, kind


def _replace(columns: Columns, inside: _Inside, tunnel: Tunnel) -> None:
    """Decode what is inside and take it over, row by row, where that goes well."""
    rows = inside.rows
    if not len(rows):
        return
    # No more is believed to be inside than the outside holds.
    ends = columns.at[rows] + columns.rest[rows]
    inner = Columns(
        columns.data,
        columns.start[rows],
        np.minimum(columns.captured[rows], ends),
        np.minimum(columns.length[rows], ends),
    )
    inner.at = inside.at
    inner.rest = np.maximum(ends - inside.at, 0)
    inner.out["ethertype"][:] = inside.ethertype
    inner.out["vlan"][:] = columns.out["vlan"][rows]
    inner.out["tunnel"][:] = tunnel
    inner.read_network()
    inner.read_transport()
    carried = np.isin(inside.ethertype, (links.IPV4, links.IPV6, links.ARP))
    readable = carried & ((inner.fault == 0) | (inner.fault > Fault.VERSION))
    # A tunnel may carry what is no IP (spanning tree, keep-alives): that is no fault.
    broken = (carried | (inside.ethertype == 0)) & ~readable
    if tunnel != Tunnel.VXLAN:
        columns.fault[rows[broken]] = Fault.TUNNEL
    columns.take_over(rows[readable], inner, np.flatnonzero(readable))
