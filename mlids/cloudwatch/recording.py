"""One file of events in the making.

What is written goes to ``NAME.part``, and ``NAME.part.json`` says after each window how far it is.
Only a whole file takes the name itself, at once. A part that was left is gone on with where its
last settled window ends; a file that is there may be gone on with as well, from one of its windows.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import IO

from mlids import atomic, segments
from mlids.cloudwatch import manifest
from mlids.cloudwatch.answers import LogEvent
from mlids.cloudwatch.forms import FORMS
from mlids.cloudwatch.manifest import About, Gap, Manifest, Stretch
from mlids.cloudwatch.windows import Window
from mlids.errors import MLIDSError

AT_ONCE = 2_000  # events that are turned into bytes together, at most
CHARACTERS = 1 << 20  # and of their messages
BLOCK = 1 << 20
MODE = 0o640
NO_TIME = "0" * 19  # as long as any time


class Recording:
    """A file that is being written; `reached` is where to read on, in ms.

    start: where the period begins; late_ms: what was read of the last so many ms before its reading
    is read again. keep: the windows of the file at `path` that are to stay. resume: go on with a
    part that was left. Raises `MLIDSError` E210 where another process writes it, and OSError.
    """

    def __init__(
        self,
        path: Path,
        about: About,
        start: int,
        late_ms: int,
        *,
        keep: Manifest | None = None,
        resume: bool = True,
    ) -> None:
        self.path, self.late_ms = path, late_ms
        self.form = FORMS[about.format]
        self.manifest = Manifest(about, path.name, start=keep.start if keep else start)
        self._part = manifest.beside(path, manifest.PART)
        self._progress = manifest.beside(path, manifest.PROGRESS)
        self._head = self.form.head(about.log_group_name, about.log_stream_name, NO_TIME, 0)
        self._digest = hashlib.sha256()
        self._kept = 0  # bytes of the file at `path` that stay
        for suffix in ("", manifest.SUFFIX, manifest.PROGRESS):
            _check(manifest.beside(path, suffix))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _opened(self._part)
        try:
            for suffix in (manifest.PROGRESS, manifest.SUFFIX):
                atomic.sweep(manifest.beside(path, suffix))
            self._begin(keep, resume)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, keep: Manifest | None, resume: bool) -> None:
        """Take over what is known to be whole: of the file itself, or of a part that was left."""
        if keep is not None:
            with contextlib.suppress(FileNotFoundError), self.path.open("rb") as whole:
                self._take_over(whole, keep)
            self._kept = self._size
        elif resume:
            left = manifest.read(self._progress)
            if left is not None and left.about == self.manifest.about:
                self._file.seek(len(self._head))
                left.windows = list(takewhile(self._is_settled, left.windows))
                self._take_over(self._file, left)
        self._file.truncate(len(self._head) + self._size - self._kept)
        self._file.seek(0, os.SEEK_END)

    def _take_over(self, source: IO[bytes], known: Manifest) -> None:
        """Keep the windows whose bytes are those that were written."""
        self.manifest.start = known.start
        for window in known.windows:
            digest = self._digest.copy()
            for data in _pieces(source, window.bytes - self._size):
                digest.update(data)
            if digest.hexdigest() != window.sha256:
                break
            self._digest = digest
            self.manifest.windows.append(window)
        self.manifest.gaps = [gap for gap in known.gaps if gap.end <= self.reached]

    def _is_settled(self, window: Stretch) -> bool:
        return window.end <= window.read_at - self.late_ms

    @property
    def _size(self) -> int:
        """Bytes of events so far."""
        return self.manifest.windows[-1].bytes if self.manifest.windows else 0

    @property
    def reached(self) -> int:
        """Where to read on, in ms."""
        return self.manifest.windows[-1].end if self.manifest.windows else self.manifest.start

    def add(self, window: Window, read_at: int, events: Iterable[LogEvent] | None = None) -> int:
        """Write a window, and return how many events it has.

        read_at: when it was read, in ms; events: those of the window that are meant, if not all.
        """
        begun = any(one.events for one in self.manifest.windows)
        size, count, first, last = self._size, 0, None, None
        for some in _chunks(window.events() if events is None else events):
            data = self.form.lines(some, first=not begun)
            self._file.write(data)
            self._digest.update(data)
            begun = True
            size += len(data)
            count += len(some)
            first = some[0].timestamp if first is None else first
            last = some[-1].timestamp
        self.manifest.windows.append(
            Stretch(
                start=window.start,
                end=window.end,
                events=count,
                first=first,
                last=last,
                pages=window.pages,
                duplicates=window.duplicates,
                read_at=read_at,
                bytes=size,
                sha256=self._digest.hexdigest(),
            )
        )
        if window.gap:
            self.manifest.gaps.append(Gap(window.start, window.end, window.gap))
        return count

    def save(self) -> None:
        """Keep how far it is, so that it can be gone on with. Raises OSError, `MLIDSError`."""
        self._file.flush()
        self.manifest.write(self._progress)

    def finish(self, end: int, api: str, exported_at: str) -> Manifest:
        """Give the file its name, and put the manifest beside it.

        end: of the period, in ms; api: the call that was used; exported_at: as it is shown. A file
        that is there and the same stays untouched. Raises OSError, `MLIDSError`.
        """
        told, about = self.manifest, self.manifest.about
        told.end, told.api, told.exported_at = end, api, exported_at
        told.sum_up(self.late_ms)
        total = told.total_events
        head = self.form.head(about.log_group_name, about.log_stream_name, exported_at, total)
        self._file.write(self.form.tail(total))
        self._file.flush()
        os.pwrite(self._file.fileno(), head, 0)
        whole = self._digest.hexdigest()
        if head or _digest_of(self.path) != whole:
            self._complete()
        told.bytes = self.path.stat().st_size
        told.sha256 = _digest_of(self.path) if head else whole
        told.write(manifest.beside(self.path, manifest.SUFFIX))
        self.drop()
        return told

    def _complete(self) -> None:
        """Put the file in the place of the one that is there, once it is on the disk."""
        source = self._part
        if self._kept:
            source = manifest.beside(self.path, manifest.WHOLE)
            source.unlink(missing_ok=True)
            with self.path.open("rb") as old, open(source, "xb", opener=_private) as whole:
                for data in _pieces(old, self._kept):
                    whole.write(data)
                self._file.seek(0)
                shutil.copyfileobj(self._file, whole, BLOCK)
                whole.flush()
                os.fsync(whole.fileno())
        else:
            os.fsync(self._file.fileno())
        source.replace(self.path)
        segments.sync_folder(self.path.parent)

    def drop(self) -> None:
        """Leave nothing but the file itself."""
        for suffix in (manifest.PROGRESS, manifest.WHOLE):
            manifest.beside(self.path, suffix).unlink(missing_ok=True)
        if _is_at(self._part, self._file.fileno()):  # and not that of who came next
            self._part.unlink()
        self.close()

    def close(self) -> None:
        """Stop writing; what is saved can be gone on with."""
        with contextlib.suppress(OSError):  # there was no room for what was not saved
            self._file.close()


def _opened(path: Path) -> IO[bytes]:
    """A part, for this process alone."""
    while True:
        handle = _private(str(path), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, handle):
                return os.fdopen(handle, "r+b")
        except BlockingIOError:
            os.close(handle)
            text = f"{path} is being written by another process"
            raise MLIDSError("E210", text) from None
        os.close(handle)  # whoever had it gave it its name meanwhile


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _check(path: Path) -> None:
    """What is no plain file, such as /dev/stdout, is not to be replaced by one. Raises OSError."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EEXIST
        raise OSError(number, os.strerror(number), str(path))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)


def _chunks(events: Iterable[LogEvent]) -> Iterator[list[LogEvent]]:
    """The events, some at a time: messages may be of 256 kB each."""
    some: list[LogEvent] = []
    characters = 0
    for event in events:
        some.append(event)
        characters += len(event.message)
        if len(some) >= AT_ONCE or characters >= CHARACTERS:
            yield some
            some, characters = [], 0
    if some:
        yield some


def _pieces(source: IO[bytes], size: int) -> Iterator[bytes]:
    """So many bytes of a file, or as many as there are."""
    while size and (data := source.read(min(size, BLOCK))):
        yield data
        size -= len(data)


def _digest_of(path: Path) -> str:
    """The digest of a whole file, "" where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
