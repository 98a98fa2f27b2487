"""What the small CloudWatch server holds: the truth, and the pages as they go over the wire."""

from __future__ import annotations

import json
import shlex
import threading
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import NamedTuple

import msgspec

DAY_MS = 86_400_000
CREATED = 1_600_000_000_000  # of groups and streams in which nothing is
Position = tuple[int, ...]  # all entries not below it are still to come


class Record(msgspec.Struct, frozen=True):
    """One event as it is given and as `truth` tells it.

    message: bytes go into the JSON as they are, whether they are UTF-8 or not.
    ingestion_time: ms; when not given, the timestamp. event_id: when not given, 56 digits.
    """

    timestamp: int
    message: str | bytes
    ingestion_time: int | None = None
    event_id: str = ""


class Entry(NamedTuple):
    """A record that arrived. It sorts as CloudWatch sorts."""

    timestamp: int
    ingestion_time: int
    arrival: int  # no two have the same
    event_id: str
    message: str | bytes
    stream: str

    @property
    def after(self) -> Position:
        return self.timestamp, self.ingestion_time, self.arrival + 1


def filtered_form(entry: Entry) -> bytes:
    """As FilterLogEvents writes it."""
    return b'{"logStreamName":%b,"timestamp":%d,"message":%b,"ingestionTime":%d,"eventId":%b},' % (
        _text(entry.stream),
        entry.timestamp,
        _text(entry.message),
        entry.ingestion_time,
        _text(entry.event_id),
    )


def plain_form(entry: Entry) -> bytes:
    """As GetLogEvents writes it: without an id."""
    return b'{"timestamp":%d,"message":%b,"ingestionTime":%d},' % (
        entry.timestamp,
        _text(entry.message),
        entry.ingestion_time,
    )


def _text(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return json.dumps(text.decode("latin-1"), ensure_ascii=False).encode("latin-1")
    try:
        return msgspec.json.encode(text)
    except UnicodeEncodeError:  # half a surrogate pair, which can only be written as an escape
        return json.dumps(text).encode()


class View:
    """Entries of some streams in order, and all of them encoded, one after the other."""

    def __init__(self, entries: list[Entry], form: Callable[[Entry], bytes]) -> None:
        pieces = list(map(form, entries))
        self.entries = entries
        self.form = form
        self._offsets = array("Q", accumulate(map(len, pieces), initial=0))
        self._encoded = memoryview(b"".join(pieces))

    def between(self, start: int | None, end: int | None) -> tuple[int, int]:
        """The indexes of what is in [start, end)."""
        last = len(self.entries) if end is None else bisect_left(self.entries, (end,))
        return 0 if start is None else bisect_left(self.entries, (start,)), last

    def at(self, position: Position) -> int:
        return bisect_left(self.entries, position)

    def encoded(self, first: int, last: int) -> memoryview:
        """The entries [first, last), each followed by a comma but the last."""
        end = self._offsets[last] - 1 if last > first else self._offsets[first]
        return self._encoded[self._offsets[first] : end]

    def forward(self, first: int, last: int, size: int) -> int:
        """The end of the page that begins at first: at most size bytes, but at least one entry."""
        fits = bisect_left(self._offsets, self._offsets[first] + size + 1, first, last + 1) - 1
        return min(max(fits, first + 1), last)

    def backward(self, first: int, last: int, size: int) -> int:
        """The begin of the page that ends at last."""
        fits = bisect_left(self._offsets, max(self._offsets[last] - size, 0), first, last + 1)
        return max(min(fits, last - 1), first)


class Store:
    """All groups. Records may be added at any time, by any thread."""

    def __init__(self, groups: Mapping[str, Mapping[str, Iterable[Record]]]) -> None:
        self.groups: dict[str, dict[str, list[Entry]]] = {}
        self.arrivals = 0
        self._views: dict[tuple[object, ...], View] = {}
        self._lock = threading.Lock()
        for group, streams in groups.items():
            self.groups[group] = {}
            for stream, records in streams.items():
                self.groups[group][stream] = sorted(self._arrived(stream, records))

    def add(self, group: str, stream: str, records: Iterable[Record]) -> None:
        with self._lock:
            entries = self.groups.setdefault(group, {}).setdefault(stream, [])
            for entry in self._arrived(stream, records):
                insort(entries, entry)
            for key in [key for key in self._views if key[0] == group]:
                del self._views[key]

    def _arrived(self, stream: str, records: Iterable[Record]) -> Iterable[Entry]:
        for record in records:
            stamp, ingested = record.timestamp, record.ingestion_time
            ingested = stamp if ingested is None else ingested
            identity = record.event_id or f"3{max(stamp, 0):019d}{self.arrivals:036d}"
            yield Entry(stamp, ingested, self.arrivals, identity, record.message, stream)
            self.arrivals += 1

    def truth(
        self, group: str, stream: str | None, start: int | None, end: int | None
    ) -> list[Record]:
        """The records of a stream, or of all, in the period [start, end), in order."""
        with self._lock:
            streams = self.groups[group]
            taken = streams[stream] if stream is not None else sorted(_all(streams))
            return [
                Record(entry.timestamp, entry.message, entry.ingestion_time, entry.event_id)
                for entry in taken
                if (start is None or start <= entry.timestamp)
                and (end is None or entry.timestamp < end)
            ]

    def view(
        self, group: str, names: tuple[str, ...], form: Callable[[Entry], bytes], pattern: str = ""
    ) -> View:
        """The entries of these streams in which all words of the pattern occur."""
        key = (group, names, form, pattern)
        with self._lock:
            if (view := self._views.get(key)) is None:
                streams = self.groups[group]
                entries = sorted(_all({name: streams[name] for name in names}))
                if pattern:
                    words = shlex.split(pattern)
                    entries = [e for e in entries if all(word in str(e.message) for word in words)]
                view = self._views[key] = View(entries, form)
            return view


def _all(streams: Mapping[str, list[Entry]]) -> list[Entry]:
    return [entry for entries in streams.values() for entry in entries]


def filled(streams: int, events: int, start: int, step: int = 1) -> dict[str, list[Record]]:
    """Streams of web server lines of about 120 bytes, an event every `step` ms from `start` on."""
    return {
        f"ecs/app/{number:032x}": [
            Record(start + n * step, _line(number, n), start + n * step + 700)
            for n in range(events)
        ]
        for number in range(streams)
    }


def _line(stream: int, number: int) -> str:
    address = f"10.{stream}.{number >> 8 & 255}.{number & 255}"
    return (
        f'{address} - user{number % 977} "GET /api/v1/orders/{number} HTTP/1.1" '
        f'{(200, 200, 304, 404)[number & 3]} {number * 37 % 9973} "-" '
        '"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101"'
    )
