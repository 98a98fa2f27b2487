"""W3C extended logs of IIS: fields as a header says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

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


Names = list[bytes] | None


class _Known(NamedTuple):
    base: int  # of the chunk seen last
    size: int
    before: Names  # in force where it begins
    after: Names  # in force at its end


class Iis(LogFormat):
    """Columns: time, src, user, method, target, status, size, referrer, agent, cookies, vhost.

    Times are UTC, as IIS writes them. A header holds until the next; of an input that is followed
    from its middle, lines with as many fields as IIS writes by default are read so.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: dict[str, _Known] = {}  # by input, of the chunk that was seen last

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
            self._headers(batch)
        return known

    def _headers(self, batch: LineBatch) -> tuple[list[Names], NDArray[np.intp]]:
        """The headers of a chunk, and for each line of the batch which one is in force."""
        known = self._known.pop(batch.source, None)
        before: Names = None
        if known is not None:
            same = (known.base, known.size) == (batch.base, len(batch.data))
            before = known.before if same else known.after
        headers, begins = [before], [0]
        for place, names in _header_lines(batch.data):
            headers.append(names)
            begins.append(place)
        if len(self._known) >= SOURCES:
            del self._known[next(iter(self._known))]
        self._known[batch.source] = _Known(batch.base, len(batch.data), before, headers[-1])
        places = np.searchsorted(np.array(begins, dtype=np.int64), batch.starts, side="right") - 1
        return headers, places

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns; of headers and other lines, all None and time 0."""
        times = np.zeros(len(batch), dtype=np.int64)
        columns: dict[str, list[bytes | None]] = {name: [None] * len(batch) for name in COLUMNS}
        for row, found in enumerate(self._each(batch)):
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
                for name, value in found.items()
            }
            for found in self._each(batch)
        ]

    def _each(self, batch: LineBatch) -> Iterator[dict[bytes, bytes]]:
        headers, places = self._headers(batch)
        for row, place in enumerate(places.tolist()):
            yield _record(batch.line(row), headers[place])


def _header_lines(data: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Where headers begin in a chunk, and their fields; what clients write begins no line."""
    place = data.find(MARK)
    while place >= 0:
        end = data.find(b"\n", place)
        end = end if end >= 0 else len(data)
        if not place or data[place - 1] == ord("\n"):
            yield place, data[place + len(MARK) : end].split()
        place = data.find(MARK, place + 1)


def _record(line: bytes, names: Names) -> dict[bytes, bytes]:
    values = line.split(b" ")
    if values[0].startswith(b"#"):
        return {}
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
