"""Cuts a stream of syslog messages into messages (RFC 6587, RFC 5425).

A frame is ``LEN SP <…`` (octet counting) or ends with a line feed or NUL; both may come mixed. A
message never holds a line end: one inside it could forge another line.
"""

from __future__ import annotations

import re

_COUNT = re.compile(rb"([1-9][0-9]{0,9}) <")
_MAYBE_COUNT = re.compile(rb"[1-9][0-9]{0,9}(?: |\Z)")
_END = re.compile(rb"[\n\0]")
_BLANKS = bytes.maketrans(b"\r\n\0", b"   ")


def clean(message: bytes) -> bytes:
    """One message as one line: line ends behind it are left out, those inside become blanks."""
    message = message.rstrip(b"\r\n\0")
    if b"\n" in message or b"\r" in message or b"\0" in message:
        return message.translate(_BLANKS)
    return message


class Deframer:
    """Takes bytes of one connection as they come, gives whole messages.

    Messages of more than `max_line` bytes are left out and counted in `rejected`; no more than
    that is ever held of one.
    """

    def __init__(self, max_line: int) -> None:
        self.max_line = max_line
        self.rejected = 0
        self._held = b""
        self._skip = 0  # bytes of a counted message that are still to be left out
        self._dropping = False  # until the end of a line that is too long

    @property
    def waiting(self) -> bool:
        """Whether a message has begun that has not ended."""
        return bool(self._held or self._skip or self._dropping)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete; empty ones are left out."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._dropping:
            end = _END.search(data)
            if end is None:
                return []
            self._dropping, data = False, data[end.end() :]
        data = self._held + data if self._held else data
        found: list[bytes] = []
        place = self._frames(data, found)
        self._held = data[place:]
        return [message for message in found if message]

    def _frames(self, data: bytes, found: list[bytes]) -> int:
        """Add whole messages to `found`; returns where the first unfinished one begins."""
        place, size = 0, len(data)
        while place < size:
            counted = _COUNT.match(data, place)
            if counted is not None:
                begin, length = counted.end() - 1, int(counted[1])
                if length > self.max_line:
                    self.rejected += 1
                    self._skip = max(0, begin + length - size)
                    place = min(size, begin + length)
                elif begin + length > size:
                    return place
                else:
                    found.append(clean(data[begin : begin + length]))
                    place = begin + length
                continue
            end = _END.search(data, place)
            if end is not None:
                if end.start() - place > self.max_line:
                    self.rejected += 1
                else:
                    found.append(clean(data[place : end.start()]))
                place = end.end()
            elif size - place > self.max_line + 1:
                self.rejected += 1
                self._dropping = True
                return size
            else:
                return place
        return place

    def finish(self) -> list[bytes]:
        """The end: a line without its end is a message, half a counted one is none."""
        held, self._held = self._held, b""
        if self._skip or self._dropping or not held:
            self._skip, self._dropping = 0, False
            return []
        if _COUNT.match(held) or _MAYBE_COUNT.fullmatch(held):
            self.rejected += 1
            return []
        message = clean(held)
        return [message] if message else []
