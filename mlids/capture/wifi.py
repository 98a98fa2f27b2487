"""802.11 frames: where they begin in a capture, and the management frames as columns.

IEEE Std 802.11-2020 § 9; radiotap (https://www.radiotap.org), PPI, Prism and AVS headers stand
before the frame in captures of monitor interfaces.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.headers import gather, number, snap_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

PLAIN, PRISM, RADIOTAP, AVS, PPI = 105, 119, 127, 163, 192
LINK_TYPES = (PLAIN, PRISM, RADIOTAP, AVS, PPI)
MANAGEMENT, CONTROL, DATA = 0, 1, 2
HEADER = 24  # bytes of a management frame's header, and of most data frames
TO_DS, FROM_DS, RETRY, PROTECTED, ORDER = 0x01, 0x02, 0x08, 0x40, 0x80


class Management(NamedTuple):
    """Management frames of a batch, one row each."""

    row: NDArray[np.int64]  # row of the batch
    subtype: NDArray[np.uint8]  # 0 association request … 5 probe response, 8 beacon, 12 deauth
    receiver: NDArray[np.uint64]  # 48-bit hardware addresses
    sender: NDArray[np.uint64]
    bssid: NDArray[np.uint64]
    body: NDArray[np.int64]  # offset in batch.data of what follows the header
    end: NDArray[np.int64]  # offset behind the last captured byte
    protected: NDArray[np.bool_]  # the body is encrypted (802.11w)
    retry: NDArray[np.bool_]  # sent again, since nobody acknowledged it
    frequency: NDArray[np.uint16]  # MHz as radiotap says it, 0 where it does not


def preamble(
    data: NDArray[np.uint8], start: NDArray[np.int64], kind: int
) -> tuple[Any, NDArray[np.int64] | int]:
    """Bytes before the 802.11 frame, and the link type behind a PPI header (105 elsewhere)."""
    if kind == RADIOTAP:
        return number(data, start + 2, "<u2").astype(np.int64), PLAIN
    if kind == PPI:
        inner = number(data, start + 4, "<u4").astype(np.int64)
        return number(data, start + 2, "<u2").astype(np.int64), inner
    if kind in (PRISM, AVS):
        # An AVS header begins with its magic number, also in captures that are called Prism.
        avs = number(data, start, ">u4") >> 12 == 0x80211
        length = number(data, start + 4, ">u4")
        other = number(data, start + 4, "<u4")
        return np.where(avs, length, other).astype(np.int64), PLAIN
    return np.zeros(len(start), np.int64), PLAIN


def network(
    data: NDArray[np.uint8], start: NDArray[np.int64], captured: NDArray[np.int64], kind: int
) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Bytes before the network header and its ethertype; 0 where a frame carries none.

    Control and management frames, encrypted ones and those without an LLC header carry none; their
    size is that of the headers of the capture.
    """
    before, inner = preamble(data, start, kind)
    ethertype = np.zeros(len(start), np.uint16)
    size = before.copy()
    fits = (captured >= before + HEADER + 8) & np.equal(inner, PLAIN)
    rows = np.flatnonzero(fits)
    if not len(rows):
        return size, ethertype
    at = start[rows] + before[rows]
    control = number(data, at, "<u2")
    flags = control >> 8
    carries = (control & 0x0F == DATA << 2) & (control & 0x40 == 0) & (flags & PROTECTED == 0)
    both = flags & (TO_DS | FROM_DS) == TO_DS | FROM_DS
    quality = control & 0x80 > 0
    length = HEADER + 6 * both + 2 * quality + 4 * (quality & (flags & ORDER > 0))
    carries &= captured[rows] >= before[rows] + length + 8
    rows, at, length = rows[carries], at[carries], length[carries]
    llc = gather(data, at + length, snap_header())
    named = (llc["llc"] == 0xAAAA0300) & (llc["organisation"] == 0)
    rows = rows[named]
    ethertype[rows] = llc["type"][named]
    size[rows] += length[named] + 8
    return size, ethertype


def is_radio(batch: PacketBatch) -> bool:
    """Whether there are frames of a radio capture; for wired ones one look tells."""
    if not len(batch):
        return False
    first = int(batch.link_type[0])
    return first in LINK_TYPES or not bool((batch.link_type == first).all())


def management(batch: PacketBatch) -> Management:
    """The management frames of a batch whose header is whole."""
    parts = [_management(batch, kind) for kind in LINK_TYPES if (batch.link_type == kind).any()]
    if not parts:
        return _management(batch.take(np.zeros(0, np.intp)), PLAIN)
    found = Management(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    order = np.argsort(found.row, kind="stable")
    columns: list[Any] = [column[order] for column in found]
    return Management(*columns)


def _management(batch: PacketBatch, kind: int) -> Management:
    rows = np.flatnonzero(batch.link_type == kind)
    start, end = batch.start[rows], batch.start[rows] + batch.captured[rows]
    before, inner = preamble(batch.data, start, kind)
    at = start + before
    whole = (at + HEADER <= end) & np.equal(inner, PLAIN)
    control = number(batch.data, np.where(whole, at, 0), "<u2")
    whole &= control & 0x0F == MANAGEMENT << 2
    rows, at, end, control = rows[whole], at[whole], end[whole], control[whole]
    header = gather(batch.data, at, _header())
    return Management(
        rows.astype(np.int64),
        (control >> 4 & 0x0F).astype(np.uint8),
        header["receiver"] >> np.uint64(16),
        header["sender"] >> np.uint64(16),
        header["bssid"] >> np.uint64(16),
        at + HEADER + 4 * (control >> 15).astype(np.int64),
        end,
        control >> 8 & PROTECTED > 0,
        control >> 8 & RETRY > 0,
        _frequency(batch, rows) if kind == RADIOTAP else np.zeros(len(rows), np.uint16),
    )


@cache
def _header() -> np.dtype[Any]:
    """The three addresses, each with the two bytes that follow it."""
    return np.dtype(
        {
            "names": ["receiver", "sender", "bssid"],
            "formats": [">u8", ">u8", ">u8"],
            "offsets": [4, 10, 16],
            "itemsize": 24,
        }
    )


def _frequency(batch: PacketBatch, rows: NDArray[Any]) -> NDArray[np.uint16]:
    """The channel's frequency in a radiotap header: field 3, behind TSFT, flags and rate."""
    start = batch.start[rows]
    present = number(batch.data, start + 4, "<u4")
    at = np.full(len(rows), 8, np.int64)
    word = present
    for _ in range(4):  # further words of presence bits
        more = word >> 31 > 0
        if not more.any():
            break
        word = np.where(more, number(batch.data, start + at, "<u4"), 0)
        at += 4 * more
    at = np.where(present & 1 > 0, (at + 7) // 8 * 8 + 8, at)
    at += (present & 2 > 0).astype(np.int64) + (present & 4 > 0)
    at = (at + 1) // 2 * 2
    there = (present & 8 > 0) & (at + 2 <= number(batch.data, start + 2, "<u2"))
    there &= at + 2 <= batch.captured[rows]
    found = number(batch.data, start + np.where(there, at, 0), "<u2")
    return np.where(there, found, 0).astype(np.uint16)
