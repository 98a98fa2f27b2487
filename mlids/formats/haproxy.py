"""HAProxy's logs of requests and connections (`option httplog`, `option tcplog`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts.access import split, unescaped
from mlids.layouts.moments import moment
from mlids.layouts.syslog import SAMPLE, Zoned
from mlids.lines import chunks, stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURE = 0.97
COLUMNS = ("src", "vhost", "method", "target", "status", "size")
# Behind the client, which stands first, everything but the request is HAProxy's own text; what it
# captured of headers stands in braces.
_LINE = re.compile(
    rb"(?:(?:<\d{1,3}>)?[^\"{]{0,160}? haproxy(?:\[\d{1,9}\])?: )?"
    rb"(?P<src>[0-9A-Fa-f:.]{2,45}):\d{1,5} \[(?P<time>[^\]]{10,40})\] "
    rb"(?P<vhost>[^\s\"]{1,128}+) [^\s\"]{1,256}+ [-+\d/]{3,64}+ "
    rb"(?:(?P<status>\d{3}|-1) )?\+?(?P<size>\d{1,18}+) (?:[^\s\"]{1,256}+ [^\s\"]{1,256}+ )?"
    rb"[^\s\"]{2,4}+ [\d/+]{5,64}+ [\d/+]{1,32}+(?P<rest>.*)",
    re.DOTALL,
)
_REQUEST = re.compile(rb'(?: \{[^}]*+\}){0,2} "((?:[^"\\]++|\\.)*+)"?')


class Haproxy(LogFormat):
    """Columns: time, src, vhost (the frontend), method, target, status, size (bytes sent)."""

    Settings = Zoned

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._zone = stamps.check_zone(self.settings.timezone)

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that are HAProxy's, with or without a header of syslog."""
        lines = [line for line in chunk[:SAMPLE].splitlines()[:200] if line]
        known = sum(_LINE.match(line) is not None for line in lines)
        return SURE * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines with a time in brackets that are of HAProxy's shape."""
        known = np.zeros(len(batch), dtype=np.bool_)
        for row in chunks.rows_with(batch, b"] ").tolist():
            known[row] = _LINE.match(batch.line(row)) is not None
        return known

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns; of a line that is none of HAProxy's, all None and time 0."""
        times = np.zeros(len(batch), dtype=np.int64)
        columns: dict[str, list[bytes | None]] = {name: [None] * len(batch) for name in COLUMNS}
        for row in range(len(batch)):
            found = _LINE.match(batch.line(row))
            if found is None:
                continue
            times[row] = moment(found["time"], self._zone, batch.written)
            asked = _REQUEST.match(found["rest"])
            method, target = split(unescaped(asked[1])) if asked else (None, None)
            values = (found["src"], found["vhost"], method, target, found["status"], found["size"])
            for name, value in zip(COLUMNS, values, strict=True):
                columns[name][row] = value
        return {"time": times, **columns}
