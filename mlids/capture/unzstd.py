"""Reads zstd streams piece by piece, and notices where one is cut."""

from __future__ import annotations

import io
from typing import Any

# A block gives at most 128 kB and takes at least 4 bytes, so no piece gives more than 32 MB.
PIECE = 1024
CHUNK = 64 * 1024
WINDOW = 2**27  # the largest window of a frame that is accepted, bytes


class Unzstd:
    """The bytes that a zstd stream of one or more frames holds.

    zstandard's own reader ends silently where a stream is cut.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        import zstandard

        self._raw = raw
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self._frame: Any = None
        self._packed = memoryview(b"")
        self._open = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as is at hand; 0 at the end. Raises EOFError or ZstdError."""
        while not self._open and self._more():
            self._step()
        count = min(len(self._open), len(buffer))
        buffer[:count] = self._open[:count]
        self._open = self._open[count:]
        return count

    def close(self) -> None:
        """Nothing of its own is open."""

    def _more(self) -> bool:
        if not self._packed:
            self._packed = memoryview(self._raw.read(CHUNK) or b"")
        if not self._packed and self._frame is not None:
            raise EOFError("ends inside a zstd frame")
        return bool(self._packed)

    def _step(self) -> None:
        if self._frame is None:
            self._frame = self._decompressor.decompressobj()
        piece, self._packed = self._packed[:PIECE], self._packed[PIECE:]
        self._open = memoryview(self._frame.decompress(piece))
        if self._frame.eof:
            self._packed = memoryview(self._frame.unused_data + bytes(self._packed))
            self._frame = None
