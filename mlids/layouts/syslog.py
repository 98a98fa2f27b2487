"""Syslog lines: RFC 3164 (with and without a year), RFC 5424, and ISO 8601 stamps of rsyslog."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.lines import chunks, stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH = 16  # bytes of "Jan 13 10:30:45 "
ISO_WIDTH = 33  # bytes of "2025-01-13T10:30:45.123456+00:00 "
SAMPLE = 65536  # bytes that are looked at to tell the format

# Every part is bounded and the parts exclude each other, so that no line can make these slow.
_HEAD = re.compile(
    rb"(?:<\d{1,3}>)?(?:"
    rb"(?P<v5424>1 )?(?P<date>\d{4}-\d\d-\d\d)[T ](?P<clock>\d\d:\d\d:\d\d)"
    rb"(?:[.,](?P<part>\d{1,9}))?(?P<zone>Z|z|[+-]\d\d:?\d\d)?"
    rb"|(?:(?P<before>\d{4}) )?(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
    rb" {1,2}(?P<day>\d{1,2})"
    rb"(?: (?P<after>\d{4}))? (?P<time>\d\d:\d\d:\d\d)(?:\.(?P<bit>\d{1,9}))?:?"
    rb")(?: |$)"
)
_REST = re.compile(
    rb"([^ ]*+)(?: ++|$)(?:([^\s\[:]{1,128}+)(?:\[([^\]\s]{1,32}+)\])?:(?: |$))?(.*)", re.DOTALL
)
_RFC5424 = re.compile(
    rb"([^ ]*+)(?: |$)([^ ]*+)(?: |$)([^ ]*+)(?: |$)[^ ]*+(?: |$)"
    rb'(?:-|(?:\[(?:[^"\]]++|"(?:[^"\\]++|\\.)*+")*+\])*+)(?: |$)(?:\xef\xbb\xbf)?(.*)',
    re.DOTALL,
)
_Fields = tuple[bytes | None, bytes | None, bytes | None, bytes]


class Zoned(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of formats whose stamps may lack their zone."""

    timezone: Annotated[
        str,
        msgspec.Meta(
            description="IANA name of the zone of stamps without one; empty: this host's",
            extra={"key": "monitors.logs.timezone"},
        ),
    ] = ""


class SyslogLayout(LogFormat):
    """Columns: time (int64 ns, 0 unknown), host, program, pid, message (lists of bytes or None).

    Stamps without a year get the latest that lies at most a day after `LineBatch.written`; stamps
    without a zone are local time. Raises `ConfigError` for a time zone that does not exist.
    """

    Settings = Zoned

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._zone = stamps.check_zone(self.settings.timezone)

    def sniff(self, chunk: bytes) -> float:
        """The share of lines with a stamp of syslog; never quite certain, since others use it."""
        lines = [line for line in chunk[:SAMPLE].splitlines()[:200] if line]
        known = sum(_HEAD.match(line) is not None for line in lines)
        return 0.9 * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines that begin with a stamp of one of the kinds."""
        head = chunks.heads(batch, ISO_WIDTH)
        known, iso = _kinds(head)
        known |= iso
        starts, ends, data = batch.starts, batch.ends, batch.data
        for row in np.flatnonzero(~known).tolist():
            known[row] = _HEAD.match(data, int(starts[row]), int(ends[row])) is not None
        return known

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns; a line without a known stamp is all message."""
        head = chunks.heads(batch, ISO_WIDTH)
        plain, iso = _kinds(head)
        times = np.zeros(len(batch), dtype=np.int64)
        times[plain] = self._plain_times(head[plain], batch.written)
        times[iso] = _iso_times(head[iso])
        widths = np.where(plain, WIDTH, np.where(iso, ISO_WIDTH, 0))
        fields = self._fields(batch, widths, times)
        names = ("host", "program", "pid", "message")
        columns = {name: [one[at] for one in fields] for at, name in enumerate(names)}
        return {"time": times, **columns}

    def _fields(
        self, batch: LineBatch, widths: NDArray[np.int64], times: NDArray[np.int64]
    ) -> list[_Fields]:
        """Host, program, pid and message of each line, behind a stamp of this width.

        Where the width is 0 the stamp is of another kind; its time is filled in.
        """
        data, rest = batch.data, _REST.match
        ends = zip((batch.starts + widths).tolist(), batch.ends.tolist(), strict=True)
        fields: list[Any] = [rest(data, start, end).groups() for start, end in ends]  # type: ignore[union-attr]  # it matches any text
        for row in np.flatnonzero(widths == 0).tolist():
            times[row], fields[row] = self._other(batch.line(row), batch.written)
        return [found if found[1] else _hostless(found) for found in fields]

    def _other(self, line: bytes, written: int) -> tuple[int, _Fields]:
        """Time and fields of a line whose stamp is not the plain one."""
        head = _HEAD.match(line)
        if head is None:
            return 0, (None, None, None, line)
        time = self._iso_time(head) if head["date"] else self._named_time(head, written)
        if head["v5424"]:
            match = _RFC5424.match(line, head.end())
            return time, _nil(match.groups()) if match else (None, None, None, line[head.end() :])
        match = _REST.match(line, head.end())
        return time, match.groups() if match else (None, None, None, b"")  # type: ignore[return-value]

    def _iso_time(self, head: re.Match[bytes]) -> int:
        try:
            stamp = head["date"] + b"T" + head["clock"]
            second = stamps.iso_second(stamp, head["zone"] or b"", self._zone)
        except (ValueError, OverflowError):
            return 0
        return _time(second, head["part"])

    def _named_time(self, head: re.Match[bytes], written: int) -> int:
        """Time of a stamp such as ``Jan 3 2025 10:30:45`` or ``Jan 3 10:30:45.5``."""
        month, day = stamps.MONTHS.index(head["month"]) + 1, int(head["day"])
        clock = head["time"]
        year = head["before"] or head["after"]
        if year:
            stamp = b"%s-%02d-%02dT%s" % (year, month, day, clock)
            try:
                second = stamps.iso_second(stamp, b"", self._zone)
            except (ValueError, OverflowError):
                return 0
        else:
            second = int(clock[:2]) * 3600 + int(clock[3:5]) * 60 + int(clock[6:])
            numbers = np.array([[month], [day], [second]], dtype=np.int64)
            inferred = stamps.infer(numbers[0], numbers[1], numbers[2], written, self._zone)
            second = int(inferred[0]) // stamps.NS
        return _time(second, head["bit"]) if second else 0

    def _plain_times(self, head: NDArray[np.uint8], written: int) -> NDArray[np.int64]:
        digits = head.astype(np.int64) - 48
        day = np.where(head[:, 4] == 32, 0, digits[:, 4]) * 10 + digits[:, 5]
        hour, minute, second = (digits[:, at] * 10 + digits[:, at + 1] for at in (7, 10, 13))
        clock = np.where(
            (hour < 24) & (minute < 60) & (second < 61), hour * 3600 + minute * 60 + second, -1
        )
        return stamps.infer(_months(head), day, clock, written, self._zone)


