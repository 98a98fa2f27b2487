"""TCP segments of a batch that matter for web requests, chosen by vectors.

Of ordinary traffic that is not plain HTTP this costs one look at four bytes of each payload.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.headers import gather, tcp_header
from mlids.web.requests import METHODS
from mlids.web.screening import screen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Rows = NDArray[np.intp]

TCP, PUSH = 6, 8
FULL = 1400  # bytes of payload from which a segment without PSH is part of a long transfer
WIDTH = 64  # bytes copied at once
SLOTS, MIX = 1 << 16, 40503

BODIES = (b"POST", b"PUT", b"PATCH", b"PROPFIND", b"PROPPATCH")  # a body may follow the head
_CLIENT, _SERVER = 1, 2  # what the first two bytes of a payload may begin


class Segments(NamedTuple):
    """Rows with TCP payload, and which of them begin a request or an answer."""

    rows: Rows
    requests: NDArray[np.bool_]
    answers: NDArray[np.bool_]


class Key(NamedTuple):
    """A connection: client, then server. Plain numbers, so that it can be saved."""

    src_hi: int
    src_lo: int
    sport: int
    dst_hi: int
    dst_lo: int
    dport: int

    @property
    def slot(self) -> int:
        """Its mixed ports, as `slots` has them."""
        return (self.sport * MIX + self.dport) % SLOTS

    def turned(self) -> Key:
        """The connection as seen from the other side."""
        return Key(self.dst_hi, self.dst_lo, self.dport, self.src_hi, self.src_lo, self.sport)


class Segment(NamedTuple):
    """One segment as an object: those few that need one."""

    key: Key
    seq: int
    ack: int
    time_ns: int
    text: bytes  # what was captured
    length: int  # what was sent
    place: dict[str, Any]

    @property
    def cut(self) -> bool:
        """Whether the capture holds only a part of it."""
        return len(self.text) < self.length


def segments(batch: PacketBatch) -> Segments:
    """The rows of a batch that carry TCP payload."""
    mask = batch.protocol == TCP
    mask &= batch.payload_length > 0
    rows = np.flatnonzero(mask)
    begin = batch.payload_start[rows]
    first = gather(batch.data, begin, np.dtype("<u4"))
    kinds = _kinds()[first & 0xFFFF]
    odd = np.flatnonzero(kinds)
    requests, answers = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    if len(odd):
        odd = odd[(_captured(batch, rows[odd]) >= 4) & (batch.transport[rows[odd]] > 0)]
        requests[odd] = np.isin(first[odd], _openings(METHODS))
        answers[odd] = first[odd] == _number(b"HTTP")
    return Segments(rows, requests, answers)


def slots(batch: PacketBatch, rows: Rows, back: bool = False) -> NDArray[np.uint16]:
    """Mixed ports of rows, the sender's first; back: as the other side has them."""
    sport, dport = batch.sport[rows], batch.dport[rows]
    if back:
        sport, dport = dport, sport
    mixed: NDArray[np.uint16] = sport * np.uint16(MIX) + dport
    return mixed


def suspicious(batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
    """For each row whether its payload needs a closer look."""
    found = np.zeros(len(rows), bool)
    if len(rows):
        text, starts = _joined(batch, rows)
        found[screen(text, starts)] = True
    return found


def unfinished(batch: PacketBatch, rows: Rows) -> NDArray[np.bool_]:
    """For each row that begins a request whether more of it follows, or may follow as a body."""
    length = _captured(batch, rows)
    end = batch.payload_start[rows] + length
    last = gather(batch.data, np.maximum(end - 4, 0), np.dtype("<u4"))
    ends: NDArray[np.bool_] = last == _number(b"\r\n\r\n")
    first = gather(batch.data, batch.payload_start[rows], np.dtype("<u4"))
    ends &= ~np.isin(first, _openings(BODIES))
    ends |= length < batch.payload_length[rows]  # cut: nothing can be joined to it
    return ~ends


def strays(batch: PacketBatch, found: Segments, ports: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the segments go to these ports and may be pieces of a request out of order."""
    to = ports[batch.dport[found.rows]]
    if not to.any():
        return to
    to &= ~ports[batch.sport[found.rows]] & ~found.requests
    small = batch.payload_length[found.rows] < FULL
    to &= small | (batch.flags[found.rows] & PUSH > 0)
    return to


def among(mixed: NDArray[np.uint16], wanted: Iterable[int]) -> NDArray[np.bool_]:
    """Which of the slots are wanted."""
    table = np.zeros(SLOTS, bool)
    table[list(wanted)] = True
    found: NDArray[np.bool_] = table[mixed]
    return found


def segment(batch: PacketBatch, row: int) -> Segment:
    """One row as an object."""
    at = batch.start[row : row + 1] + batch.transport[row]
    header = gather(batch.data, at, tcp_header())[0]
    key = Key(
        int(batch.src_hi[row]),
        int(batch.src_lo[row]),
        int(batch.sport[row]),
        int(batch.dst_hi[row]),
        int(batch.dst_lo[row]),
        int(batch.dport[row]),
    )
    return Segment(
        key,
        int(header["seq"]),
        int(header["ack"]),
        int(batch.time[row]),
        batch.payload(row),
        int(batch.payload_length[row]),
        batch.evidence(row),
    )


def _captured(batch: PacketBatch, rows: Rows) -> NDArray[np.int64]:
    """Bytes of payload that are there."""
    there = batch.start[rows] + batch.captured[rows] - batch.payload_start[rows]
    captured: NDArray[np.int64] = np.clip(there, 0, batch.payload_length[rows])
    return captured


def _joined(batch: PacketBatch, rows: Rows) -> tuple[bytes, NDArray[np.int64]]:
    """The payloads one behind the other, filled up with line ends, and where each begins."""
    length = _captured(batch, rows)
    blocks = length // WIDTH + 1  # so that each ends with a line end at least
    last = np.cumsum(blocks)
    begin = np.repeat(batch.payload_start[rows] - (last - blocks) * WIDTH, blocks)
    at = begin + np.arange(last[-1]) * WIDTH
    data = batch.data
    if int(at.max()) + WIDTH > len(data):  # the buffer ends too early for wide reads
        data = np.concatenate((data, np.zeros(WIDTH, np.uint8)))
    text = gather(data, at, np.dtype(f"V{WIDTH}")).view(np.uint8).reshape(-1, WIDTH)
    tail = text[last - 1]
    beyond = np.arange(WIDTH, dtype=np.uint8) >= (length % WIDTH).astype(np.uint8)[:, None]
    tail[beyond] = 10
    text[last - 1] = tail
    return text.tobytes(), (last - blocks) * WIDTH


def _number(four: bytes) -> int:
    return int.from_bytes(four, "little")


@cache
def _openings(methods: tuple[bytes, ...]) -> NDArray[np.uint32]:
    """The first four bytes of requests with these methods."""
    return np.array([_number((method + b" ")[:4]) for method in methods], np.uint32)


@cache
def _kinds() -> NDArray[np.uint8]:
    """What each pair of first bytes may begin."""
    table = np.zeros(1 << 16, np.uint8)
    for method in METHODS:
        table[_number(method[:2])] = _CLIENT
    table[_number(b"HT")] = _SERVER
    return table
