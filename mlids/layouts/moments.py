"""When a line was written, whatever its stamp looks like: for lines that are looked at one by one.

Known are ISO 8601 and its looks (``2025/01/13 - 10:30:45``), the common log format, ctime, names of
months in front or behind, American dates, and seconds since 1970 at the very beginning. The first
that stands within the first `HEAD` bytes counts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.lines import stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import LineBatch

HEAD = 96
_CLOCK = rb"(\d\d?):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
_ZONE = rb"(?: ?(Z|UTC|GMT|[+-]\d\d:?\d\d)(?![\w:]))?"
_MONTH = rb"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_ISO = re.compile(rb"(\d{4})[-/.](\d\d)[-/.](\d\d)(?:T|[ _:]{1,3}|[ -]{3})" + _CLOCK + _ZONE)
_NAMED = re.compile(rb"(\d\d?)[-/ ]" + _MONTH + rb"[-/ ](\d{4})[: ]" + _CLOCK + _ZONE)
_CTIME = re.compile(
    _MONTH
    + rb" {1,2}(\d\d?)(?:,? (\d{4}))?,? "
    + _CLOCK
    + _ZONE
    + rb"(?: [A-Z]{3,5})?(?: (\d{4}))?"
)
_US = re.compile(rb"(\d\d)/(\d\d)/(\d{4}|\d\d),? " + _CLOCK + rb"(?: ?([AP])M)?")
_EPOCH = re.compile(rb"[\[(]?(\d{10})(?:\.(\d{1,9}))?(?!\d)")
_CLOCKS = re.compile(rb"\d:\d\d:\d\d")


def times(batch: LineBatch, zone: str) -> NDArray[np.int64]:
    """Nanoseconds since 1970 of each line, 0 where it has no known stamp.

    zone: IANA name of the zone of stamps without one, "": this host's.
    """
    starts, ends, data = batch.starts.tolist(), batch.ends.tolist(), batch.data
    heads = (data[start : min(start + HEAD, end)] for start, end in zip(starts, ends, strict=True))
    found = (moment(head, zone, batch.written) for head in heads)
    return np.fromiter(found, dtype=np.int64, count=len(batch))


def moment(head: bytes, zone: str, written: int = 0) -> int:
    """Nanoseconds since 1970 of the first stamp in the beginning of a line; 0: none.

    written: by when the line was written, from which missing years are inferred.
    """
    return _known(head[:HEAD], zone, written)


@lru_cache(maxsize=4096)
def _known(head: bytes, zone: str, written: int) -> int:
    try:
        return _moment(head, zone, written)
    except (ValueError, OverflowError):
        return 0


def _moment(head: bytes, zone: str, written: int) -> int:
    if found := _EPOCH.match(head):
        return _ns(int(found[1]), found[2])
    matches = (
        (found.start(), read, found)
        for pattern, read in ((_ISO, _iso), (_NAMED, _named), (_CTIME, _ctime), (_US, _us))
        if (found := pattern.search(head))
    )
    first = min(matches, key=lambda match: match[0], default=None)
    return first[1](first[2], zone, written) if first else 0


def _iso(found: re.Match[bytes], zone: str, written: int) -> int:
    year, month, day, *clock = found.groups()
    return _second(year, month, day, clock, zone)


def _named(found: re.Match[bytes], zone: str, written: int) -> int:
    day, month, year, *clock = found.groups()
    return _second(year, _month(month), day, clock, zone)


def _ctime(found: re.Match[bytes], zone: str, written: int) -> int:
    month, day, before, *clock, behind = found.groups()
    if year := before or behind:
        return _second(year, _month(month), day, clock, zone)
    hour, minute, second, fraction, _ = clock
    of_day = int(hour) * 3600 + int(minute) * 60 + int(second)
    numbers = np.array([[int(_month(month))], [int(day)], [of_day]], dtype=np.int64)
    inferred = int(stamps.infer(numbers[0], numbers[1], numbers[2], written, zone)[0])
    return _ns(inferred // stamps.NS, fraction) if inferred else 0


def _us(found: re.Match[bytes], zone: str, written: int) -> int:
    month, day, year, hour, minute, second, fraction, half = found.groups()
    if half:
        hour = b"%d" % (int(hour) % 12 + 12 * (half == b"P"))
    year = year if len(year) == 4 else b"20" + year
    return _second(year, month, day, [hour, minute, second, fraction, None], zone)


def _month(name: bytes) -> bytes:
    return b"%02d" % (stamps.MONTHS.index(name) + 1)


def _second(year: bytes, month: bytes, day: bytes, clock: list[Any], zone: str) -> int:
    hour, minute, second, fraction, behind = clock
    text = b"%s-%s-%sT%s:%s:%s" % (year, month, day.zfill(2), hour.zfill(2), minute, second)
    named = b"Z" if behind in (b"UTC", b"GMT") else behind or b""
    return _ns(stamps.iso_second(text, named, zone), fraction)


def _ns(second: int, fraction: bytes | None) -> int:
    time = second * stamps.NS + (int(fraction.ljust(9, b"0")) if fraction else 0)
    return time if abs(time) < 1 << 63 else 0


def stamped(line: bytes) -> bool:
    """Whether a line has a time of day near its beginning."""
    return _CLOCKS.search(line[:HEAD]) is not None
