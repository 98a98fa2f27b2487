"""The files of the event store: the open one, `mlids.jsonl`, and the sealed segments beside it."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

OPEN = "mlids.jsonl"
_SEALED = re.compile(r"mlids-(\d{8}T\d{6}Z)-(\d+)\.jsonl(\.zst|\.gz)?$")
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}


def sealed(folder: Path) -> list[Path]:
    """The sealed segments, oldest first; of one that is being compressed only the plain file."""
    found: dict[tuple[str, int], Path] = {}
    for path in sorted(folder.glob("mlids-*.jsonl*")):
        if match := _SEALED.match(path.name):
            found.setdefault((match[1], int(match[2])), path)
    return [found[key] for key in sorted(found)]


def files(folder: Path) -> list[Path]:
    """All files of the store, oldest events first."""
    path = folder / OPEN
    return [*sealed(folder), *([path] if path.exists() else [])]


def seal(folder: Path) -> Path:
    """Rename the open file to a name of its own, durably."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    taken = {path.name.split(".")[0] for path in folder.glob(f"mlids-{stamp}-*")}
    number = next(n for n in range(1, 10**6) if f"mlids-{stamp}-{n}" not in taken)
    target = folder / f"mlids-{stamp}-{number}.jsonl"
    (folder / OPEN).rename(target)
    sync_folder(folder)
    return target


def compress(path: Path, kind: str) -> Path:
    """Replace a sealed segment by its compressed form; the plain one goes when that is on disk."""
    if kind == "none":
        return path
    target = path.with_name(path.name + ENDINGS[kind])
    partial = target.with_name(f".{target.name}.partial")
    with path.open("rb") as source, partial.open("wb") as raw:
        with _compressor(raw, kind) as packed:
            shutil.copyfileobj(source, packed, 1 << 20)
        raw.flush()
        os.fsync(raw.fileno())
    shutil.copystat(path, partial)
    partial.replace(target)
    sync_folder(path.parent)
    path.unlink()
    return target


def _compressor(raw: IO[bytes], kind: str) -> Any:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, filename="")
    import zstandard

    return zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False)


def lines(path: Path) -> Iterator[bytes]:
    """The whole lines of one file of the store; what is torn at its end is left out.

    Raises EOFError behind the last line that could be read of a damaged compressed file.
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(_opened(_present(path)))
        except FileNotFoundError:  # compressed at this very moment
            stream = stack.enter_context(_opened(_present(path)))
        try:
            yield from (line for line in stream if line.endswith(b"\n"))
        except _damage() as error:
            raise EOFError(f"{path} is damaged: {error}") from error


def _damage() -> tuple[type[Exception], ...]:
    """What a damaged compressed file raises; looked up when something was raised."""
    import zstandard

    return EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError


def modified_ns(path: Path) -> int:
    """When a segment got its last record, ns since 1970."""
    return _present(path).stat().st_mtime_ns


def _present(path: Path) -> Path:
    """The file itself, or what it was compressed to meanwhile."""
    if path.exists():
        return path
    return next(iter(sorted(path.parent.glob(path.name + ".*"))), path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            yield cast(IO[bytes], stream)
    elif path.suffix == ".zst":
        import io

        import zstandard

        with path.open("rb") as raw:
            yield io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw), 1 << 20)
    else:
        with path.open("rb", buffering=1 << 20) as stream:
            yield stream


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def mend(path: Path) -> bytes:
    """Cut off a record that a crash tore at the end of the open file; returns what was cut off."""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        tail = b""
        while size and not tail.count(b"\n"):
            step = min(65536, size)
            size -= step
            file.seek(size)
            tail = file.read(step) + tail
        torn = tail[tail.rfind(b"\n") + 1 :]
        if torn:
            file.truncate(size + len(tail) - len(torn))
            os.fsync(file.fileno())
        return torn
