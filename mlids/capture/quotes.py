"""What ICMP errors quote: the packet that could not be delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.addresses import MAPPED
from mlids.capture.headers import gather, ipv4_header, ipv6_header, udp_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Words = NDArray[np.uint64]


class Quotes(NamedTuple):
    """Quoted packets: the row of the error, and whose packet it was."""

    row: NDArray[np.int64]
    protocol: NDArray[np.uint8]
    src_hi: Words
    src_lo: Words
    dst_hi: Words
    dst_lo: Words
    sport: NDArray[np.uint16]
    dport: NDArray[np.uint16]


def quotes(batch: PacketBatch, rows: NDArray[Any]) -> Quotes:
    """The packets quoted by these rows, which are "destination unreachable" of ICMP or ICMPv6.

    Left out: quotes too short, and those that are not of a packet of the error's receiver (nobody
    else may be blamed by them).
    """
    six = batch.protocol[rows] == 58
    parts = [_four(batch, rows[~six]), _six(batch, rows[six])]
    found = Quotes(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    own = (found.src_hi == batch.dst_hi[found.row]) & (found.src_lo == batch.dst_lo[found.row])
    return found if own.all() else Quotes(*(column[own] for column in found))


def _four(batch: PacketBatch, rows: NDArray[Any]) -> Quotes:
    at = batch.payload_start[rows]
    room = batch.start[rows] + batch.captured[rows] - at
    ip = gather(batch.data, at, ipv4_header())
    size = (ip["first"] & 15).astype(np.int64) * 4
    whole = (ip["first"] >> 4 == 4) & (size >= 20) & (room >= size + 4)
    whole &= ip["fragment"] & 0x1FFF == 0
    rows, ip, at = rows[whole], ip[whole], at[whole] + size[whole]
    ports, zero = gather(batch.data, at, udp_header()), np.zeros(len(rows), np.uint64)
    mapped = np.uint64(MAPPED)
    return Quotes(
        rows.astype(np.int64),
        ip["protocol"],
        zero,
        ip["src"].astype(np.uint64) | mapped,
        zero,
        ip["dst"].astype(np.uint64) | mapped,
        ports["sport"].astype(np.uint16),
        ports["dport"].astype(np.uint16),
    )


def _six(batch: PacketBatch, rows: NDArray[Any]) -> Quotes:
    at = batch.payload_start[rows]
    room = batch.start[rows] + batch.captured[rows] - at
    ip = gather(batch.data, at, ipv6_header())
    whole = (ip["first"] >> 4 == 6) & (room >= 44)
    rows, ip = rows[whole], ip[whole]
    ports = gather(batch.data, at[whole] + 40, udp_header())
    words = [ip[name].astype(np.uint64) for name in ("src_hi", "src_lo", "dst_hi", "dst_lo")]
    return Quotes(
        rows.astype(np.int64),
        ip["next"],
        words[0],
        words[1],
        words[2],
        words[3],
        ports["sport"].astype(np.uint16),
        ports["dport"].astype(np.uint16),
    )
