"""Common Event Format of ArcSight: ``CEF:0|vendor|product|version|id|name|severity|fields``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts import keyvalue, moments, values
from mlids.layouts.json_records import Record, decoded, sample, times
from mlids.layouts.literals import Literals
from mlids.layouts.syslog import Zoned
from mlids.lines import stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

CERTAINTY = 0.97
MARK = b"CEF:"
HEADER = 256  # bytes of a syslog header in front
PARTS = ("version", "vendor", "product", "deviceVersion", "id", "name", "severity")
_PART = r"((?:[^|\\]++|\\.)*+)"
_LINE = re.compile(r"CEF: ?(\d{1,3})\|" + rf"{_PART}\|" * 6 + r"(.*)", re.DOTALL)
_SITE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^/?#]*")
COLUMNS: dict[str, tuple[str, ...]] = {
    "user": ("duser", "suser"),
    "method": ("requestMethod",),
    "agent": ("requestClientApplication",),
    "referrer": ("requestContext",),
    "host": ("dvchost", "dhost", "dvc"),
    "message": ("msg", "name"),
    "size": ("out",),
}


class Cef(LogFormat):
    """Columns: time, src, user, outcome, message, host, method, target, agent … of CEF's names."""

    Settings = Zoned

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._zone = stamps.check_zone(self.settings.timezone)

    def sniff(self, chunk: bytes) -> float:
        """The share of lines with the header of the format, bare or behind one of syslog."""
        lines = sample(chunk)
        known = sum(bool(_record(line)) for line in lines)
        return CERTAINTY * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines that hold the mark of the format."""
        known = np.zeros(len(batch), dtype=np.bool_)
        known[Literals((MARK,)).rows(batch)] = True
        return known

    def records(self, batch: LineBatch) -> Sequence[Mapping[str, Any]]:
        """The parts of the header and the fields behind it."""
        return [_record(batch.line(row)) for row in range(len(batch))]

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines."""
        records = decoded(self, batch)
        heads = (batch.line(row)[: moments.HEAD] for row in range(len(batch)))
        found = [
            self._time(record, head, batch.written)
            for record, head in zip(records, heads, strict=True)
        ]
        columns: dict[str, Any] = {
            name: [_first(record, keys) for record in records] for name, keys in COLUMNS.items()
        }
        columns["src"] = [values.address(record.get("src")) for record in records]
        columns["outcome"] = [
            values.outcome(record.get("outcome") or record.get("act")) for record in records
        ]
        columns["target"] = [values.text(_path(record.get("request"))) for record in records]
        return {"time": times(found), **columns}

    def _time(self, record: Record, head: bytes, written: int) -> int:
        """When it happened by its own fields, else by the header in front."""
        for name in ("rt", "start", "end"):
            if time := values.moment(record.get(name), self._zone):
                return time
        before = head.partition(MARK)[0]
        return moments.moment(before, self._zone, written) if before else 0


def _record(line: bytes) -> Record:
    begin = line.find(MARK, 0, HEADER)
    match = _LINE.match(line[begin:].decode("utf-8", "replace")) if begin >= 0 else None
    if match is None:
        return {}
    *parts, rest = match.groups()
    head = {name: keyvalue.cef_unescaped(p) for name, p in zip(PARTS, parts, strict=True)}
    return {**keyvalue.extension(rest), **head}


def _first(record: Record, keys: tuple[str, ...]) -> bytes | None:
    return next((v for key in keys if (v := values.text(record.get(key))) is not None), None)


def _path(request: Any) -> str | None:
    """Path and query of a URL."""
    if not isinstance(request, str) or not request:
        return None
    site = _SITE.match(request)
    return (request[site.end() :] or "/") if site else request
