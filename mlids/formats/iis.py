"""W3C extended logs of IIS: fields as a header says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts.moments import moment
from mlids.layouts.syslog import SAMPLE
from mlids.lines import chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURE = 0.98
MARK = b"#Fields: "
SOURCES = 256  # inputs whose header is remembered
# What IIS writes unless told otherwise (Microsoft, "W3C Extended Log File Format"), with and
# without the referrer, which older versions leave out.
DEFAULT = (
    b"date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent)"
    b" cs(Referer) sc-status sc-substatus sc-win32-status time-taken"
).split()
OLD = [name for name in DEFAULT if name != b"cs(Referer)"]
NAMES = {
    "src": b"c-ip", "user": b"cs-username", "method": b"cs-method", "status": b"sc-status",
    "size": b"sc-bytes", "referrer": b"cs(Referer)", "agent": b"cs(User-Agent)",
    "cookies": b"cs(Cookie)", "vhost": b"cs-host", "host": b"s-computername",
}  # fmt: skip
COLUMNS = (*NAMES, "target")
_DAY = re.compile(rb"\d{4}-\d\d-\d\d")


class Iis(LogFormat):
    """Columns: time, src, user, method, target, status, size, referrer, agent, cookies, vhost.

    Times are UTC, as IIS writes them. A header holds until the next; of an input that is followed
    from its middle, lines with as many fields as IIS writes by default are read so.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._headers: dict[str, list[bytes]] = {}  # by input, the last that was seen

    def sniff(self, chunk: bytes) -> float:
        """Certain with a header; else the share of lines that look like the default."""
        head = chunk[:SAMPLE]
        if head.startswith((b"#Software: Microsoft", b"#Fields: date time")):
            return SURE
        lines = [line for line in head.splitlines()[:200] if line and not line.startswith(b"#")]
        known = sum(_usual(line.split(b" ")) is not None for line in lines)
        return SURE * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Headers, and lines that begin with a day. The last header is kept for what follows."""
        head = chunks.heads(batch, 20)
        shape = np.frombuffer(b"0000-00-00 00:00:00 ", dtype=np.uint8)
        number = shape == ord("0")
        digits = ((head[:, number] >= 48) & (head[:, number] <= 57)).all(axis=1)
        known: NDArray[np.bool_] = digits & (head[:, ~number] == shape[~number]).all(axis=1)
        known |= head[:, 0] == ord("#")
        if len(batch):
            self._fields(batch, int(batch.ends[-1]))
        return known

    def _fields(self, batch: LineBatch, before: int) -> list[bytes] | None:
        """The header in force at an offset of a batch's data."""
        place = batch.data.rfind(MARK, 0, before)
        if place < 0 or (place and batch.data[place - 1] != ord("\n")):
            return self._headers.get(batch.source)
        end = batch.data.find(b"\n", place)
        names = batch.data[place + len(MARK) : end if end >= 0 else None].split()
        self._headers.pop(batch.source, None)
        self._headers[batch.source] = names
        if len(self._headers) > SOURCES:
            del self._headers[next(iter(self._headers))]
        return names

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns; of headers and other lines, all None and time 0."""
        times = np.zeros(len(batch), dtype=np.int64)
        columns: dict[str, list[bytes | None]] = {name: [None] * len(batch) for name in COLUMNS}
        for row in range(len(batch)):
            found = self._record(batch, row)
            if not found:
                continue
            stamp = b"%s %s" % (found.get(b"date", b""), found.get(b"time", b""))
            times[row] = moment(stamp, "UTC")
            for name, field in NAMES.items():
                columns[name][row] = found.get(field)
            columns["target"][row] = _target(found)
            agent = found.get(b"cs(User-Agent)")
            columns["agent"][row] = agent.replace(b"+", b" ") if agent else None
        return {"time": times, **columns}

    def records(self, batch: LineBatch) -> list[dict[str, Any]]:
        """Each line's fields under IIS's own names."""
        return [
            {
                name.decode("latin-1"): value.decode("utf-8", "backslashreplace")
                for name, value in self._record(batch, row).items()
            }
            for row in range(len(batch))
        ]

    def _record(self, batch: LineBatch, row: int) -> dict[bytes, bytes]:
        values = batch.line(row).split(b" ")
        if values[0].startswith(b"#"):
            return {}
        names = self._fields(batch, int(batch.starts[row]))
        if names is None or len(names) != len(values):
            names = _usual(values)
        pairs = zip(names, values, strict=True) if names else ()
        return {name: value for name, value in pairs if value not in (b"-", b"")}


def _usual(values: list[bytes]) -> list[bytes] | None:
    """The default fields, where a line has so many and the method where it belongs."""
    names = {len(DEFAULT): DEFAULT, len(OLD): OLD}.get(len(values))
    return names if names and values[3].isalpha() and _DAY.fullmatch(values[0]) else None


def _target(found: dict[bytes, bytes]) -> bytes | None:
    stem, query = found.get(b"cs-uri-stem"), found.get(b"cs-uri-query")
    return stem + b"?" + query if stem and query else stem
