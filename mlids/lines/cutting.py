"""Cuts a stream of bytes into whole lines, with a bound on what is held of an unfinished one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlids.lines.chunks import line_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]


class Cut(NamedTuple):
    """Whole lines of one piece of a stream; `rejected` counts lines that were too long to keep."""

    data: bytes
    starts: Numbers
    ends: Numbers
    numbers: Numbers
    base: int  # offset of data[0] in the stream
    rejected: int


class Cutter:
    """Takes bytes as they come, gives whole lines; a line without an end waits for it.

    A line longer than `max_line` bytes is cut out and counted; no more than that is ever held.
    offset, lines: where the next line begins, and how many there were before it.
    """

    def __init__(self, max_line: int, offset: int = 0, lines: int = 0) -> None:
        self.max_line = max_line
        self.offset = offset
        self.lines = lines
        self.held = b""  # the beginning of a line whose end has not come
        self._dropped = 0  # bytes let go of a line that is too long

    @property
    def taken(self) -> int:
        """Offset behind the last byte that was taken."""
        return self.offset + len(self.held) + self._dropped

    def feed(self, chunk: bytes) -> Cut | None:
        """The lines that these bytes complete, if there is anything to tell."""
        if self._dropped:
            end = chunk.find(b"\n") + 1
            self._dropped += end or len(chunk)
            if not end:
                return None
            self.offset, self._dropped, self.lines = self.taken, 0, self.lines + 1
            chunk = chunk[end:]
        data = self.held + chunk if self.held else chunk
        starts, ends = line_bounds(data)
        base = self.offset
        whole = data.rfind(b"\n") + 1
        self.held = data[whole:]
        self.offset += whole
        cut = self._kept(data, starts, ends, base)
        if len(self.held) > self.max_line + 1:  # a carriage return may be the last of it
            self._dropped, self.held = len(self.held), b""
            cut = cut._replace(rejected=cut.rejected + 1)
        return cut if len(cut.starts) or cut.rejected else None

    def finish(self) -> Cut | None:
        """The end of the stream: what is held is a line, though its end is missing."""
        data, base = self.held, self.offset
        self.offset = self.taken
        self.held, self._dropped = b"", 0
        if not data:
            return None
        ends = len(data) - data.endswith(b"\r")
        return self._kept(data, np.array([0]), np.array([ends]), base)

    def _kept(self, data: bytes, starts: Numbers, ends: Numbers, base: int) -> Cut:
        numbers = np.arange(self.lines + 1, self.lines + 1 + len(starts), dtype=np.int64)
        self.lines += len(starts)
        fits = ends - starts <= self.max_line
        rejected = len(fits) - int(fits.sum())
        if rejected:
            starts, ends, numbers = starts[fits], ends[fits], numbers[fits]
        return Cut(data, starts, ends, numbers, base, rejected)
