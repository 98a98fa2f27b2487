"""The rotated predecessors of a log file: which there are, in which order, and which is which.

``auth.log`` becomes ``auth.log.1``, ``auth.log.2.gz``, ``auth.log-20250113`` or
``auth-20250113.log.zst``; ``auth-20250113.log`` may be packed under its own name. A file is told
from others by its first bytes, since names change and inodes are used again.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mlids.lines.checkpoints import HEAD, Position, digest
from mlids.lines.compressed import read_head

NS = 1_000_000_000
PACKED = (".gz", ".zst", ".zstd")
MOST = 500  # rotated files that are looked at, the newest


class Rotated(NamedTuple):
    """One rotated file, opened while it had this name."""

    path: str
    descriptor: int
    device: int
    inode: int
    head: bytes  # its first plain bytes
    changed_ns: int


class Unstable(Exception):  # noqa: N818 (no error: look again)
    """Files were renamed while they were looked at."""


def rotated(path: str) -> list[Rotated]:
    """All rotated files of a path, opened, oldest first; the caller closes them.

    One that may not be read is left out. Raises `Unstable`.
    """
    opened: list[Rotated] = []
    try:
        names = _names(path)
        for name in names:
            with contextlib.suppress(PermissionError):
                opened.append(_opened(name))
        if _names(path) != names or any(_renamed(file) for file in opened):
            raise Unstable
    except (OSError, Unstable):
        close(opened)
        raise Unstable from None
    return opened


def close(files: list[Rotated]) -> None:
    """Close what `rotated` opened."""
    for file in files:
        os.close(file.descriptor)


def is_rotated(name: str, log: str) -> bool:
    """Whether a file of this name is a rotated one of the log, which lies beside it."""
    return _pattern(log).fullmatch(name) is not None


def is_at(file: Rotated, position: Position) -> bool:
    """Whether this is the file of a position; of an empty one nobody can know."""
    return position.size > 0 and is_known(file, ((position.size, position.head),))


def is_known(file: Rotated, known: Iterable[tuple[int, str]]) -> bool:
    """Whether the file begins like one of these: size and digest of the first bytes."""
    digests: dict[int, str] = {}
    for size, head in known:
        if 0 < size <= len(file.head):
            if size not in digests:
                digests[size] = digest(file.head[:size])
            if digests[size] == head:
                return True
    return False


def known_by(file: Rotated) -> tuple[int, str]:
    """Size and digest of its first bytes."""
    return len(file.head), digest(file.head)


def is_later(file: Rotated, position: Position) -> bool:
    """Whether the file was changed since then; packers may cut times to seconds."""
    whole = file.changed_ns % NS == 0
    return file.changed_ns // (NS if whole else 1) >= position.changed_ns // (NS if whole else 1)


def _opened(name: str) -> Rotated:
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        head = read_head(descriptor, HEAD, name)
    except BaseException:
        os.close(descriptor)
        raise
    return Rotated(name, descriptor, status.st_dev, status.st_ino, head, status.st_mtime_ns)


def _renamed(file: Rotated) -> bool:
    status = Path(file.path).stat()
    return (status.st_dev, status.st_ino) != (file.device, file.inode)


def _names(path: str) -> list[str]:
    """Paths of the rotated files, oldest first; a packed one beside its plain one is left out."""
    folder, name = os.path.split(path)
    pattern = _pattern(name)
    found: dict[str, str] = {}
    times: dict[str, int] = {}
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            match = pattern.fullmatch(entry.name)
            if match is None or not entry.is_file(follow_symlinks=False):
                continue
            plain = entry.name
            for ending in PACKED:
                plain = plain.removesuffix(ending)
            if plain not in found or plain == entry.name:
                found[plain] = entry.name
                times[plain] = entry.stat(follow_symlinks=False).st_mtime_ns
    marks = {plain: _mark(pattern, plain) for plain in found}
    numbered = [len(mark) < 6 for mark in marks.values()]
    if all(numbered):
        order = sorted(found, key=lambda plain: -int(marks[plain]))
    elif not any(numbered):
        order = sorted(found, key=lambda plain: marks[plain])
    else:
        order = sorted(found, key=lambda plain: times[plain])
    return [str(Path(folder) / found[plain]) for plain in order[-MOST:]]


def _mark(pattern: re.Pattern[str], plain: str) -> str:
    match = pattern.fullmatch(plain)
    return next(filter(None, match.groups()), "0") if match else "0"


@lru_cache(maxsize=1024)
def _pattern(name: str) -> re.Pattern[str]:
    stem, dot, extension = name.rpartition(".")
    packed = r"(?:\.(?:gz|zst|zstd))?"
    mark = r"(\d{1,5}|\d[0-9_T:.\-]{5,30})"
    after = rf"{re.escape(name)}[.\-_]{mark}{packed}"
    alone = rf"{re.escape(name)}\.(?:gz|zst|zstd)"  # packed when its day was over
    if not dot or not stem:
        return re.compile(f"{after}|{alone}")
    inside = rf"{re.escape(stem)}[.\-_]{mark}\.{re.escape(extension)}{packed}"
    return re.compile(f"{after}|{inside}|{alone}")
