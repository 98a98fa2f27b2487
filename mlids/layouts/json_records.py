"""JSON, one object a line: decoded once a batch, odd ones repaired, never an exception.

What writes logs does not always write JSON: nginx escapes bytes as ``\\x22``, others leave control
characters or broken UTF-8 in. Since an attacker chooses such bytes, a line that cannot be decoded
as it stands is repaired and tried again, so that nobody hides behind them. A header of syslog or of
a container's runtime in front of the object is passed over; behind other text an object may be
somebody's own, and is none of the log's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts import tags
from mlids.layouts.literals import Literals

if TYPE_CHECKING:
    from numpy.typing import NDArray

Record = dict[str, Any]
SAMPLE = 65536  # bytes that are looked at to tell the format
LINES = 200
HEADER = 512  # bytes before the object, at most
BRACE = ord("{")

_decode = msgspec.json.Decoder().decode
_ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})|\\')
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9A-Fa-f]{2}")
# What may stand in front: the service of Docker Compose, the pod of kubectl, and a stamp, with the
# stream of a container's runtime, host and tag of syslog (RFC 3164 or 5424), a tag, or a level
# behind it.
_FRONT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s{0,8}(?:[\w.-]{1,64} {1,40}\| |\[pod/[\w./-]{1,253}\] )?"
    rb"(?:(?:<\d{1,3}>)?(?:"
    + tags.STAMP
    + rb"|1 \d{4}-\d\d-\d\dT[^ ]{8,32}|"
    + tags.UPTIME
    + rb")[ \t]{1,3}(?:std(?:out|err) [FP] "
    rb"|[^\s\"']{1,255} (?:[^\s\"':\[]{1,128}(?:\[\d{1,10}\])?: ?"
    rb"|[^\s\"']{1,64} [^\s\"']{1,32} [^\s\"']{1,32} (?:-|\[[^\]{]{0,256}\]) (?:\xef\xbb\xbf)?)"
    rb"|[^\s\"':\[]{1,128}(?:\[\d{1,10}\])?: ?|\[?[A-Za-z]{3,8}\]?:?[ \t])?)?(?:@cee: ?)?",
)
_BLANKED = bytes(32 if octet < 32 else octet for octet in range(256))
_BROKEN = (ValueError, RecursionError)


def decode(line: bytes) -> Record:
    """The object of a line; {} where there is none."""
    try:
        value = _decode(line)
    except _BROKEN:
        value = _repaired(line)
    return value if isinstance(value, dict) else {}


def _repaired(line: bytes) -> Any:
    begin, end = line.find(b"{", 0, HEADER), line.rfind(b"}")
    if begin < 0 or end < begin or not _FRONT.fullmatch(line, 0, begin):
        return None
    body = line[begin : end + 1]
    for repair in (_plain, _escaped, _without_surrogates):
        body = repair(body)
        try:
            return _decode(body)
        except RecursionError:
            return None
        except ValueError:
            continue
    return None


def _plain(body: bytes) -> bytes:
    return body


def _escaped(body: bytes) -> bytes:
    """Text in UTF-8 without control characters, in which backslashes stand for themselves."""
    text = body.decode("utf-8", "replace").encode().translate(_BLANKED)
    return _ESCAPE.sub(lambda found: found[0] if len(found[0]) > 1 else rb"\\", text)


def _without_surrogates(body: bytes) -> bytes:
    return _SURROGATE.sub(rb"\\ufffd", body)


class JsonLayout(LogFormat):
    """One object a line. A format says by which literals it is known, and gives its columns."""

    marks: ClassVar[tuple[tuple[bytes, ...], ...]] = ()
    """A line is of the format if it holds all literals of one of these, the telling one first."""
    certainty: ClassVar[float] = 0.95

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that hold the literals."""
        lines = sample(chunk)
        known = sum(self.is_marked(line) for line in lines)
        return self.certainty * known / len(lines) if lines else 0.0

    def is_marked(self, line: bytes) -> bool:
        """Whether a line holds an object with the literals of the format."""
        return b"{" in line and any(all(one in line for one in each) for each in self.marks)

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines with the most telling literal of the format."""
        known = np.zeros(len(batch), dtype=np.bool_)
        known[_telling(self.marks).rows(batch)] = True
        return known

    def records(self, batch: LineBatch) -> Sequence[Mapping[str, Any]]:
        """The object of each line, nested as it is; {} where there is none."""
        data = batch.data
        bounds = zip(batch.starts.tolist(), batch.ends.tolist(), strict=True)
        return [decode(data[start:end]) for start, end in bounds]

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines."""
        return self.columns_of(decoded(self, batch))

    def columns_of(self, records: Sequence[Record]) -> dict[str, Any]:
        """The columns of these objects."""
        raise NotImplementedError  # abstract


def sample(chunk: bytes) -> list[bytes]:
    """The first lines of a chunk; without the last one, which may be cut, if there are others."""
    head = chunk[:SAMPLE]
    lines = head.splitlines()
    if len(lines) > 1 and not head.endswith((b"\n", b"\r")):
        lines.pop()
    return [line for line in lines[:LINES] if line.strip()]


def decoded(form: LogFormat, batch: LineBatch) -> Sequence[Record]:
    """The records of a batch in its own format, decoded once."""
    known: Any = batch.records() if batch.format is form else form.records(batch)
    return known  # type: ignore[no-any-return]


def nested(record: Any, *path: str) -> Any:
    """The value at a path of keys; None where it does not lead anywhere."""
    for key in path:
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def times(values: Sequence[int]) -> NDArray[np.int64]:
    """A column of times."""
    return np.fromiter(values, dtype=np.int64, count=len(values))


@cache
def _telling(marks: tuple[tuple[bytes, ...], ...]) -> Literals:
    return Literals(dict.fromkeys(each[0] for each in marks))
