"""Which files are meant by a folder or a glob, and which of them are logs of their own.

``/var/log`` is every log below it, ``/var/log/nginx/*.log`` those of one folder, ``**`` any depth.
Hidden names are left out where they are not written out. A rotated file belongs to the log whose
name it carries, so it is no log of its own while that one is there.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mlids.lines.compressed import is_compressed
from mlids.lines.rotation import PACKED, is_rotated

MAGIC = re.compile(r"[*?\[]")
SKIPPED = {".git", ".venv", "__pycache__", "node_modules"}
DEEPEST = 16  # folders below one another that are walked


class Found(NamedTuple):
    """One regular file that a pattern means; symbolic links are followed."""

    path: str
    device: int
    inode: int
    size: int
    changed_ns: int

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    @property
    def seen(self) -> tuple[int, int, int, int]:
        """What differs when the file has changed."""
        return self[1:]


class _Name(NamedTuple):
    name: str
    is_folder: bool
    is_link: bool


def is_pattern(path: str) -> bool:
    """Whether a path means several files: a glob, or a folder (there, or written with a slash)."""
    place = Path(path)
    return path != "-" and (
        path.endswith("/") or place.is_dir() or (bool(MAGIC.search(path)) and not place.exists())
    )


class Walk:
    """One look at folders, each listed once however many patterns ask for it."""

    def __init__(self, own: Iterable[str] = ()) -> None:
        self._own = tuple(os.path.realpath(one) for one in own)
        self._listed: dict[str, list[_Name]] = {}

    def names(self, folder: str) -> set[str]:
        """Names in a folder."""
        return {one.name for one in self._list(folder)}

    def found(self, pattern: str) -> Iterator[Found]:
        """The files that a pattern means, without those of `own` folders, each path once."""
        if not MAGIC.search(pattern) or Path(pattern).is_dir():
            pattern = str(Path(pattern) / "**" / "*")
        root, *parts = _parts(pattern)
        seen: set[str] = set()
        for path in self._matching(root, parts, 0):
            with contextlib.suppress(OSError, ValueError):
                found = _looked_at(path)
                if found and found.path not in seen and not self._is_own(found.path):
                    seen.add(found.path)
                    yield found

    def _matching(self, folder: str, parts: list[str], depth: int) -> Iterator[tuple[str, bool]]:
        if depth > DEEPEST or self._is_own(folder):
            return
        part, *rest = parts
        if part == "**":
            yield from self._matching(folder, rest or ["*"], depth)
            for one in self._list(folder):
                if one.is_folder and not one.name.startswith(".") and one.name not in SKIPPED:
                    yield from self._matching(_joined(folder, one.name), parts, depth + 1)
            return
        if not MAGIC.search(part) and rest:
            yield from self._matching(_joined(folder, part), rest, depth + 1)
            return
        matches = _matcher(part)
        for one in self._list(folder):
            if (one.name.startswith(".") and not part.startswith(".")) or not matches(one.name):
                continue
            path = _joined(folder, one.name)
            if rest and (one.is_folder or one.is_link):
                yield from self._matching(path, rest, depth + 1)
            elif not rest and not one.is_folder:
                yield path, one.is_link

    def _list(self, folder: str) -> list[_Name]:
        if folder not in self._listed:
            names: list[_Name] = []
            with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
                names = [
                    _Name(one.name, one.is_dir(follow_symlinks=False), one.is_symlink())
                    for one in entries
                ]
            self._listed[folder] = sorted(names)
        return self._listed[folder]

    def _is_own(self, path: str) -> bool:
        return any(path == own or path.startswith(own + "/") for own in self._own)


def base(name: str, names: set[str]) -> str:
    """The name among `names` whose rotated or packed file this is, "" where it is none's."""
    plain = name
    for ending in PACKED:
        plain = plain.removesuffix(ending)
    if plain != name and plain in names:
        return plain
    stem, _, extension = plain.rpartition(".")
    for place in range(len(plain) - 1, 0, -1):
        if plain[place] not in ".-_":
            continue
        for possible in (plain[:place], f"{stem[:place]}.{extension}"):
            if possible != name and possible in names and is_rotated(name, possible):
                return possible
    return ""


def is_text(head: bytes) -> bool:
    """Whether a file that begins so may be a log: no NUL among its first bytes, or compressed."""
    return is_compressed(head) or b"\0" not in head


def head_of(path: str, size: int) -> bytes:
    """The first bytes of a file as they are. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, 0)
    finally:
        os.close(descriptor)


def _looked_at(place: tuple[str, bool]) -> Found | None:
    path, is_link = place
    if is_link:  # one file once, under the name beside which it is rotated
        path = os.path.realpath(path)
    status = os.stat(path)  # noqa: PTH116 - many times a second
    if status.st_mode & 0o170000 != 0o100000:
        return None
    return Found(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _parts(pattern: str) -> list[str]:
    """The folder without magic in front, and the parts behind it."""
    fixed, parts = [], pattern.split("/")
    while len(parts) > 1 and not MAGIC.search(parts[0]):
        fixed.append(parts.pop(0))
    root = "/".join(fixed) or ("/" if pattern.startswith("/") else "")
    return [root, *(part for part in parts if part)]


def _joined(folder: str, name: str) -> str:
    return f"{folder}{'' if folder.endswith('/') or not folder else '/'}{name}"


@lru_cache(maxsize=256)
def _matcher(part: str):  # type: ignore[no-untyped-def]
    return re.compile(fnmatch.translate(part), re.DOTALL).match
