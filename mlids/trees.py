"""Trees of files: what each file is like, and what changed between two looks."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from mlids.batches import FileState

CHUNK = 1 << 20
TRIES = 3  # a file that is being written is hashed again, so often
EXCLUDES = [
    ".git",
    ".hg",
    ".svn",
    ".venv",
    "venv",
    "node_modules",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".import_linter_cache",
    ".tox",
    ".nox",
    ".cache",
    ".idea",
    ".vscode",
    "build",
    "dist",
    "target",
    "*.egg-info",
    "*.pyc",
    "*.swp",
    "*.swx",
    "*~",
    ".#*",
    "4913",
]


class Tree:
    """Some folders or files: which paths belong to them, and what these are like.

    roots: folders and files; excludes: shell patterns that a path component matches (".git",
    "*.swp") or, with a slash, a whole path; own: files and folders that are MLIDS's own;
    hash_bytes: larger files are watched by size, mode and times alone.
    """

    def __init__(
        self,
        roots: Iterable[str],
        excludes: Iterable[str] = EXCLUDES,
        own: Iterable[str] = (),
        hash_bytes: int = 64 << 20,
    ) -> None:
        self.roots = [os.path.realpath(root) for root in roots]
        self.own = tuple(os.path.realpath(path) for path in own)
        self.hash_bytes = hash_bytes
        names = [pattern for pattern in excludes if "/" not in pattern]
        self._whole = [pattern for pattern in excludes if "/" in pattern]
        self._excluded_name = lru_cache(65536)(lambda name: matches(name, names))

    def has(self, path: str) -> bool:
        """True where a path belongs to the tree and is neither excluded nor MLIDS's own."""
        root = next((r for r in self.roots if _within(path, r)), None)
        if root is None or self.is_own(path) or matches(path, self._whole):
            return False
        return not any(map(self._excluded_name, path[len(root) :].strip("/").split("/")))

    def is_own(self, path: str) -> bool:
        """True for what MLIDS itself writes."""
        return any(_within(path, own) for own in self.own)

    def paths(self, top: str | None = None) -> Iterator[str]:
        """Every file (no folder) of the tree, or of the part of it below `top`."""
        for root in [top] if top else self.roots:
            if os.path.isdir(root) and not os.path.islink(root):  # noqa: PTH112, PTH114
                yield from self._below(root)
            elif os.path.lexists(root) and self.has(root):
                yield root

    def _below(self, top: str) -> Iterator[str]:
        pending = [top]
        while pending:
            try:
                entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
            except OSError:
                continue  # unreadable, or gone meanwhile
            for entry in entries:
                if self._excluded_name(entry.name) or not self.has(entry.path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    yield entry.path

    def state(self, path: str, known: FileState | None = None) -> FileState | None:
        """What a file is like now, None where there is none (or only a folder).

        The hash of `known` is taken over where size, times and inode say that it is the same.
        """
        for _ in range(TRIES):
            try:
                before = os.lstat(path)
            except OSError:
                return None
            if stat.S_ISDIR(before.st_mode):
                return None
            if known and known.sha256 and _same(known, before):
                return _state(before, known.sha256)
            digest = self._hash(path, before)
            try:
                after = os.lstat(path)
            except OSError:
                return None
            if (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size):
                return _state(after, digest)
        return _state(after, "")  # it never held still: no hash is better than a wrong one

    def _hash(self, path: str, found: os.stat_result) -> str:
        """sha256 in hex; "" where it is no regular file, too large or unreadable."""
        if stat.S_ISLNK(found.st_mode):
            try:
                return hashlib.sha256(os.fsencode(Path(path).readlink())).hexdigest()
            except OSError:
                return ""
        if not stat.S_ISREG(found.st_mode) or found.st_size > self.hash_bytes:
            return ""
        return hashed(path, self.hash_bytes)


def hashed(path: str, limit: int) -> str:
    """sha256 of the first `limit` bytes in hex, "" where the file cannot be read. Never blocks."""
    digest = hashlib.sha256()
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        while limit > 0 and (chunk := os.read(handle, min(CHUNK, limit))):
            digest.update(chunk)
            limit -= len(chunk)
    except OSError:
        return ""
    finally:
        os.close(handle)
    return digest.hexdigest()


def readable(path: str) -> str:
    """A path as text: bytes that are no UTF-8 are shown as backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _same(known: FileState, found: os.stat_result) -> bool:
    return (known.size, known.mtime_ns, known.inode) == (
        found.st_size,
        found.st_mtime_ns,
        found.st_ino,
    )


def _state(found: os.stat_result, digest: str) -> FileState:
    return FileState(
        size=found.st_size,
        mode=found.st_mode,
        uid=found.st_uid,
        gid=found.st_gid,
        mtime_ns=found.st_mtime_ns,
        inode=found.st_ino,
        sha256=digest,
    )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def matches(text: str, patterns: Iterable[str]) -> bool:
    """True where any of the shell patterns matches the whole text."""
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)
