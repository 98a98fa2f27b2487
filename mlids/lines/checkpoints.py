"""Where reading stopped, so that it goes on there after a restart: JSON, written atomically."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

import msgspec

HEAD = 1024  # bytes at the beginning of a file by which it is known under any name
TAIL = 64  # bytes before a position by which it is known that the file is still the same there


class Position(msgspec.Struct, frozen=True):
    """A place in a file, and what the file is known by.

    Names change at rotation and inodes are used again, so the first `size` bytes identify the file
    (their digest is `head`), and `tail` (hex) are the bytes just before the place.
    """

    device: int
    inode: int
    offset: int
    lines: int
    size: int = 0
    head: str = ""
    tail: str = ""
    changed_ns: int = 0  # time of the file's last change when it was read


class Progress(msgspec.Struct, frozen=True):
    """How far one path was read: its unfinished files, oldest first, and the finished ones."""

    positions: tuple[Position, ...] = ()
    finished: tuple[tuple[int, str], ...] = ()  # size and digest of the first bytes


class Kept(msgspec.Struct, frozen=True):
    """What is kept of folders and globs, so that what is new can be told from what was there.

    patterns: those that were looked at before; found: by path the pattern that led to it; passed:
    files that are not to be read (device, inode and size): packed, or another's copy.
    """

    patterns: tuple[str, ...] = ()
    found: dict[str, str] = {}
    passed: dict[str, tuple[int, int, int]] = {}


class _Stored(msgspec.Struct):
    version: int
    paths: dict[str, Progress]
    kept: Kept = msgspec.field(default_factory=Kept)


def digest(data: bytes) -> str:
    """A short digest of the first bytes of a file."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Checkpoint:
    """The progress of every path; without a file it is kept in memory only."""

    def __init__(self, path: str | None) -> None:
        self.path = Path(path) if path else None
        self._written: dict[str, Progress] = {}
        self.kept = Kept()
        self.written_ns = 0  # when the file was written that was loaded

    def load(self) -> dict[str, Progress]:
        """What was saved last; nothing where there is no file, or it makes no sense."""
        if self.path is not None:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                stored = msgspec.json.decode(self.path.read_bytes(), type=_Stored)
                if stored.version == 1:
                    self._written, self.kept = stored.paths, stored.kept
                    self.written_ns = self.path.stat().st_mtime_ns
        return dict(self._written)

    def save(self, progress: dict[str, Progress], kept: Kept | None = None) -> None:
        """Replace the file, if there is anything new. Raises OSError."""
        kept = kept or self.kept
        if progress == self._written and kept == self.kept:
            return
        if self.path is not None:
            replace_file(self.path, msgspec.json.encode(_Stored(1, progress, kept)))
        self._written, self.kept = dict(progress), kept


def replace_file(path: Path, data: bytes) -> None:
    """Write a small file so that either the old or the new one is there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(prefix=".checkpoint-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
