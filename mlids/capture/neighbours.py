"""Who says to have which address: ARP and IPv6 neighbour discovery, as columns.

Formats: RFC 826 (ARP), RFC 5227 (probes and announcements), RFC 4861 (neighbour discovery).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from mlids.capture import links
from mlids.capture.addresses import MAPPED
from mlids.capture.headers import number
from mlids.capture.macs import GROUP, SHIFT, macs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Words = NDArray[np.uint64]
    Rows = NDArray[np.int64]

REQUEST, REPLY = 1, 2
ICMP6, SOLICITATION, ADVERTISEMENT, ROUTER = 58, 135, 136, 134
OVERRIDE = 0x20
TARGET_LINK_ADDRESS = 2
MOST_OPTIONS = 4


class Claims(NamedTuple):
    """Claims of addresses, in order of their rows."""

    row: Rows  # row of the batch
    hi: Words  # the claimed address
    lo: Words
    mac: Words  # who is said to have it
    ether: Words  # who sent the frame, 0 where the link layer does not say
    reply: NDArray[np.bool_]  # an ARP reply or a neighbour advertisement
    six: NDArray[np.bool_]  # by neighbour discovery


class Asks(NamedTuple):
    """Questions who has an address, in order of their rows."""

    row: Rows
    hi: Words
    lo: Words


class Routers(NamedTuple):
    """Router advertisements with a lifetime above 0."""

    row: Rows
    mac: Words  # Ethernet source


class Neighbours(NamedTuple):
    """What a batch says about addresses on the link."""

    claims: Claims
    asks: Asks
    routers: Routers

    def __bool__(self) -> bool:
        return any(len(part.row) > 0 for part in self)


def neighbours(batch: PacketBatch) -> Neighbours:
    """The claims, questions and router advertisements of a batch; worked out once.

    Left out: senders 0.0.0.0 and ::, group addresses as hardware addresses, advertisements that do
    not override what is known, and neighbour discovery from beyond the link (hop limit below 255).
    """
    if "neighbours" not in batch.memo:
        batch.memo["neighbours"] = _neighbours(batch)
    return cast(Neighbours, batch.memo["neighbours"])


def _neighbours(batch: PacketBatch) -> Neighbours:
    four = np.flatnonzero(batch.ethertype == links.ARP)
    six = np.flatnonzero(batch.protocol == ICMP6)
    if len(four):
        four = four[(batch.fault[four] == 0) & (batch.icmp_type[four] <= REPLY)]
    if len(six):
        told = (batch.ttl[six] == 255) & (batch.transport[six] > 0)
        six = six[told & (batch.icmp_type[six] >= ROUTER) & (batch.icmp_type[six] <= ADVERTISEMENT)]
    if not len(four) and not len(six):
        return _nothing()
    arp, asked = _arp(batch, four)
    claims, asks, routers = _discovery(batch, six)
    if len(six):
        arp = Claims(*_merged(arp, claims))
        asked = Asks(*_merged(asked, asks))
    return Neighbours(arp, asked, routers)


@cache
def _nothing() -> Neighbours:
    rows, words, flags = np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, bool)
    claims = Claims(rows, words, words, words, words, flags, flags)
    return Neighbours(claims, Asks(rows, words, words), Routers(rows, words))


def _merged(one: Any, other: Any) -> list[NDArray[Any]]:
    order = np.argsort(np.concatenate((one.row, other.row)), kind="stable")
    return [np.concatenate(pair)[order] for pair in zip(one, other, strict=True)]


def _ethers(batch: PacketBatch, rows: Rows) -> Words:
    """Ethernet sources; 0 within a tunnel, whose frame was sent by its end."""
    senders = macs(batch, rows)[0] if len(rows) else np.zeros(0, np.uint64)
    return np.where(batch.tunnel[rows] > 0, np.uint64(0), senders)


def _arp(batch: PacketBatch, rows: Rows) -> tuple[Claims, Asks]:
    src, dst = batch.src_lo[rows], batch.dst_lo[rows]
    reply = batch.icmp_type[rows] == REPLY
    at = batch.start[rows] + batch.network[rows]
    mac = number(batch.data, at + 8, ">u8").astype(np.uint64) >> np.uint64(SHIFT)
    fine = (src != MAPPED) & _single(mac)
    asks = ~reply & (src != dst)
    zero = np.zeros(len(rows), np.uint64)
    claims = Claims(rows, zero, src, mac, _ethers(batch, rows), reply, np.zeros(len(rows), bool))
    return (
        Claims(*(column[fine] for column in claims)),
        Asks(rows[asks], zero[asks], dst[asks]),
    )


def _single(mac: Words) -> NDArray[np.bool_]:
    """For each hardware address whether it is that of one card."""
    single: NDArray[np.bool_] = (mac != 0) & (mac & GROUP == 0)
    return single


def _discovery(batch: PacketBatch, rows: Rows) -> tuple[Claims, Asks, Routers]:
    kind = batch.icmp_type[rows]
    at = batch.start[rows] + batch.transport[rows]
    room = batch.start[rows] + batch.captured[rows] - at
    whole = room >= np.where(kind == ROUTER, 16, 24)
    rows, kind, at, room = rows[whole], kind[whole], at[whole], room[whole]
    hi = number(batch.data, at + 8, ">u8").astype(np.uint64)
    lo = number(batch.data, at + 16, ">u8").astype(np.uint64)
    ether = _ethers(batch, rows)
    lifetime = number(batch.data, at + 6, ">u2")
    overrides = number(batch.data, at + 4, "u1") & OVERRIDE > 0
    says = (kind == ADVERTISEMENT) & overrides
    mac = np.zeros(len(rows), np.uint64)
    mac[says] = _target_mac(batch.data, at[says] + 24, (at + room)[says])
    says &= _single(mac)
    count = int(np.count_nonzero(says))
    asks, routers = kind == SOLICITATION, (kind == ROUTER) & (lifetime > 0) & _single(ether)
    claims = Claims(
        rows[says],
        hi[says],
        lo[says],
        mac[says],
        ether[says],
        np.ones(count, bool),
        np.ones(count, bool),
    )
    return claims, Asks(rows[asks], hi[asks], lo[asks]), Routers(rows[routers], ether[routers])


def _target_mac(data: NDArray[np.uint8], at: Rows, end: Rows) -> Words:
    """The target link-layer address among the first options, 0 without one."""
    found = np.zeros(len(at), np.uint64)
    at = at.copy()
    for _ in range(MOST_OPTIONS):
        head = number(data, at, ">u8").astype(np.uint64)
        there = (at + 8 <= end) & (head >> np.uint64(56) == TARGET_LINK_ADDRESS) & (found == 0)
        found[there] = head[there] & np.uint64(0xFFFF_FFFF_FFFF)
        at += 8 * np.maximum((head >> np.uint64(48) & np.uint64(0xFF)).astype(np.int64), 1)
    return found