def _kinds(head: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which lines have a plain stamp, and which an ISO one (no line has both)."""
    plain = _plain(head)
    iso = np.zeros(len(head), dtype=np.bool_)
    others = np.flatnonzero(~plain)
    if len(others):
        iso[others] = _iso(head[others])
    return plain, iso


def _plain(head: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which lines begin like ``Jan 13 10:30:45 `` or ``Jan  3 10:30:45 ``."""
    digit = (head >= 48) & (head <= 57)
    marks = (head[:, 3] == 32) & (head[:, 6] == 32) & (head[:, 9] == 58) & (head[:, 12] == 58)
    numbers = digit[:, 5] & digit[:, 7] & digit[:, 8] & digit[:, 10] & digit[:, 11]
    numbers &= digit[:, 13] & digit[:, 14] & (digit[:, 4] | (head[:, 4] == 32))
    known: NDArray[np.bool_] = marks & numbers & (head[:, 15] == 32) & (_months(head) > 0)
    return known


def _iso(head: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which lines begin like ``2025-01-13T10:30:45.123456+00:00 ``."""
    shape = np.frombuffer(b"0000-00-00T00:00:00.000000+00:00 ", dtype=np.uint8)
    number = shape == 48
    digits = ((head[:, number] >= 48) & (head[:, number] <= 57)).all(axis=1)
    sign = (head[:, 26] == ord("+")) | (head[:, 26] == ord("-"))
    marks = ~number & (np.arange(ISO_WIDTH) != 26)
    same: NDArray[np.bool_] = digits & sign & (head[:, marks] == shape[marks]).all(axis=1)
    return same


def _iso_times(head: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Nanoseconds since 1970 of such stamps, 0 where there is no such time."""
    digits = head.astype(np.int64) - 48

    def number(begin: int, end: int) -> NDArray[np.int64]:
        value = digits[:, begin]
        for at in range(begin + 1, end):
            value = value * 10 + digits[:, at]
        return value

    year, month, day = number(0, 4), number(5, 7), number(8, 10)
    hour, minute, second = number(11, 13), number(14, 16), number(17, 19)
    ahead = (number(27, 29) * 3600 + number(30, 32) * 60) * np.where(head[:, 26] == 43, 1, -1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    right = (year > 1677) & (year < 2262) & (month >= 1) & (month <= 12) & (day >= 1)  # of int64
    right &= day <= np.take(stamps.DAYS, np.clip(month, 0, 12))
    right &= leap | (month != 2) | (day != 29)
    right &= (hour < 24) & (minute < 60) & (second < 60) & (abs(ahead) < stamps.DAY)
    right &= number(30, 32) < 60
    clock = hour * 3600 + minute * 60 + second - ahead
    seconds = stamps.days_since_1970(year, month, day) * stamps.DAY + clock
    times = seconds * stamps.NS + number(20, 26) * 1000
    return np.where(right, times, 0)


def _months(head: NDArray[np.uint8]) -> NDArray[np.int64]:
    """1 to 12, 0 where the first three bytes name no month."""
    wide = head[:, :3].astype(np.int64)
    code = wide[:, 0] << 16 | wide[:, 1] << 8 | wide[:, 2]
    known = np.array([int.from_bytes(name, "big") for name in stamps.MONTHS], dtype=np.int64)
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], code), 11)
    return np.where(known[order][place] == code, order[place] + 1, 0)


def _hostless(fields: _Fields) -> _Fields:
    """``prog[1]: text`` without a host: what was taken for the host is the program."""
    host = fields[0]
    if not host or not host.endswith(b":"):
        return fields
    program, _, pid = host[:-1].partition(b"[")
    return None, program, pid.rstrip(b"]") or None, fields[3]


def _nil(groups: tuple[Any, ...]) -> _Fields:
    """RFC 5424 writes ``-`` for what is unknown."""
    host, program, pid = (None if group == b"-" else group for group in groups[:3])
    return host, program, pid, groups[3]


def _time(second: int, fraction: bytes | None) -> int:
    """Nanoseconds, 0 where 64 bits cannot hold them (before 1678, after 2261)."""
    time = second * stamps.NS + (int(fraction.ljust(9, b"0")) if fraction else 0)
    return time if abs(time) < 1 << 63 else 0
