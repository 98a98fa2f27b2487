"""Companions of sealed segments in ``logs/columns``: the columns, and the roll-up.

``<stem>.parquet`` has a row an event. ``<stem>.tally`` says of which segment both are, what the
columns look like, and holds the segment's `Tally`; it is written last, so that without it there is
no companion. The JSON lines stay the truth: whatever is missing, damaged, of another layout or not
of this very segment is passed over, and built anew.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

import msgspec

from mlids import segments
from mlids.tally import Tally

FOLDER = "columns"
LAYOUT = 1  # of rows and of the tally file; another one is built anew
_MAGIC = b"MLT\n"
_PART = struct.Struct("<II")  # bytes and CRC-32 of a part
_MOST_TYPES = 64


class Head(msgspec.Struct, frozen=True):
    """What is known of a segment without opening its columns.

    segment: the file's name; size, modified_ns: the file's own, which tie the companion to it;
    columns: bytes of the Parquet file, 0 where the segment has none (its lines are too long);
    checksum: CRC-32 of that file; rows: events; first_ns, last_ns: their times; types: () where
    there are many; broken: lines that are no events; first_broken: the number of the first;
    damage: why it could not be read to its end.
    """

    layout: int
    segment: str
    size: int
    modified_ns: int
    columns: int
    checksum: int
    rows: int
    first_ns: int
    last_ns: int
    types: tuple[str, ...]
    severities: tuple[str, ...]
    broken: int = 0
    first_broken: int = 0
    damage: str = ""


def folder(logs: Path) -> Path:
    """Where the companions of a store are."""
    return logs / FOLDER


def stem(segment: Path) -> str:
    """The name of a segment without endings: that of its companions."""
    return segment.name.partition(".")[0]


def tally_path(segment: Path) -> Path:
    """The roll-up of a segment."""
    return folder(segment.parent) / f"{stem(segment)}.tally"


def columns_path(segment: Path) -> Path:
    """The columns of a segment."""
    return folder(segment.parent) / f"{stem(segment)}.parquet"


def head(segment: Path) -> Head | None:
    """What the companion of this segment says; None where it has no valid one."""
    try:
        with tally_path(segment).open("rb") as file:
            known = _head(file.read(4096))
        state = segment.stat()
        if (known.layout, known.segment, known.size, known.modified_ns) != (
            LAYOUT,
            segment.name,
            state.st_size,
            state.st_mtime_ns,
        ):
            return None
        if known.columns and columns_path(segment).stat().st_size != known.columns:
            return None
    except (OSError, ValueError):
        return None
    return known


def tally(segment: Path) -> Tally | None:
    """The roll-up of a segment that has a valid `head`; None where it is damaged."""
    try:
        data = tally_path(segment).read_bytes()
        _, behind = _part(data, len(_MAGIC))
        body, _ = _part(data, behind)
        return _decode_tally(body)
    except (OSError, ValueError):
        return None


def sound(segment: Path, known: Head) -> bool:
    """True where the columns are, byte for byte, those that were written."""
    checksum = 0
    try:
        with columns_path(segment).open("rb") as file:
            while piece := file.read(1 << 20):
                checksum = zlib.crc32(piece, checksum)
    except OSError:
        return False
    return checksum == known.checksum


def encoded(known: Head, counts: Tally) -> bytes:
    """The content of a tally file."""
    parts = (_encode(known), _encode(counts))
    return _MAGIC + b"".join(_PART.pack(len(part), zlib.crc32(part)) + part for part in parts)


def discard(segment: Path) -> None:
    """Delete a companion that proved wrong, so that it is built anew."""
    for path in (tally_path(segment), columns_path(segment)):
        with contextlib.suppress(OSError):
            path.unlink()


def missing(logs: Path) -> list[Path]:
    """Sealed segments without a valid companion, newest first: they are asked for most."""
    return [path for path in reversed(segments.sealed(logs)) if head(path) is None]


def remove_orphans(logs: Path) -> None:
    """Delete companions whose segment is gone, and what an interrupted build left behind."""
    kept = {stem(path) for path in segments.sealed(logs)}
    for path in folder(logs).glob("*mlids-*"):
        if path.name.startswith(".") or stem(path) not in kept:
            path.unlink(missing_ok=True)


def types_of(counts: Tally) -> tuple[str, ...]:
    """The types in a roll-up, () where there are more than a head should hold."""
    types = sorted({cell[1] for cell in counts.cells})
    short = len(types) <= _MOST_TYPES and len(_encode(types)) < 2000
    return tuple(types) if short else ()


def is_usable(logs: Path) -> bool:
    """False where DuckDB would take the folder's name for a pattern of names."""
    return not set("*?[{") & set(str(logs.absolute()))


def is_writable(logs: Path) -> bool:
    """True where companions can be written."""
    below = folder(logs)
    return os.access(below if below.exists() else logs, os.W_OK)


def _head(data: bytes) -> Head:
    if not data.startswith(_MAGIC):
        raise ValueError("no tally")
    return _decode_head(_part(data, len(_MAGIC))[0])


def _part(data: bytes, at: int) -> tuple[bytes, int]:
    """A part of a tally file, and where the next one begins. Raises ValueError."""
    try:
        length, checksum = _PART.unpack_from(data, at)
    except struct.error as error:
        raise ValueError("cut off") from error
    start = at + _PART.size
    part = data[start : start + length]
    if len(part) != length or zlib.crc32(part) != checksum:
        raise ValueError("damaged")
    return part, start + length


_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_tally = msgspec.msgpack.Decoder(Tally).decode
