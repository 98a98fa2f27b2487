"""The pcap file format: draft-ietf-opsawg-pcap, its nanosecond and modified variants."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.headers import gather
from mlids.capture.records import MOST, Shape, first_hit, guessed, pieces, walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.capture.records import Data

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
        self._high = 0  # half of the seconds of the first record in the buffer

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
        self._high = first >> 16
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
        header = gather(np.frombuffer(data, np.uint8), starts, self._record())
        time = header["second"].astype(np.int64) * 1_000_000_000
        time += header["part"].astype(np.int64) * self._unit
        captured = header["captured"].astype(np.int64)
        length = np.maximum(header["length"].astype(np.int64), captured)
        number = np.arange(self.count, self.count + len(starts), dtype=np.int64)
        self.count += len(starts)
        start = starts + self._shape.header
        return Frames(start, captured, length, time, self.kind, number)

    def _guess(self, data: Data, begins: NDArray[np.int64]) -> NDArray[np.int64]:
        """Record starts near these places: a time like the first one's, sane lengths, twice."""
        assert self._shape is not None
        shift = 2 if self._shape.order == "<" else 0
        # The upper half of the seconds, of which one more begins every 18 hours.
        marks = [struct.pack(self._shape.order + "H", self._high + n & 0xFFFF) for n in (0, 1)]
        octets = np.frombuffer(data, np.uint8)

        def hits(at: NDArray[np.int64]) -> NDArray[np.int64]:
            near = pieces(octets, at + shift)
            found = [
                _is_any(near[:, n : near.shape[1] - 1 + n], {m[n] for m in marks}) for n in (0, 1)
            ]
            return first_hit(found[0] & found[1])

        def good(at: NDArray[np.int64]) -> NDArray[np.bool_]:
            fine, following = self._plausible(octets, at)
            return fine & self._plausible(octets, following)[0]

        return guessed(begins, hits, good, 1)

    def _plausible(
        self, octets: NDArray[np.uint8], at: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Whether a record can begin at each place, and where the next one would."""
        assert self._shape is not None
        header = gather(octets, at, self._record())
        captured = header["captured"]
        fine = (at + 16 <= len(octets)) & (captured <= header["length"])
        fine &= (header["length"] <= MOST) & (header["part"] < 1_000_000_000 // self._unit)
        fine &= (header["second"] >> 16) - self._high <= 1
        return fine, at + self._shape.extra + np.where(fine, captured, 0)

    def _record(self) -> np.dtype[Any]:
        assert self._shape is not None
        names = ("second", "part", "captured", "length")
        return np.dtype([(name, self._shape.order + "u4") for name in names])


def _is_any(octets: NDArray[np.uint8], values: set[int]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = octets == values.pop()
    for value in values:
        found |= octets == value
    return found


def _order(head: bytes) -> str:
    for order in "<>":
        if struct.unpack_from(order + "I", head)[0] in MAGICS:
            return order
    return ""
