"""Access logs: one line a request, in the common and combined formats and what is built on them.

The first address of a line is the client's, and it alone is believed: what stands behind it, the
user included, is text of the client's. A virtual host may stand in front (``%v:%p`` of Apache,
often ``$host`` of nginx); since clients choose its name, a line that has two addresses in front
names the second.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids import addresses
from mlids.layouts.moments import moment
from mlids.lines import chunks
from mlids.lines.stamps import NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import LineBatch

COLUMNS = ("vhost", "src", "user", "method", "target", "status", "size", "referrer", "agent")
USUAL, COLON = len("13/Jan/2025:10:30:45 +0000"), ord(":")
_QUOTED = rb'"((?:[^"\\]++|\\.)*+)"'
# Clients can write neither a quote nor a line end unescaped, so the first quote is the request's.
_LINE = re.compile(
    rb'([^"]*)\[([^\]"]{1,40}+)\] '
    + _QUOTED
    + rb" (\d{3}|-)(?: (\d++|-))?(?: "
    + _QUOTED
    + rb"(?: "
    + _QUOTED
    + rb")?)?",
    re.DOTALL,
)
# Servers that log to syslog: a stamp, which no client's address or name looks like, and a tag. Or
# who collected the line put a time in brackets in front.
_HEADER = re.compile(
    rb"(?:<\d{1,3}>)?(?:1 )?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]{8,15}"
    rb"(?:Z|[+-]\d\d:\d\d)) [^\s\"]{1,255} [^\s\"\[:]{1,64}(?:\[\d{1,9}\])?: "
    rb"|\[\d{4}-\d\d-\d\d[ T][\d:.,]{8,15}(?:Z|[+-]\d\d:\d\d)?\] "
)
_METHOD = re.compile(rb"([A-Za-z_-]{1,20}+) ")
_VERSION = re.compile(rb" HTTP/\d(?:\.\d)?\Z")
VERSION_WIDTH = 9  # bytes of " HTTP/1.1"
# Runs are taken at once, since a client may send nothing else.
_ESCAPES = re.compile(rb"((?:\\x[0-9A-Fa-f]{2})++)|((?:\\\\)++)|\\(.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


def wrapped(head: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which lines may have a header of syslog in front; head: their first 16 bytes or more."""
    named = (head[:, 3] == ord(" ")) & (head[:, 6] == ord(" ")) & (head[:, 9] == ord(":"))
    dated = (head[:, 4] == ord("-")) & (head[:, 10] == ord("T"))
    marked = (head[:, 0] == ord("<")) | (head[:, 0] == ord("["))
    found: NDArray[np.bool_] = named | dated | marked
    return found


def share(chunk: bytes) -> float:
    """The share of lines that look like those of an access log."""
    lines = [line for line in chunk.splitlines()[:200] if line]
    return sum(_LINE.match(line) is not None for line in lines) / len(lines) if lines else 0.0


def recognised(batch: LineBatch) -> NDArray[np.bool_]:
    """Which lines have a time in brackets and a request in quotes behind it."""
    known = np.zeros(len(batch), dtype=np.bool_)
    known[chunks.rows_with(batch, b'] "')] = True
    return known


def parse(batch: LineBatch, zone: str) -> dict[str, Any]:
    """The columns of these lines; of one that is none, all None and time 0."""
    times = np.zeros(len(batch), dtype=np.int64)
    columns: dict[str, list[bytes | None]] = {name: [None] * len(batch) for name in COLUMNS}
    for row in range(len(batch)):
        found = fields(batch.line(row))
        if found is not None:
            stamp, *values = found
            times[row] = _time(stamp, zone, batch.written)
            for name, value in zip(COLUMNS, values, strict=True):
                columns[name][row] = value
    return {"time": times, **columns}


def fields(line: bytes) -> tuple[bytes | None, ...] | None:
    """Stamp, then the columns in the order of `COLUMNS`; None where it is no such."""
    found = _LINE.match(line)
    if found is None:
        return None
    front, stamp, request, status, size, referrer, agent = found.groups()
    method, target = split(unescaped(request))
    asked = (method, target, _known(status), _known(size))
    return (stamp, *parties(front), *asked, *(unescaped(_known(t)) for t in (referrer, agent)))


def parties(front: bytes) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Virtual host, client and user of what stands before the time."""
    header = _HEADER.match(front)
    tokens = front[header.end() :].split() if header else front.split()
    if len(tokens) < 2:
        return None, tokens[0] if tokens else None, None
    hosted = is_address(tokens[1]) or (tokens[1] != b"-" and not is_address(tokens[0]))
    vhost, own = (tokens[0], tokens[1:]) if hosted else (None, tokens)
    return vhost, own[0], unescaped(_known(b" ".join(own[2:])))


def is_address(text: bytes) -> bool:
    """Whether a text is an internet address."""
    return len(text) <= addresses.LONGEST and _is_address(text)


@lru_cache(maxsize=16384)
def _is_address(text: bytes) -> bool:
    return bool(addresses.normalise(text.decode("latin-1")))


def split(request: bytes | None) -> tuple[bytes | None, bytes | None]:
    """Method and target of a request line; what is none of HTTP is all target."""
    if not request:
        return None, None
    method = _METHOD.match(request)
    if method is None:
        return None, request
    version = _VERSION.search(request, max(method.end(), len(request) - VERSION_WIDTH))
    return method[1], request[method.end() : version.start() if version else len(request)]


def unescaped(text: bytes | None) -> bytes | None:
    r"""A quoted text as it was sent: ``\\x22``, ``\\"`` and ``\\n`` are one byte each."""
    if text is None or b"\\" not in text:
        return text
    return _ESCAPES.sub(_plain, text)


def _plain(found: re.Match[bytes]) -> bytes:
    digits, backslashes, letter = found.groups()
    if digits:
        return bytes.fromhex(digits.replace(b"\\x", b"").decode())
    return backslashes[::2] if backslashes else _LETTERS.get(letter, letter)


def _known(text: bytes | None) -> bytes | None:
    return None if text in (b"-", b"") else text


def _time(stamp: bytes | None, zone: str, written: int) -> int:
    """Nanoseconds since 1970; of the usual stamp only the day is worked out anew."""
    if stamp is None:
        return 0
    if len(stamp) == USUAL and stamp[11] == stamp[14] == stamp[17] == COLON:
        midnight = _midnight(stamp[:12] + b"00:00:00" + stamp[20:])
        hour, minute, second = stamp[12:14], stamp[15:17], stamp[18:20]
        if midnight and hour.isdigit() and minute.isdigit() and second.isdigit():
            of_day = int(hour) * 3600 + int(minute) * 60 + int(second)
            return midnight + of_day * NS if hour < b"24" and minute < b"60" > second else 0
    return moment(stamp, zone, written)


@lru_cache(maxsize=256)
def _midnight(stamp: bytes) -> int:
    return moment(stamp, "UTC")
