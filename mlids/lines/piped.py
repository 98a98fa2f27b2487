"""Standard input, read as it comes and without waiting for it."""

from __future__ import annotations

import os
import select
import sys

from mlids.errors import MLIDSError
from mlids.lines.cutting import Cut, Cutter

AT_ONCE = 1 << 16  # bytes that a pipe gives at once


class Piped:
    """The lines of standard input until its end; then `ended` is true."""

    def __init__(self, max_line: int) -> None:
        self.ended = False
        self._cutter = Cutter(max_line)
        self._descriptor = -1

    def open(self) -> None:
        """Take the input. Raises `MLIDSError` E007 where there is none, or it is a terminal."""
        try:
            descriptor = os.dup(sys.stdin.fileno())
        except (OSError, ValueError, AttributeError):
            raise MLIDSError("E007", "there is no standard input", "redirect one") from None
        if os.isatty(descriptor):
            os.close(descriptor)
            hint = "pipe or redirect a log into it"
            raise MLIDSError("E007", "standard input is a terminal", hint)
        self.close()
        self._descriptor = descriptor

    def read(self, size: int, wait_s: float = 0.0) -> Cut | None:
        """What has come, at most about `size` bytes; None where nothing has.

        wait_s: seconds to wait for something. Raises OSError.
        """
        data = b""
        while len(data) < size and not self.ended and self._ready(0.0 if data else wait_s):
            part = os.read(self._descriptor, AT_ONCE)
            self.ended = not part
            data += part
        cut = self._cutter.feed(data) if data else None
        if self.ended and cut is None:
            return self._cutter.finish()
        return cut

    def rest(self) -> Cut | None:
        """After the end: a last line without its end, once."""
        return self._cutter.finish() if self.ended else None

    def _ready(self, wait_s: float) -> bool:
        asked = select.poll()
        asked.register(self._descriptor, select.POLLIN)
        return bool(asked.poll(wait_s * 1000))

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
