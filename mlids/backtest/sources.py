"""The logs and recordings that stored events name, and which of them can be read again.

A log that was rotated is looked for under its new names. It counts as being there only where the
lines that led to the first and to the last of the stored events still stand where they stood.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from mlids.backtest import signs
from mlids.backtest.spells import text
from mlids.controls.words import counted
from mlids.errors import MLIDSError
from mlids.events import Event
from mlids.lines import rotation
from mlids.lines.compressed import PlainReader

MOST = 1000  # sources that are told apart
LINE = 65_536  # bytes in which a line of evidence is looked for
STEP = 1 << 20
FEWEST = 4  # letters of a name that is no coincidence in a line


class Sample(NamedTuple):
    """A place in a log, and texts of which one stood there (none: nothing is known of it)."""

    offset: int
    needles: tuple[str, ...]


class Source(msgspec.Struct):
    """One input that events name. lines: it is a log, else a recording; logins: of them."""

    name: str
    lines: bool
    first: Sample
    last: Sample
    events: int = 0
    logins: int = 0


class Readable(msgspec.Struct):
    """What can be read again: files by source, their bytes, and why other sources cannot."""

    files: dict[str, list[str]] = {}
    bytes: int = 0
    refused: dict[str, str] = {}


class Sources:
    """The sources of a period, as its events are counted."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.left_out = 0  # events of sources beyond
        self.known: dict[str, Source] = {}

    def add(self, event: Event) -> None:
        """Count an event for the source of its deciding evidence."""
        place = signs.evidence(event)
        name = text(place.get("source"))
        if not name or not ("line" in place or "frame" in place):
            return
        known = self.known.get(name)
        sample = Sample(signs.place(event)[2], _needles(event))
        if known is None:
            if len(self.known) >= self.most:
                self.left_out += 1
                return
            known = self.known[name] = Source(name, "line" in place, sample, sample)
        known.last = sample
        known.events += 1
        known.logins += signs.is_sign(event)

    def readable(self, lines: bool, recordings: bool, since_ns: int, most_bytes: int) -> Readable:
        """What of the wanted kinds can be read, those with most events first, up to so many bytes.

        since_ns: rotated files that were not written since are left out.
        """
        found = Readable()
        for source in sorted(self.known.values(), key=lambda one: -one.events):
            if not (lines if source.lines else recordings):
                continue
            files = _files(source, since_ns)
            size = sum(_size(path) for path in files)
            if why := _objection(source, files):
                found.refused[source.name] = why
            elif found.bytes + size > most_bytes:
                room = counted(most_bytes, "byte")
                found.refused[source.name] = f"with it more than {room} would have to be read"
            else:
                found.files[source.name] = files
                found.bytes += size
        return found


def _needles(event: Event) -> tuple[str, ...]:
    details = event["details"]
    texts = (text(details.get(field)) for field in ("ip", "user", "target"))
    return tuple(one for one in texts if len(one) >= FEWEST)


def _files(source: Source, since_ns: int) -> list[str]:
    """The file itself and what it was rotated to, oldest first."""
    if source.name == "-":  # standard input, not a file of that name
        return []
    try:
        own = [source.name] if Path(source.name).is_file() else []
        older = rotation.rotated(source.name) if source.lines else []
    except (OSError, ValueError):  # somebody may have stored what is no path
        return []
    except rotation.Unstable:
        return own
    rotation.close(older)
    return [file.path for file in older if file.changed_ns >= since_ns] + own


def _objection(source: Source, files: list[str]) -> str:
    """Why these files are not what was read then; "" where they are."""
    if not files:
        return "there is no such file"
    if not source.lines:
        return ""
    for sample in (source.first, source.last):
        if not any(_holds(path, sample) for path in files):
            return "the lines that were told of are not there any more"
    return ""


def _holds(path: str, sample: Sample) -> bool:
    line = _line(path, sample.offset)
    return bool(line) and (
        not sample.needles or any(one.encode(errors="replace") in line for one in sample.needles)
    )


def _line(path: str, offset: int) -> bytes:
    """The line at an offset of the plain text; empty where there is none."""
    try:
        with Path(path).open("rb") as file:
            reader = PlainReader(file, path)
            if not reader.compressed:
                file.seek(offset)
            else:
                _skip(reader, offset)
            return reader.read(LINE).partition(b"\n")[0]
    except (OSError, MLIDSError, ValueError, OverflowError):
        return b""


def _skip(reader: PlainReader, count: int) -> None:
    while count > 0 and (data := reader.read(min(STEP, count))):
        count -= len(data)


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def all_logins(sources: Iterable[Source], files: dict[str, list[str]]) -> bool:
    """Whether every source of logins can be read again; False where there are no logins."""
    told = [source.name for source in sources if source.logins]
    return bool(told) and all(name in files for name in told)
