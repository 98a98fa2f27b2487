"""The files of the event store: the open one, `mlids.jsonl`, and the sealed segments beside it."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import shutil
import zlib
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, cast

from mlids.errors import MLIDSError

OPEN = "mlids.jsonl"
_SEALED = re.compile(r"mlids-(\d{8}T\d{6}Z)-(\d+)\.jsonl(\.zst|\.gz)?$")
_PIECE = 1 << 14  # bytes unpacked at once: of what is damaged, no more than they hold is lost
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}


def sealed(folder: Path) -> list[Path]:
    """The sealed segments, oldest first; of one that is being compressed only the plain file.

    What only has the name of one, such as a folder, is none.
    """
    found = _named(folder)
    return [found[key] for key in sorted(found) if not _is_strange(found[key])]


def _named(folder: Path) -> dict[tuple[str, int], Path]:
    found = _seen(folder)
    # A look at a large folder can miss a file that takes another's place meanwhile.
    while (again := _seen(folder)).keys() != found.keys():
        found = again
    return again


def _seen(folder: Path) -> dict[tuple[str, int], Path]:
    found: dict[tuple[str, int], Path] = {}
    for path in sorted(folder.glob("mlids-*.jsonl*")):
        if _SEALED.match(path.name):
            found.setdefault(_order(path), path)
    return found


def _is_strange(path: Path) -> bool:
    """True for a folder, a pipe, a link to nowhere; False for what was compressed meanwhile."""
    return not path.is_file() and os.path.lexists(path)


def _order(path: Path) -> tuple[str, int]:
    match = _SEALED.match(path.name)
    assert match
    return match[1], int(match[2])


def stem(path: Path) -> str:
    """The name of a segment, whatever it is compressed with."""
    return path.name.partition(".")[0]


def files(folder: Path) -> list[Path]:
    """All files of the store, oldest events first."""
    path = folder / OPEN
    return [*sealed(folder), *([path] if path.exists() else [])]


def listed(folder: Path) -> tuple[list[Path], IO[bytes] | None]:
    """The sealed segments, oldest first, and the open file: every record is in just one of them.

    Raises `MLIDSError` E004 where the open file cannot be read.
    """
    path = folder / OPEN
    while True:
        try:
            stream = path.open("rb")
        except FileNotFoundError:
            return sealed(folder), None
        except OSError as error:
            raise MLIDSError("E004", f"{path}: {error.strerror}") from error
        found = sealed(folder)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return found, stream
        stream.close()  # it was sealed meanwhile


def seal(folder: Path) -> Path:
    """Rename the open file to a name of its own; it sorts behind all others.

    That holds where the clock was put back too: then it is named by the time of the one before.
    It is durable with the next `sync_folder`, which comes before a record is put in the new file.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    before, count = max(_named(folder), default=("", 0))
    stamp, number = max((stamp, 1), (before, count + 1))
    target = folder / f"mlids-{stamp}-{number}.jsonl"
    (folder / OPEN).rename(target)
    return target


def compress(path: Path, kind: str) -> Path:
    """Replace a sealed segment by its compressed form; the plain one goes when that is on disk."""
    if kind == "none":
        return path
    target = path.with_name(path.name + ENDINGS[kind])
    with path.open("rb") as source, rewritten(target, path) as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
    path.unlink()
    return target


def clear(folder: Path) -> None:
    """Remove what a crash left of a segment that was being compressed or thinned."""
    for partial in folder.glob(".mlids-*.partial"):
        partial.unlink(missing_ok=True)
    for path in sealed(folder):
        for ending in filter(None, ENDINGS.values()):
            if path.suffix == ".jsonl":  # else it is the compressed form that counts
                path.with_name(path.name + ending).unlink(missing_ok=True)


@contextlib.contextmanager
def rewritten(
    target: Path, like: Path | None = None, settled: Callable[[], None] = lambda: None
) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `target` at the end, durably and with its times.

    It is compressed as the target's name says. like: whose times and mode it gets, by default the
    target's own; settled: called when the content is on the disk, before it takes the place. What
    is raised inside leaves everything as it was.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        with partial.open("wb") as raw:
            with _packed(raw, target.suffix) as packed:
                yield packed
            raw.flush()
            os.fsync(raw.fileno())
        shutil.copystat(like or target, partial)
        settled()
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _packed(raw: IO[bytes], ending: str) -> Any:
    if ending == ENDINGS["gzip"]:
        return gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, filename="")
    if ending == ENDINGS["zstd"]:
        import zstandard

        return zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False)
    return contextlib.nullcontext(raw)


def lines(path: Path) -> Iterator[bytes]:
    """The whole lines of one file of the store; what is torn at its end is left out.

    Raises EOFError behind the last line that could be read of a damaged segment.
    """
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(_opened(_present(path)))
        except FileNotFoundError:  # compressed at this very moment
            stream = stack.enter_context(_opened(_present(path)))
        try:
            torn = yield from whole(stream)
        except _damage() as error:
            raise EOFError(f"{path} is damaged: {error}") from error
        if torn and path.name != OPEN:
            raise EOFError(f"{path} is damaged: its last line has no end")


def whole(stream: IO[bytes]) -> Generator[bytes, None, bool]:
    """The lines of a file up to one without an end, which is being written or torn; was there one?

    What is written behind that one meanwhile would not begin a line.
    """
    for line in stream:
        if not line.endswith(b"\n"):
            return True
        yield line
    return False


def _damage() -> tuple[type[Exception], ...]:
    """What a damaged compressed file raises; looked up when something was raised."""
    import zstandard

    return EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError


def content(path: Path) -> tuple[str, int]:
    """SHA-256 of the lines of a file, and how many they are. Raises EOFError as `lines` does."""
    digest, count = sha256(), 0
    for line in lines(path):
        digest.update(line)
        count += 1
    return digest.hexdigest(), count


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
        with path.open("rb") as raw:
            yield io.BufferedReader(_Unpacked(raw), 1 << 20)
    else:
        with path.open("rb", buffering=1 << 20) as stream:
            yield stream


class _Unpacked(io.RawIOBase):
    """What a zstd file holds. zstandard's own reader takes a file that was cut for its end."""

    def __init__(self, packed: IO[bytes]) -> None:
        import zstandard

        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and not self._frame.eof:
            piece = self._packed.read(_PIECE)
            if not piece:
                raise EOFError("it ends too early")
            self._left = memoryview(self._frame.decompress(piece))
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


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
