"""The pcapng file format: draft-ietf-opsawg-pcapng, with several sections and interfaces."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.headers import gather
from mlids.capture.pcap_format import Frames
from mlids.capture.records import MOST, Shape, first_hit, guessed, pieces, walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.capture.records import Data

SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, PACKET = 0x0A0D0D0A, 1, 2, 3, 6
ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
RESOLUTION, OFFSET = 9, 14  # options of an interface
NS = 1_000_000_000
FIRST_PIECE = 64 * 1024


class Interface(NamedTuple):
    """What an interface description says: link type, bytes kept, units a second, seconds added."""

    kind: int
    snap: int
    units: int
    offset: int


class PcapngRecords:
    """Reads the blocks of one pcapng file, buffer by buffer.

    rejected: packet blocks left out; damage: why it cannot be read on, "" while it can.
    """

    def __init__(self) -> None:
        self.rejected = 0
        self.damage = ""
        self.count = 0
        self._order = ""
        self._interfaces: list[Interface] = []
        self._last = 0  # time of the last packet that had one

    @staticmethod
    def knows(head: bytes) -> bool:
        """Whether a file that begins so is a pcapng."""
        return head[:4] == b"\x0a\x0d\x0d\x0a"

    def read(self, data: Data, begin: int, end: int) -> tuple[Frames | None, int]:
        """The packets of the whole blocks in ``data[begin:end]``, and where the rest begins."""
        parts: list[Frames] = []
        at, piece = begin, end - begin if self._order else FIRST_PIECE
        while not self.damage and end - at >= 12:
            if bytes(data[at : at + 4]) == b"\x0a\x0d\x0d\x0a" and not self._begin_section(
                data, at, end
            ):
                break
            limit = min(end, at + piece)
            found = walk(data, at, limit, self._shape(), self._guess)
            blocks, following = self._to_next_section(data, found.starts, found.following, at)
            # A section may turn the byte order, which makes its header look impossible.
            section = bytes(data[following : following + 4]) == b"\x0a\x0d\x0d\x0a"
            if len(blocks):
                parts += self._packets(data, blocks)
            if found.broken and following == found.following and not (section and following > at):
                self.damage = f"impossible block length after frame {self.count}"
            if not len(blocks) and (limit == end or self.damage):
                return _joined(parts), following
            # A file of many small sections must not be walked to its end once for each of them.
            piece = FIRST_PIECE if len(blocks) and following < found.following else piece * 4
            at = following
        return _joined(parts), at

    def _shape(self) -> Shape:
        return Shape(self._order or "<", field=4, extra=0, header=12, least=12, step=4)

    def _begin_section(self, data: Data, at: int, end: int) -> bool:
        """Take up the byte order of a new section; False where it is cut or none."""
        order = ORDERS.get(bytes(data[at + 8 : at + 12]))
        if order is None:
            self.damage = f"section header without byte order after frame {self.count}"
            return False
        size = struct.unpack_from(order + "I", data, at + 4)[0]
        if not 28 <= size <= MOST:
            self.damage = f"impossible section header after frame {self.count}"
            return False
        if at + size > end:
            return False
        self._order, self._interfaces = order, []
        return True

    def _to_next_section(
        self, data: Data, starts: NDArray[np.int64], following: int, begin: int
    ) -> tuple[NDArray[np.int64], int]:
        """The blocks before the next section header, which may turn the byte order."""
        kinds = self._words(data, starts)
        headers = np.flatnonzero((kinds == SECTION) & (starts > begin))
        if len(headers):
            cut = int(headers[0])
            return starts[:cut], int(starts[cut])
        return starts, following

    def _words(self, data: Data, at: NDArray[np.int64]) -> NDArray[Any]:
        word: np.dtype[Any] = np.dtype(self._order + "u4")
        return gather(np.frombuffer(data, np.uint8), at, word)

    def _packets(self, data: Data, starts: NDArray[np.int64]) -> list[Frames]:
        kinds = self._words(data, starts)
        for at in starts[kinds == INTERFACE].tolist():
            self._interfaces.append(self._interface(data, at))
        rows = np.flatnonzero((kinds == PACKET) | (kinds == OLD_PACKET) | (kinds == SIMPLE_PACKET))
        if not len(rows):
            return []
        u4 = self._order + "u4"
        names = ["kind", "size", "interface", "high", "low", "captured", "length"]
        block = gather(
            np.frombuffer(data, np.uint8), starts[rows], np.dtype([(name, u4) for name in names])
        )
        return self._frames(block, starts[rows], kinds[rows])

    def _frames(
        self, block: NDArray[Any], starts: NDArray[np.int64], kinds: NDArray[Any]
    ) -> list[Frames]:
        size = block["size"].astype(np.int64)
        captured, length = block["captured"].astype(np.int64), block["length"].astype(np.int64)
        number, start = block["interface"].astype(np.int64), starts + 28
        old, simple = kinds == OLD_PACKET, kinds == SIMPLE_PACKET
        if old.any():  # 16 bits of interface number, then a drop count
            halves = block["interface"] if self._order == "<" else block["interface"] >> 16
            number[old] = (halves & 0xFFFF)[old]
        if simple.any():  # the field at the interface's place is the length
            length[simple] = number[simple]
            snap = self._interfaces[0].snap if self._interfaces else 0
            captured[simple] = np.minimum(length[simple], snap or MOST)
            start[simple] = starts[simple] + 12
            number[simple] = 0
        room = size - np.where(simple, 16, 32)
        fine = (captured <= room) & (number < len(self._interfaces)) & (room >= 0)
        ticks = (block["high"].astype(np.uint64) << np.uint64(32)) | block["low"]
        numbers = np.arange(self.count, self.count + len(starts), dtype=np.int64)
        self.count += len(starts)
        self.rejected += int((~fine).sum())
        time, link = self._times(ticks, number, fine), self._links(number)
        if simple.any():
            time = self._without_time(time, simple)
        self._last = int(time[-1]) if len(time) else self._last
        length = np.maximum(length, captured)
        kept = (start, captured, length, time, link, numbers)
        return [Frames(*(column if fine.all() else column[fine] for column in kept))]

    def _links(self, number: NDArray[np.int64]) -> NDArray[np.int64]:
        kinds = np.array([interface.kind for interface in self._interfaces] or [0], dtype=np.int64)
        return kinds[np.minimum(number, len(kinds) - 1)]

    def _times(
        self, ticks: NDArray[np.uint64], number: NDArray[np.int64], fine: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        time = np.zeros(len(ticks), dtype=np.int64)
        for index in np.unique(number[fine]).tolist():
            interface = self._interfaces[index]
            rows = slice(None) if len(self._interfaces) == 1 else number == index
            time[rows] = nanoseconds(ticks[rows], interface.units)
            time[rows] += interface.offset * NS
        return time

    def _without_time(
        self, time: NDArray[np.int64], simple: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Packets that know no time take that of the packet before them."""
        known = np.where(simple, -1, np.arange(len(time)))
        before = np.maximum.accumulate(known)
        return np.where(before < 0, self._last, time[np.maximum(before, 0)])

    def _interface(self, data: Data, at: int) -> Interface:
        size = struct.unpack_from(self._order + "I", data, at + 4)[0]
        if size < 20:
            return Interface(-1, 0, 1_000_000, 0)
        kind, _, snap = struct.unpack_from(self._order + "HHI", data, at + 8)
        units, offset = 1_000_000, 0
        option, end = at + 16, at + size - 4
        while option + 4 <= end:
            code, length = struct.unpack_from(self._order + "HH", data, option)
            value = bytes(data[option + 4 : min(option + 4 + length, end)])
            if code == RESOLUTION and len(value) >= 1:
                power = value[0] & 0x7F
                units = 2 ** min(power, 62) if value[0] & 0x80 else 10 ** min(power, 18)
            elif code == OFFSET and len(value) >= 8:
                offset = struct.unpack(self._order + "q", value[:8])[0]
            option += 4 + length + -length % 4
        return Interface(kind, snap, units, max(-(2**31), min(offset, 2**31)))

    def _guess(self, data: Data, begins: NDArray[np.int64]) -> NDArray[np.int64]:
        """Packet blocks near these places: their type, and their length at both of their ends."""
        octets = np.frombuffer(data, np.uint8)
        word: np.dtype[Any] = np.dtype(self._order + "u4")

        def hits(at: NDArray[np.int64]) -> NDArray[np.int64]:
            far = first_hit(pieces(octets, at).view(word) == PACKET)  # blocks are aligned
            return np.where(far < 0, far, far * 4)

        def good(at: NDArray[np.int64]) -> NDArray[np.bool_]:
            size = gather(octets, at + 4, word).astype(np.int64)
            fine: NDArray[np.bool_] = (
                (gather(octets, at, word) == PACKET) & (size >= 32) & (size % 4 == 0)
            )
            fine &= size <= len(octets) - at
            again = gather(octets, at + np.where(fine, size, 4) - 4, word)
            fine &= np.equal(again, size)
            return fine

        return guessed(begins, hits, good, 4)


def nanoseconds(ticks: NDArray[np.uint64], units: int) -> NDArray[np.int64]:
    """Time stamps of so many units a second as ns; what lies beyond the year 2194 is cut there."""
    most = (2**63 - 1) // NS - 2**31  # leaves room for the interface's offset
    if NS % units == 0:
        top = np.uint64(most * units)
        return (np.minimum(ticks, top) * np.uint64(NS // units)).astype(np.int64)
    seconds = np.minimum(ticks // np.uint64(units), np.uint64(most)).astype(np.int64)
    parts = (ticks % np.uint64(units)).astype(np.float64) * (NS / units)
    found: NDArray[np.int64] = seconds * NS + parts.astype(np.int64)
    return found


def _joined(parts: list[Frames]) -> Frames | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    return Frames(*(np.concatenate(column) for column in zip(*parts, strict=True)))
