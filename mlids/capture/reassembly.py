"""Puts small fragments together, so that no header can hide in pieces.

A fragment of ordinary size holds the whole transport header, and rows of it say what they need to.
Attackers cut datagrams into pieces of 8 bytes (``nmap -f``), so that ports and flags come apart;
such datagrams are joined, and what they make is added to the batch as a further row behind the
fragment that completed it. Bounds: 30 s as Linux waits, `MOST` datagrams, `MOST_BYTES` in all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mlids.batches import PacketBatch
from mlids.capture import links
from mlids.capture.fragments import WAIT_NS, fragments
from mlids.capture.headers import PAD
from mlids.capture.packets import decode

SMALL = 256  # bytes of IP payload; no honest sender cuts so fine but at the end of a datagram
MOST = 1024
MOST_BYTES = 4 << 20
AT_ONCE = 4096  # small fragments of one batch that are looked at
RAW = links.RAW[1]


class Piece(NamedTuple):
    """One fragment."""

    row: int
    time: int
    offset: int  # in the datagram
    more: bool
    header: bytes  # from the network header to the data
    data: bytes


@dataclass
class Datagram:
    """What has come of one datagram."""

    since: int
    pieces: dict[int, bytes] = field(default_factory=dict)  # the first one at each offset counts
    header: bytes = b""
    total: int = -1  # bytes of data, once the last piece has come
    size: int = 0

    def add(self, piece: Piece) -> None:
        """Take a fragment."""
        if piece.offset not in self.pieces:
            self.pieces[piece.offset] = piece.data
            self.size += len(piece.data)
        if piece.offset == 0 and not self.header:
            self.header = piece.header
        if not piece.more:
            self.total = piece.offset + len(piece.data)

    def joined(self) -> bytes | None:
        """All of the data; None where a piece is missing. Of overlaps the earlier offset counts."""
        if self.total < 0 or not self.header or self.size < self.total:
            return None
        data = b""
        for offset in sorted(self.pieces):
            if offset > len(data):
                return None
            data += self.pieces[offset][len(data) - offset :]
        return data[: self.total] if len(data) >= self.total else None


class Reassembly:
    """Joins the small fragments of one input. evicted: datagrams and fragments given up."""

    def __init__(self) -> None:
        self.evicted = 0
        self._open: dict[int, Datagram] = {}
        self._bytes = 0

    def completed(self, batch: PacketBatch) -> PacketBatch:
        """The batch, with a row for each datagram that it completes."""
        if not batch.fragment.any():
            return batch
        made: list[tuple[int, bytes]] = []
        for key, piece in self._pieces(batch):
            whole = self._joined(key, piece)
            if whole is not None:
                made.append((piece.row, whole))
        return _with(batch, made) if made else batch

    def _pieces(self, batch: PacketBatch) -> Iterator[tuple[int, Piece]]:
        found = fragments(batch)
        size = found.end - found.begin
        kept = (found.end <= batch.start[found.row] + batch.captured[found.row]) & (size > 0)
        small = kept & (size < SMALL)
        if not small.any() and not self._open:
            return
        # The large ones are of interest where a small one of the same datagram is known.
        kept &= small | np.isin(found.key, found.key[small]) | bool(self._open)
        found, small = found.take(kept), small[kept]
        self.evicted += max(0, len(small) - AT_ONCE)
        for n in range(min(len(small), AT_ONCE)):
            key = int(found.key[n])
            if small[n] or key in self._open:
                network, begin, end = int(found.network[n]), int(found.begin[n]), int(found.end[n])
                header, data = batch.data[network:begin], batch.data[begin:end]
                row = int(found.row[n])
                yield (
                    key,
                    Piece(
                        row,
                        int(batch.time[row]),
                        int(found.offset[n]),
                        bool(found.more[n]),
                        header.tobytes(),
                        data.tobytes(),
                    ),
                )

    def _joined(self, key: int, piece: Piece) -> bytes | None:
        """Take a fragment; the packet that it completes, if it does."""
        known = self._open.get(key)
        if known is not None and piece.time - known.since > WAIT_NS:
            self._forget(key)
            known = None
        if known is None:
            self._make_room(piece.time)
            known = self._open[key] = Datagram(piece.time)
        before = known.size
        known.add(piece)
        self._bytes += known.size - before
        data = known.joined()
        if data is None:
            return None
        self._forget(key)
        return _packet(known.header, data)

    def _make_room(self, now: int) -> None:
        while self._open:
            key, oldest = next(iter(self._open.items()))
            late = now - oldest.since > WAIT_NS
            if not late and len(self._open) < MOST and self._bytes < MOST_BYTES:
                return
            self.evicted += not late
            self._forget(key)

    def _forget(self, key: int) -> None:
        self._bytes -= self._open.pop(key).size


def _packet(header: bytes, data: bytes) -> bytes:
    """A packet that is no fragment."""
    if header[0] >> 4 == 6:  # its fragment header stays, and says that nothing is missing
        chain = header[40:-8] + header[-8:-6] + bytes(2) + header[-4:]
        return header[:4] + struct.pack(">H", len(chain) + len(data)) + header[6:40] + chain + data
    total = min(len(header) + len(data), 0xFFFF)
    head = header[:2] + struct.pack(">H", total) + header[4:6] + bytes(2) + header[8:10]
    head += bytes(2) + header[12:]
    return head[:10] + struct.pack(">H", _checksum(head)) + head[12:] + data


def _checksum(head: bytes) -> int:
    total = int(sum(struct.unpack(f">{len(head) // 2}H", head)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _with(batch: PacketBatch, made: list[tuple[int, bytes]]) -> PacketBatch:
    """The batch with these packets behind the rows that completed them."""
    rows = np.array([row for row, _ in made], np.intp)
    sizes = np.array([len(packet) for _, packet in made], np.int64)
    added = np.frombuffer(b"".join(packet for _, packet in made) + bytes(PAD), np.uint8)
    data = np.concatenate((batch.data, added))
    joined = decode(
        data,
        len(batch.data) + np.cumsum(sizes) - sizes,
        sizes,
        sizes,
        time=batch.time[rows],
        frame=batch.frame[rows],
        kinds=RAW,
        source=batch.source,
        now=batch.now,
    )
    np.copyto(joined.vlan, batch.vlan[rows])
    np.copyto(joined.tunnel, batch.tunnel[rows])
    order = np.argsort(np.concatenate((np.arange(len(batch)), rows)), kind="stable")
    columns: dict[str, Any] = {
        name: np.concatenate((getattr(batch, name), getattr(joined, name)))[order]
        for name in batch.columns()
    }
    return PacketBatch(
        data=data, now=batch.now, source=batch.source, sampled=batch.sampled, **columns
    )
