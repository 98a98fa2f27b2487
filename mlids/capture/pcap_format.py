"""The pcap file format: draft-ietf-opsawg-pcap, its nanosecond and modified variants."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.headers import gather
from mlids.capture.records import MOST, TRIES, Data, Shape, find, walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER = 24
# Magic number: ns per unit of the second half of a time stamp, bytes of a record header.
MAGICS = {0xA1B2C3D4: (1000, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (1000, 24)}


class Frames(NamedTuple):
    """Frames of one buffer; `kinds` is the link type of all, or of each."""

    start: NDArray[np.int64]
    captured: NDArray[np.int64]
    length: NDArray[np.int64]
    time: NDArray[np.int64]
    kinds: int | NDArray[np.int64]
    number: NDArray[np.int64]  # of the frame in the capture, from 0


class PcapRecords:
    """Reads the records of one pcap file, buffer by buffer.

    rejected: records left out; damage: why it cannot be read on, "" while it can.
    """

    def __init__(self) -> None:
        self.rejected = 0
        self.damage = ""
        self.count = 0
        self.kind = 0
        self._unit = 1000
        self._shape: Shape | None = None
        self._top = b""

    @staticmethod
    def knows(head: bytes) -> bool:
        """Whether a file that begins so is a pcap."""
        return len(head) >= 4 and _order(head) != ""

    def read(self, data: Data, begin: int, end: int) -> tuple[Frames | None, int]:
        """The whole records in ``data[begin:end]``, and where the rest begins."""
        if self._shape is None:
            if end - begin < HEADER:
                return None, begin
            self._read_header(bytes(data[begin : begin + HEADER]))
            begin += HEADER
        shape = self._shape
        assert shape is not None
        if end - begin < shape.header:
            return None, begin
        first = struct.unpack_from(shape.order + "I", data, begin)[0]
        self._top = struct.pack(shape.order + "I", first)
        found = walk(data, begin, end, shape, self._guess)
        if found.broken:
            self.damage = f"impossible record length after frame {self.count + len(found.starts)}"
        return self._frames(data, found.starts), found.following

    def _read_header(self, head: bytes) -> None:
        order = _order(head)
        magic, _, _, _, _, _, kind = struct.unpack(order + "IHHiIII", head)
        self._unit, size = MAGICS[magic]
        self.kind = kind & 0x03FF_FFFF  # above: whether frames end in a check sum
        self._shape = Shape(order, field=8, extra=size, header=size, least=size, step=1)

    def _frames(self, data: Data, starts: NDArray[np.int64]) -> Frames | None:
        if not len(starts):
            return None
        assert self._shape is not None
        u4 = self._shape.order + "u4"
        record: np.dtype[Any] = np.dtype(
            [("second", u4), ("part", u4), ("captured", u4), ("length", u4)]
        )
        header = gather(np.frombuffer(data, np.uint8), starts, record)
        time = header["second"].astype(np.int64) * 1_000_000_000
        time += header["part"].astype(np.int64) * self._unit
        captured = header["captured"].astype(np.int64)
        length = np.maximum(header["length"].astype(np.int64), captured)
        number = np.arange(self.count, self.count + len(starts), dtype=np.int64)
        self.count += len(starts)
        start = starts + self._shape.header
        return Frames(start, captured, length, time, self.kind, number)

    def _guess(self, data: Data, begin: int, end: int) -> int:
        """A record start between the bounds: a time like the first one's, sane lengths, twice."""
        assert self._shape is not None
        little = self._shape.order == "<"
        high, shift = (self._top[2:], 2) if little else (self._top[:2], 0)
        at = begin
        for _ in range(TRIES):
            at = find(data, high, at + shift, end) - shift
            if at < begin:
                return -1
            following = self._plausible(data, at, high, shift)
            if following and self._plausible(data, following, high, shift):
                return at
            at += 1
        return -1

    def _plausible(self, data: Data, at: int, high: bytes, shift: int) -> int:
        """Where the record after this one would begin, 0 if this can be none."""
        assert self._shape is not None
        if at + 16 > len(data) or data[at + shift : at + shift + 2] != high:
            return 0
        part, captured, length = struct.unpack_from(self._shape.order + "III", data, at + 4)
        sane = part < 1_000_000_000 // self._unit and captured <= length <= MOST
        return at + self._shape.extra + captured if sane else 0


def _order(head: bytes) -> str:
    for order in "<>":
        if struct.unpack_from(order + "I", head)[0] in MAGICS:
            return order
    return ""
