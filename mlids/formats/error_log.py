"""Error logs of nginx and Apache: what went wrong, and with whose request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts.moments import moment
from mlids.layouts.syslog import SAMPLE, Zoned
from mlids.lines import stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURE = 0.96
CLIENT = b", client: "
LONGEST = 2047  # bytes of a line of nginx (NGX_MAX_ERROR_STR less its end): it cuts off the rest
_NGINX = re.compile(
    rb"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[[a-z]{4,6}\] (?P<pid>\d{1,9})#\d{1,9}: "
    rb"(?:\*\d{1,18} )?(?P<message>.*)",
    re.DOTALL,
)
_APACHE = re.compile(
    rb"\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [^\]]{10,40})\] \[(?:[\w-]{0,32}:)?[a-z]{4,6}\d?\] "
    rb"(?:\[pid (?P<pid>\d{1,9})[^\]]{0,40}\] )?(?:\[remote [^\]]{2,60}\] )?"
    rb"(?:\(\d{1,5}\)[^:\[]{1,80}: )?(?:\[client (?P<src>[^\]]{2,60})\] )?(?P<message>.*)",
    re.DOTALL,
)
_CLIENT = re.compile(rb", client: ([0-9A-Fa-f:.]{2,45}|unix:)(?:, server: |$)")
COLUMNS = ("src", "pid", "message")


class ErrorLog(LogFormat):
    """Columns: time, src, pid, message (all behind the level; Apache's client cut off).

    Apache writes the client in front of everything that a client chose. nginx writes it in between:
    where the text could stand for more than one client, or may be cut off, nobody is named.
    """

    Settings = Zoned

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._zone = stamps.check_zone(self.settings.timezone)

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that are of an error log; messages may go on over several lines."""
        lines = [line for line in chunk[:SAMPLE].splitlines()[:200] if line]
        known = sum(_match(line) is not None for line in lines)
        return SURE * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines that begin as one."""
        known = (_match(batch.line(row)) is not None for row in range(len(batch)))
        return np.fromiter(known, dtype=np.bool_, count=len(batch))

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns; a line of neither server is all message."""
        times = np.zeros(len(batch), dtype=np.int64)
        columns: dict[str, list[bytes | None]] = {name: [None] * len(batch) for name in COLUMNS}
        for row in range(len(batch)):
            line = batch.line(row)
            found = _match(line)
            if found is None:
                columns["message"][row] = line
                continue
            times[row] = moment(found["time"], self._zone, batch.written)
            values = (_source(found), found["pid"], found["message"])
            for name, value in zip(COLUMNS, values, strict=True):
                columns[name][row] = value
        return {"time": times, **columns}


def _match(line: bytes) -> re.Match[bytes] | None:
    return _NGINX.match(line) or _APACHE.match(line)


def _source(found: re.Match[bytes]) -> bytes | None:
    if found.re is _APACHE:
        return found["src"]
    message = found["message"]
    if len(found.string) >= LONGEST:  # the true client may be cut off, and one in the text be left
        return None
    client = _CLIENT.search(message) if message.count(CLIENT) == 1 else None
    return client[1] if client and client[1] != b"unix:" else None
