"""Which of the files that a folder shows for the first time are logs of their own.

Not those that are read already under another name (rotated, linked, copied), and no binary ones.
A file is told from others by its identity while it is open, and by its first bytes afterwards.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from mlids.lines import rotation
from mlids.lines.checkpoints import HEAD, Progress, digest
from mlids.lines.discovery import Found, Walk, base, head_of, is_text
from mlids.lines.openfiles import end
from mlids.lines.rotation import Unstable

if TYPE_CHECKING:
    from mlids.lines.following import Followed

MOST_PASSED = 20_000  # files that are remembered as none of our concern

Heads = dict[str, set[tuple[int, str]]]


class Newcomers:
    """Judges the files that are found.

    plain: paths that are followed by themselves; `passed` are the files that are not to be read.
    """

    def __init__(self, plain: Iterable[str]) -> None:
        self._plain = {os.path.realpath(path) for path in plain}
        self.passed: dict[str, tuple[int, int, int]] = {}
        self._binary: dict[str, tuple[int, int, int]] = {}
        self.looked_ns = 0  # when was looked last
        self._siblings: dict[str, Found] = {}  # what looks like rotated files, as seen first
        self.starts: dict[str, Progress] = {}  # where those begin that turned out to be none

    def logs(
        self,
        found: Iterable[tuple[Found, str]],
        followed: Mapping[str, Followed],
        walk: Walk,
        known: set[str],
    ) -> Iterator[tuple[Found, str]]:
        """The files that are new and logs of their own, each with the pattern that led to it.

        followed: by path, what is followed already; known: patterns that were looked at before.
        """
        paths: dict[str, set[str]] = defaultdict(set)
        for path in (*followed, *self._plain):
            folder, _, name = path.rpartition("/")
            paths[folder].add(name)
        held: dict[tuple[int, int], Followed] | None = None
        heads: Heads = {}
        for one, pattern in found:
            if one.path in followed or one.path in self._plain or self._is_passed(one):
                continue
            folder, _, name = one.path.rpartition("/")
            log = base(name, paths[folder] | walk.names(folder))
            if log and (name.startswith(log) or not self._grows(one)):
                continue
            if held is None:
                held, heads = _held(followed), _heads(followed)
            if log and not self._is_alive(one, folder, held, heads):
                continue
            if self._is_log(one, folder, held, heads if pattern in known else {}):
                yield one, pattern

    def _grows(self, one: Found) -> bool:
        """Whether a file that looks like a rotated one was smaller at the look before."""
        before = self._siblings.get(one.path)
        if before is None or before.identity != one.identity or before.size > one.size:
            if len(self._siblings) >= MOST_PASSED:
                del self._siblings[next(iter(self._siblings))]
            self._siblings[one.path] = one
            return False
        return one.size > before.size

    def _is_alive(
        self, one: Found, folder: str, held: Mapping[tuple[int, int], Followed], heads: Heads
    ) -> bool:
        """Whether ``app-1.log`` is the log of another worker and not the old one of ``app.log``.

        It grows, is not being read to its end, and is no copy. It is read from where it was seen.
        """
        before = self._siblings.pop(one.path)
        if one.identity in held:
            return False
        try:
            head = head_of(one.path, HEAD)
            if any(
                size <= len(head) and digest(head[:size]) == known for size, known in heads[folder]
            ):
                return False
            self.starts[one.path] = _from(before, head)
        except (OSError, KeyError):
            return False
        return True

    def _is_log(
        self, one: Found, folder: str, held: Mapping[tuple[int, int], Followed], heads: Heads
    ) -> bool:
        try:
            head = head_of(one.path, HEAD)
        except PermissionError:
            return one.identity not in held  # told by whoever tries to read it
        except OSError:
            return False
        if not is_text(head):
            _remember(self._binary, one)
            return False
        other = held.get(one.identity)
        if other is not None and (other.tail is not None or _begins_so(head, other.reached())):
            self.pass_by(one)
            return False
        if len(head) == HEAD and (HEAD, digest(head)) in heads.get(folder, ()):
            self.pass_by(one)  # a copy
            return False
        return True

    def _is_passed(self, one: Found) -> bool:
        for known in (self.passed, self._binary):
            if one.path in known:
                device, inode, size = known[one.path]
                if (device, inode) == one.identity and one.size >= size:
                    return True
                del known[one.path]  # another file of that name
        return False

    def pass_by(self, one: Found) -> None:
        """Never read this file, whatever its name was or will be used for again."""
        _remember(self.passed, one)

    def pass_by_path(self, path: str) -> None:
        """The same for a file that has been read."""
        status = os.stat(path) if os.path.exists(path) else None  # noqa: PTH110, PTH116
        if status is not None:
            self.passed[path] = status.st_dev, status.st_ino, status.st_size

    def before(self, path: str) -> Progress | None:
        """Where a log begins that came since the last look: with its rotated files, if it has any.

        None where none of them was written since then.
        """
        if path in self.starts:
            return self.starts.pop(path)
        try:
            files = rotation.rotated(path)
        except Unstable:
            return None
        try:
            older = [file for file in files if file.changed_ns < self.looked_ns]
            if len(older) == len(files):
                return None
            return Progress((), tuple(rotation.known_by(file) for file in older))
        finally:
            rotation.close(files)


def _from(before: Found, head: bytes) -> Progress:
    """Behind the last whole line that a file had when it was seen before. Raises OSError."""
    descriptor = os.open(before.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        place = end(descriptor, before.size, before.size)
    finally:
        os.close(descriptor)
    size = min(len(head), before.size)
    return Progress((msgspec.structs.replace(place, size=size, head=digest(head[:size])),))


def _remember(known: dict[str, tuple[int, int, int]], one: Found) -> None:
    if len(known) >= MOST_PASSED:
        del known[next(iter(known))]
    known[one.path] = (one.device, one.inode, one.size)


def _held(followed: Mapping[str, Followed]) -> dict[tuple[int, int], Followed]:
    """By identity, what is open or parked."""
    held: dict[tuple[int, int], Followed] = {}
    for one in followed.values():
        if one.tail is not None:
            held |= dict.fromkeys(one.tail.identities(), one)
        else:
            held |= {(place.device, place.inode): one for place in one.reached().positions}
    return held


def _heads(followed: Mapping[str, Followed]) -> Heads:
    """By folder, the digests of the first bytes of what is or was read there."""
    heads: Heads = defaultdict(set)
    for one in followed.values():
        folder = one.path.rpartition("/")[0]
        reached = one.reached()
        heads[folder] |= {(place.size, place.head) for place in reached.positions}
        heads[folder] |= set(reached.finished)
    return heads


def _begins_so(head: bytes, reached: Progress) -> bool:
    return any(
        0 < place.size <= len(head) and digest(head[: place.size]) == place.head
        for place in reached.positions
    )
