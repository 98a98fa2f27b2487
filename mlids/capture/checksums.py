"""Internet checksums of many packets at once (RFC 1071): right, wrong, or not worked out yet.

A sending host that leaves checksums to its network card shows packets whose field holds the sum of
the pseudo header alone, or nothing. That is no fault of the packet: it is `LEFT_TO_THE_CARD`.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.decoding import ICMP, ICMP6, TCP, UDP
from mlids.capture.headers import gather, number
from mlids.capture.links import IPV4, IPV6

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Rows = NDArray[np.intp]
    Words = NDArray[np.uint64]

WIDTHS = (32, 64, 256, 1600)  # packets are summed in groups of about the same length
FIELD = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}  # where the checksum stands
LOW = 0xFFFF
HALF = 16


class Checksum(IntEnum):
    """What a checksum says."""

    UNKNOWN = 0  # not there, cut off, a fragment, or joined by the network card
    RIGHT = 1
    WRONG = 2
    LEFT_TO_THE_CARD = 3


def network(batch: PacketBatch, rows: Rows) -> NDArray[np.uint8]:
    """The checksums of IPv4 headers without options; UNKNOWN for all others."""
    found = np.zeros(len(rows), np.uint8)
    first = batch.start[rows] + batch.network[rows]
    plain = (batch.ethertype[rows] == IPV4) & (number(batch.data, first, "u1") == 0x45)
    plain &= batch.captured[rows] >= batch.network[rows] + 20
    at = first[plain]
    total = _summed(batch, at, np.full(len(at), 20), 32)
    empty = number(batch.data, at + 10, ">u2") == 0
    found[plain] = np.where(total == LOW, Checksum.RIGHT, Checksum.WRONG)
    found[np.flatnonzero(plain)[empty & (total != LOW)]] = Checksum.LEFT_TO_THE_CARD
    return found


def transport(batch: PacketBatch, rows: Rows) -> NDArray[np.uint8]:
    """The checksums of TCP, UDP, ICMP and ICMPv6 packets that are there as a whole."""
    found = np.zeros(len(rows), np.uint8)
    begin = batch.start[rows] + batch.transport[rows]
    size = batch.payload_start[rows] + batch.payload_length[rows] - begin
    whole = (batch.transport[rows] > 0) & (batch.fragment[rows] == 0) & (batch.fault[rows] == 0)
    whole &= begin + size <= batch.start[rows] + batch.captured[rows]
    # A routing header changes the address that is summed; other extensions are as rare.
    six = batch.ethertype[rows] == IPV6
    whole &= ~six | (batch.transport[rows] == batch.network[rows] + 40)
    whole &= (_fields()[batch.protocol[rows]] > 0) & (size <= WIDTHS[-1])
    chosen = np.flatnonzero(whole)
    begin, size, rows = begin[chosen], size[chosen], rows[chosen]
    least = 0
    for width in WIDTHS:
        some = np.flatnonzero((size > least) & (size <= width))
        least = width
        if len(some):
            found[chosen[some]] = _judged(batch, rows[some], begin[some], size[some], width)
    return found


@cache
def _fields() -> NDArray[np.uint8]:
    """By protocol where the checksum stands, 0 where there is none."""
    table = np.zeros(256, np.uint8)
    for protocol, field in FIELD.items():
        table[protocol] = field
    return table


def _judged(batch: PacketBatch, rows: Rows, begin: Any, size: Any, width: int) -> NDArray[np.uint8]:
    protocol = batch.protocol[rows]
    pseudo = _pseudo(batch, rows, size, protocol)
    total = _folded(_summed(batch, begin, size, width) + pseudo)
    written = number(batch.data, begin + _fields()[protocol], ">u2").astype(np.uint64)
    left = (written == 0) | (written == pseudo)
    verdict = np.where(left, Checksum.LEFT_TO_THE_CARD, Checksum.WRONG)
    verdict[total == LOW] = Checksum.RIGHT
    verdict[(written == 0) & (protocol == UDP)] = Checksum.UNKNOWN  # RFC 768: none was made
    return verdict.astype(np.uint8)


def _summed(batch: PacketBatch, at: Any, size: Any, width: int) -> Words:
    """The folded sum of `size` bytes at each place, `width` at the most, as of 16-bit numbers."""
    words = gather(batch.data, at, np.dtype(("<u4", width // 4))).reshape(len(at), width // 4)
    size = np.broadcast_to(np.asarray(size), len(at))
    whole, left = size // 4, (size % 4).astype(np.uint32)
    inside = np.arange(width // 4, dtype=np.int16) < whole.astype(np.int16)[:, None]
    total = (words * inside).sum(axis=1, dtype=np.uint64)
    last = words[np.arange(len(at)), np.minimum(whole, width // 4 - 1)]
    total += last & ((np.uint32(1) << (left * np.uint32(8))) - np.uint32(1))
    native = _folded(total)
    # The sum of swapped numbers is the swapped sum, so nothing was swapped before (RFC 1071 § 2).
    return native.astype(">u2").view("<u2").astype(np.uint64)


def _pseudo(batch: PacketBatch, rows: Rows, size: Any, protocol: NDArray[np.uint8]) -> Words:
    """The folded sum of the pseudo header (RFC 9293 § 3.1, RFC 8200 § 8.1); of ICMP none."""
    half = np.uint64(0xFFFF_FFFF)
    four = batch.ethertype[rows] == IPV4
    total = size.astype(np.uint64) + protocol
    for low, high in ((batch.src_lo, batch.src_hi), (batch.dst_lo, batch.dst_hi)):
        word, upper = low[rows], high[rows]
        total += (word & half) + np.where(four, 0, word >> np.uint64(32))
        total += (upper & half) + (upper >> np.uint64(32))
    total[protocol == ICMP] = 0
    return _folded(total)


def _folded(total: Words) -> Words:
    for _ in range(4):
        total = (total & LOW) + (total >> HALF)
    return total
