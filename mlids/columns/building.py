"""Building companions: a segment's lines become rows, and DuckDB writes them as Parquet.

Rows go to DuckDB through a file of JSON lines: it needs neither numpy nor pyarrow, and whatever the
size of the segment, memory stays that of one buffer.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mlids import atomic, segments
from mlids.columns import companions
from mlids.columns.companions import LAYOUT, Head
from mlids.columns.counting import RowCounts
from mlids.columns.rows import COLUMNS, Row, row
from mlids.errors import MLIDSError
from mlids.locking import FolderLock
from mlids.tally import Tally

LONGEST = 4 << 20  # bytes; with longer lines a segment gets no columns
_TOGETHER = 1024  # rows that are counted and encoded at once
MEMORY = "512MB"
if TYPE_CHECKING:
    import duckdb

_encode = msgspec.json.Encoder().encode_lines


class _Reading(msgspec.Struct):
    """What was seen while a segment was read."""

    counts: RowCounts
    broken: int = 0
    first_broken: int = 0
    damage: str = ""
    too_long: bool = False


def build_missing(
    logs: Path,
    done: Callable[[int, int], None] = lambda done, of: None,
    workers: int = 1,
    *,
    again: bool = True,
) -> None:
    """Build the companions that are missing.

    done: told how many are built, of how many; workers: processes that build; again: until none is
    missing, else those that are missing now: who waits must not chase a writer. Raises `MLIDSError`
    E006 where another process builds at this moment, E004 or E106 where nothing can be written.
    """
    lock = FolderLock(companions.folder(logs))
    lock.acquire()
    try:
        companions.remove_orphans(logs)
        tried: set[Path] = set()
        while todo := [path for path in companions.missing(logs) if path not in tried]:
            before = len(tried)
            tried.update(todo)
            for number, _ in enumerate(_built(todo, workers), before + 1):
                done(number, len(tried))
            if not again:
                break
    except OSError as error:
        raise MLIDSError("E106", f"{companions.folder(logs)}: {error.strerror}") from error
    finally:
        lock.release()


def _built(paths: Sequence[Path], workers: int) -> Iterator[None]:
    """Build companions; yields once for each."""
    if workers == 1 or len(paths) == 1:
        yield from map(build, paths)
    else:
        with ProcessPoolExecutor(workers) as pool:
            yield from pool.map(build, paths)


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 1})


def build(segment: Path) -> None:
    """Build the companion of one sealed segment.

    None where it vanished or may not be read, or DuckDB fails.
    """
    import duckdb

    with contextlib.suppress(FileNotFoundError, PermissionError, duckdb.Error):
        _build(segment)


def _build(segment: Path) -> None:
    state = segment.stat()
    seen = _Reading(RowCounts())
    target = companions.columns_path(segment)
    rows = target.with_name(f".{target.stem}.rows")
    partial = target.with_name(f".{target.stem}.partial")
    try:
        _write_rows(segment, rows, seen)
        size = checksum = 0
        if not seen.too_long:
            _connection().execute(_copy(partial), [str(rows)])
            size, checksum = _settle(partial)
            partial.replace(target)
    finally:
        rows.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    counts = seen.counts.tally()
    known = _head(segment, state, seen, counts, size, checksum)
    atomic.write_atomically(companions.tally_path(segment), companions.encoded(known, counts))


def _write_rows(segment: Path, path: Path, seen: _Reading) -> None:
    with path.open("wb") as file:
        path.chmod(0o600)
        for some in _batches(_rows(segment, seen)):
            seen.counts.add(some)
            if not seen.too_long:
                file.write(_encode(some))


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while some := list(islice(rows, _TOGETHER)):
        yield some


def _rows(segment: Path, seen: _Reading) -> Iterator[Row]:
    try:
        for number, line in enumerate(segments.lines(segment), 1):
            if len(line) > LONGEST:
                seen.too_long = True
            if made := row(line, number):
                yield made
            else:
                seen.broken += 1
                seen.first_broken = seen.first_broken or number
    except EOFError as error:
        seen.damage = str(error)[-500:]  # a head is short


def _copy(target: Path) -> str:
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
    path = str(target).replace("'", "''")
    return (
        f"COPY (FROM read_json(?, format='newline_delimited', compression='none', "
        f"columns={{{columns}}}, maximum_object_size={4 * LONGEST})) "
        f"TO '{path}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 30720)"
    )


def _settle(path: Path) -> tuple[int, int]:
    """Put a file on the disk; returns its size and CRC-32."""
    checksum = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            checksum = zlib.crc32(piece, checksum)
        os.fsync(file.fileno())
        os.fchmod(file.fileno(), 0o640)
        return file.tell(), checksum


def _head(
    segment: Path,
    state: os.stat_result,
    seen: _Reading,
    counts: Tally,
    size: int,
    checksum: int,
) -> Head:
    return Head(
        layout=LAYOUT,
        segment=segment.name,
        size=state.st_size,
        modified_ns=state.st_mtime_ns,
        columns=size,
        checksum=checksum,
        rows=counts.total,
        first_ns=counts.first_ns,
        last_ns=counts.last_ns,
        types=companions.types_of(counts),
        severities=tuple(sorted({cell[2] for cell in counts.cells})),
        broken=seen.broken,
        first_broken=seen.first_broken,
        damage=seen.damage,
    )
