"""Zeek's logs: JSON, or tab-separated values whose header stays in force for what follows it.

A source that is followed comes in many chunks, and only the first has the header; so what is in
force at the end of a chunk is remembered for the next, for a bounded number of sources. Where a
tail begins in the middle of a file, lines of `KNOWN` logs are told by their shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts import values
from mlids.layouts.json_records import SAMPLE, decode, decoded, nested, sample, times
from mlids.layouts.literals import Literals
from mlids.lines import chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

CERTAINTY = 0.97
SOURCES = 1024  # of which the header is remembered
HEADER = (
    b"#separator", b"#set_separator", b"#empty_field", b"#unset_field", b"#path", b"#open",
    b"#fields", b"#types", b"#close",
)  # fmt: skip
JSON_MARKS = ((b'"id.orig_h"', b'"ts"'), (b'"_path"', b'"ts"'), (b'"note"', b'"actions"'))
_STAMP = re.compile(rb"\d{9,10}\.\d{1,9}\t")
_UID = re.compile(r"C[0-9A-Za-z]{8,24}")
_NOTE = re.compile(r"[A-Za-z]\w*::[A-Za-z]\w*")
_ENDS = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p "
KNOWN: dict[tuple[str, int], tuple[str, ...]] = {
    ("conn", 21): tuple(
        (
            _ENDS + "proto service duration orig_bytes resp_bytes conn_state local_orig local_resp"
            " missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents"
        ).split()
    ),
    ("dns", 24): tuple(
        (
            _ENDS + "proto trans_id rtt query qclass qclass_name qtype qtype_name rcode rcode_name"
            " AA TC RD RA Z answers TTLs rejected"
        ).split()
    ),
    ("http", 30): tuple(
        (
            _ENDS + "trans_depth method host uri referrer version user_agent origin"
            " request_body_len response_body_len status_code status_msg info_code info_msg tags"
            " username password proxied orig_fuids orig_filenames orig_mime_types resp_fuids"
            " resp_filenames resp_mime_types"
        ).split()
    ),
}
NOTICE = tuple((_ENDS + "fuid file_mime_type file_desc proto note msg sub src dst p").split())
TRANSPORTS = frozenset(("tcp", "udp", "icmp", "unknown_transport"))


class Header(NamedTuple):
    """What the header of a log says."""

    path: str = ""
    fields: tuple[str, ...] = ()
    separator: bytes = b"\t"
    unset: str = "-"
    empty: str = "(empty)"


class _Known(NamedTuple):
    base: int  # of the chunk seen last
    size: int
    before: Header  # in force where it begins
    after: Header  # in force at its end


class ZeekLayout(LogFormat):
    """Columns: time, src, user, outcome, message, and for HTTP those of an access log."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: dict[str, _Known] = {}

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that are JSON with Zeek's names, headers, or under a header."""
        lines = sample(chunk)
        headed = chunk.startswith(b"#separator") or b"\n#fields\t" in chunk[:SAMPLE]
        known = sum(_is_line(line, headed) for line in lines)
        return CERTAINTY * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines that begin like a header, like a time and a tab, or like an object."""
        self._headers(batch)
        head = chunks.heads(batch, 1)[:, 0]
        digit = (head >= ord("0")) & (head <= ord("9"))
        known: NDArray[np.bool_] = digit | (head == ord("#")) | (head == ord("{"))
        return known

    def records(self, batch: LineBatch) -> Sequence[Mapping[str, Any]]:
        """The fields of each line, of tables as text, with the log's name as `_path`."""
        return [_record(line, header) for line, header in self._each(batch)]

    def of_interest(
        self, batch: LineBatch, paths: frozenset[str], marks: Literals
    ) -> NDArray[np.intp]:
        """Rows of tables with these names, and of JSON with one of the literals."""
        headers, places = self._headers(batch)
        named = np.array([header.path in paths for header in headers], dtype=np.bool_)
        unnamed = np.array([not header.fields for header in headers], dtype=np.bool_)
        marked = marks.rows(batch)
        head = chunks.heads(batch, 1)[:, 0]
        wanted = named[places] & (head != ord("{"))
        wanted[marked[(head[marked] == ord("{")) | unnamed[places[marked]]]] = True
        return np.flatnonzero(wanted & (head != ord("#")))

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines."""
        records = decoded(self, batch)
        columns: dict[str, Any] = {
            name: [values.text(record.get(field)) for record in records]
            for name, field in (
                ("method", "method"),
                ("target", "uri"),
                ("status", "status_code"),
                ("size", "response_body_len"),
                ("agent", "user_agent"),
                ("referrer", "referrer"),
                ("vhost", "host"),
                ("message", "msg"),
                ("user", "user"),
            )
        }
        columns["src"] = [values.address(_end(r, "orig_h")) for r in records]
        columns["outcome"] = [_outcome(record) for record in records]
        return {"time": times([values.moment(r.get("ts")) for r in records]), **columns}

    def _each(self, batch: LineBatch) -> list[tuple[bytes, Header]]:
        headers, places = self._headers(batch)
        return [(batch.line(row), headers[place]) for row, place in enumerate(places.tolist())]

    def _headers(self, batch: LineBatch) -> tuple[list[Header], NDArray[np.intp]]:
        """The headers of a chunk, and for each line of the batch which one is in force."""
        known = self._known.get(batch.source)
        if known is None:
            before = Header()
        elif (known.base, known.size) == (batch.base, len(batch.data)):
            before = known.before
        else:
            before = known.after
        headers, begins = [before], [0]
        for place, line in _header_lines(batch.data):
            headers.append(_headed(headers[-1], line))
            begins.append(place)
        self._remember(batch, _Known(batch.base, len(batch.data), before, headers[-1]))
        places = np.searchsorted(np.array(begins, dtype=np.int64), batch.starts, side="right") - 1
        return headers, places

    def _remember(self, batch: LineBatch, known: _Known) -> None:
        self._known.pop(batch.source, None)
        if len(self._known) >= SOURCES:
            del self._known[next(iter(self._known))]
        self._known[batch.source] = known


def _header_lines(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    place = 0 if data.startswith(b"#") else data.find(b"\n#") + 1
    while data.startswith(b"#", place):
        end = data.find(b"\n", place)
        found.append((place, data[place : end if end >= 0 else len(data)].rstrip(b"\r")))
        place = data.find(b"\n#", place) + 1 or len(data)
    return found


def _headed(header: Header, line: bytes) -> Header:
    """The header with what one more line of it says."""
    if line.startswith(b"#separator "):
        return Header(separator=_separator(line[11:].strip()))
    name, _, rest = line.partition(header.separator)
    text = rest.decode("utf-8", "replace")
    if name == b"#path":
        return header._replace(path=text)
    if name == b"#fields":
        return header._replace(fields=tuple(text.split(header.separator.decode("latin-1"))))
    if name == b"#unset_field":
        return header._replace(unset=text)
    return header._replace(empty=text) if name == b"#empty_field" else header


def _separator(text: bytes) -> bytes:
    if text.startswith(b"\\x") and len(text) == 4:
        try:
            return bytes([int(text[2:], 16)])
        except ValueError:
            return b"\t"
    return text[:1] or b"\t"


def _is_line(line: bytes, headed: bool) -> bool:
    if line.startswith(b"{"):
        return any(all(mark in line for mark in each) for each in JSON_MARKS)
    if line.startswith(b"#"):
        return line.startswith(HEADER)
    return bool(_STAMP.match(line)) and (headed or bool(_guessed(line)))


def _record(line: bytes, header: Header) -> dict[str, Any]:
    if line.startswith(b"{"):
        return decode(line)
    if line.startswith(b"#"):
        return {}
    if not header.fields:
        return _guessed(line)
    cells = line.decode("utf-8", "replace").split(header.separator.decode("latin-1"))
    if len(cells) != len(header.fields):
        return {}
    return {"_path": header.path} | _said(header.fields, cells, header)


def _said(names: tuple[str, ...], cells: list[str], header: Header) -> dict[str, Any]:
    return {
        name: "" if cell == header.empty else cell
        for name, cell in zip(names, cells, strict=False)
        if cell != header.unset
    }


def _guessed(line: bytes) -> dict[str, Any]:
    """The fields of a line without a header, where its shape leaves no doubt."""
    if not _STAMP.match(line):
        return {}
    cells = line.decode("utf-8", "replace").split("\t")
    if len(cells) >= len(NOTICE) + 7 and _NOTE.fullmatch(cells[10]):
        return {"_path": "notice"} | _said(NOTICE, cells, Header())
    ports = cells[3:6:2]
    if not (_UID.fullmatch(cells[1]) and all(port.isdigit() for port in ports)):
        return {}
    for (path, count), names in KNOWN.items():
        if len(cells) == count and (path == "http" or cells[6] in TRANSPORTS):
            return {"_path": path} | _said(names, cells, Header())
    return {}


def _end(record: Mapping[str, Any], name: str) -> Any:
    """One end of a connection, written flat or nested."""
    return record.get(f"id.{name}") or nested(record.get("id"), name)


def _outcome(record: Mapping[str, Any]) -> bytes | None:
    if "auth_success" not in record:
        return None
    return values.outcome({"T": True, "F": False}.get(str(record["auth_success"])[:1].upper()))
