"""One log file followed through rename, create, copy-and-truncate and compression.

A `Tail` holds the open files of one path, oldest first: rotated ones are read to their end, and
looked at a while longer, since their writer may not have noticed. What it yields are pieces; each
says where reading stands behind it (`Progress`), for the checkpoint.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mlids.errors import MLIDSError
from mlids.lines import rotation
from mlids.lines.checkpoints import Position, Progress
from mlids.lines.compressed import is_compressed
from mlids.lines.cutting import Cut
from mlids.lines.openfiles import COUNTED, OpenFile, Truncated, end, is_same
from mlids.lines.rotation import Rotated, Unstable

DRAIN_S = 2.0  # how long a rotated file is still looked at after its last line
TURN = 4  # pieces that one path gives before the next path's turn
FINISHED = 512  # finished files that are remembered


class Piece(NamedTuple):
    """Lines of a path, and how far it was read behind them."""

    cut: Cut
    progress: Progress


class Tail:
    """Follows one path. `state`, `note` and `gaps` say how it fares.

    saved: where to go on; without it a file that is there already is read from its first line
    (from_start), or from its end; counted: bytes before that end whose lines are counted.
    """

    def __init__(
        self,
        path: str,
        max_line: int,
        saved: Progress | None,
        *,
        from_start: bool,
        counted: int = COUNTED,
    ) -> None:
        self.path = path
        self.max_line = max_line
        self._counted = counted
        self.state, self.note, self.gaps = "waiting", "not there yet", 0
        self.tell: Callable[[MLIDSError], None] = lambda error: None
        self._saved = saved if saved and saved.positions else None
        self._skip_existing = not from_start and saved is None
        self._finished = saved.finished if saved else ()
        self._files: list[OpenFile] = []
        self._last: Progress | None = saved
        self._told = ""
        # It was missing, and the rotated files of that time are among the finished ones.
        self._waited = saved is not None and not saved.positions

    def progress(self) -> Progress:
        """How far it was read."""
        if not self._files:
            return self._last or Progress((), self._finished)
        positions = tuple(file.position() for file in self._files)
        self._last = Progress(positions, self._finished)
        return self._last

    @property
    def quiet(self) -> bool:
        """Whether only the current file is open, so that closing it loses nothing."""
        return self.state == "ok" and len(self._files) == 1 and not self._files[0].packed

    @property
    def packed(self) -> bool:
        """Whether it is a compressed file, so that it has an end."""
        return bool(self._files) and self._files[-1].packed

    @property
    def seen(self) -> tuple[int, int, int, int] | None:
        """Device, inode, size and time of change of the current file as it was read last."""
        return self._files[-1].seen if self._files else None

    def identities(self) -> set[tuple[int, int]]:
        """Device and inode of each file that is open."""
        return {file.identity for file in self._files}

    def leave(self) -> list[Piece]:
        """The path is gone for good: close its files; gives last lines that never got their end.

        Raises `Unstable` while files are being renamed.
        """
        self._note_older()
        self._last, self._saved = None, None
        cuts = [cut for file in list(self._files) if (cut := self._close(file)) is not None]
        return [Piece(cut, self.progress()) for cut in cuts]

    def place(self) -> None:
        """Open what is to be read and take its place there; whatever stands in the way is told."""
        try:
            self._look()
        except Unstable:
            pass  # files are being renamed this very moment: next time
        except OSError as error:
            code = "E004" if isinstance(error, PermissionError) else "E103"
            self._fail(MLIDSError(code, f"{self.path}: {error.strerror or error}"))
        except MLIDSError as error:
            self._fail(error)

    def pieces(self, size: int) -> Iterator[Piece]:
        """What is new, read in pieces of `size` bytes: this path's turn."""
        if self._is_unchanged():
            return
        self.place()
        for file in list(self._files):
            for _ in range(TURN):
                cut = self._read(file, size)
                if cut is None:
                    break
                yield Piece(cut, self.progress())
            else:
                return  # there may be more: the newer files wait
            if self._drained(file):
                cut = self._close(file)
                if cut is not None:
                    yield Piece(cut, self.progress())

    def _is_unchanged(self) -> bool:
        """Whether one look says that there is nothing to do; most looks do."""
        if len(self._files) != 1 or self.state != "ok":
            return False
        try:
            return self._files[0].is_unchanged(os.stat(self.path))  # noqa: PTH116 - many a second
        except OSError:
            return False

    def _read(self, file: OpenFile, size: int) -> Cut | None:
        try:
            cut = file.read(size)
        except Truncated:
            self._cut_short(file)
        except MLIDSError as error:  # a damaged archive: what could be read was used
            self.gaps += 1
            self.tell(error)
        except OSError as error:
            self._fail(MLIDSError("E103", f"{self.path}: {error.strerror or error}"))
        else:
            self._told = "" if cut is not None else self._told
            return cut
        return None

    def _drained(self, file: OpenFile) -> bool:
        if file is self._files[-1] or file not in self._files:
            return False
        return file.packed or (file.left is not None and time.monotonic() - file.left > DRAIN_S)

    def _close(self, file: OpenFile) -> Cut | None:
        cut = file.finish()
        self._files.remove(file)
        if file.known_by()[0]:
            self._finished = (*self._finished, file.known_by())[-FINISHED:]
        file.close()
        return cut

    def _look(self) -> None:
        """See whether the path is another file by now, and open what is to be read before it."""
        try:
            status = Path(self.path).stat()
            if self._files and (status.st_dev, status.st_ino) == self._files[-1].identity:
                self.state, self.note = "ok", ""
                return
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            self._missing()
            return
        status = os.fstat(descriptor)
        if self._files and (status.st_dev, status.st_ino) == self._files[-1].identity:
            os.close(descriptor)
        else:
            try:
                self._change(descriptor, status)
            except BaseException:
                os.close(descriptor)
                raise
        self.state, self.note = "ok", ""

    def _missing(self) -> None:
        self.state, self.note = "waiting", "gone" if self._files else "not there yet"
        self._skip_existing = False
        if self._saved is not None:
            if files := self._found(self._saved.positions):
                self._files, self._saved = files, None
        elif not self._files and not self._waited:
            self._note_older()

    def _note_older(self) -> None:
        """The rotated files of this moment are none of those that are still to come."""
        self._waited = True
        files_before = rotation.rotated(self.path) if Path(self.path).parent.is_dir() else []
        known = (rotation.known_by(file) for file in files_before)
        self._finished = (*self._finished, *known)[-FINISHED:]
        rotation.close(files_before)

    def _change(self, descriptor: int, status: os.stat_result) -> None:
        """The path is a file that is not followed yet; `descriptor` is it."""
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        start: Position | None = None
        before: list[OpenFile] = []
        identity = (status.st_dev, status.st_ino)
        if self._saved is not None:
            *older, last = self._saved.positions
            if is_same(descriptor, status, last):
                start, before = last, self._found(older)
            else:
                before = self._resumed(older, last, identity)
        elif self._files:
            before = self._between(self._files[-1].position(), identity, self._files)
        elif self._waited:  # it may have been rotated since it came
            before = self._between(Position(0, 0, 0, 0), identity, [])
        try:
            self._still(identity)
            current = self._current(descriptor, status, start)
        except BaseException:
            for file in before:
                file.close()
            raise
        for file in (*self._files, *before):
            file.left = time.monotonic() if file.left is None else file.left
        self._files += [*before, current]
        self._saved, self._skip_existing, self._waited = None, False, False

    def _current(self, descriptor: int, status: os.stat_result, at: Position | None) -> OpenFile:
        """The file that the path is now, at its place."""
        skip = self._skip_existing and at is None and not self._files and self._saved is None
        packed = is_compressed(os.pread(descriptor, 4, 0))
        if skip and not packed:
            at = end(descriptor, status.st_size, self.max_line, self._counted)
        try:
            current = OpenFile(descriptor, self.path, self.max_line, at)
        except Truncated:  # a compressed file that is shorter than it was
            self._gap("was replaced: lines may be missing")
            current = OpenFile(descriptor, self.path, self.max_line, None)
        if skip and packed:
            current.pass_over()
        return current

    def _still(self, identity: tuple[int, int]) -> None:
        """Raise `Unstable` if the path has become another file meanwhile."""
        try:
            status = Path(self.path).stat()
        except FileNotFoundError:
            raise Unstable from None
        if (status.st_dev, status.st_ino) != identity:
            raise Unstable

    def _resumed(
        self, older: list[Position], last: Position, current: tuple[int, int]
    ) -> list[OpenFile]:
        """The rotated files that were being read when MLIDS stopped, and those rotated since."""
        before, own = self._found(older), self._found([last])
        if last.offset and not own:
            self._gap("was rotated, and what was read last is gone: lines may be missing")
        elif own and (last.device, last.inode) == current and not own[0].packed:
            self._gap("was truncated: lines written just before may be missing")
        before += own
        return before + self._between(last, current, before)

    def _found(self, positions: list[Position] | tuple[Position, ...]) -> list[OpenFile]:
        """The files of these positions, under whatever names they have by now."""
        files = rotation.rotated(self.path)
        try:
            found = (self._reopened(files, position) for position in positions)
            return [file for file in found if file is not None]
        finally:
            rotation.close(files)

    def _reopened(self, files: list[Rotated], position: Position) -> OpenFile | None:
        for file in files:
            if rotation.is_at(file, position):
                with contextlib.suppress(OSError, Truncated, MLIDSError):
                    return self._opened(file, position)
        return None

    def _opened(self, file: Rotated, position: Position | None) -> OpenFile:
        descriptor = os.dup(file.descriptor)
        try:
            opened = OpenFile(descriptor, file.path, self.max_line, position)
            opened.check()
        except BaseException:
            os.close(descriptor)
            raise
        return opened

    def _between(
        self, last: Position, current: tuple[int, int], held: list[OpenFile]
    ) -> list[OpenFile]:
        """Rotated files newer than a position's and older than the current one, never read."""
        files = rotation.rotated(self.path)
        try:
            places = [n for n, file in enumerate(files) if rotation.is_at(file, last)]
            newer = files[places[-1] + 1 :] if places else files
            held_now = {file.identity for file in held}
            known = [*self._finished, *(file.known_by() for file in held if file.known_by()[0])]
            unread: list[OpenFile] = []
            for file in newer:
                identity = (file.device, file.inode)
                if identity == current:
                    break
                if identity in held_now or not file.head or not rotation.is_later(file, last):
                    continue
                if not rotation.is_known(file, known):
                    unread += self._unread(file)
            return unread
        finally:
            rotation.close(files)

    def _unread(self, file: Rotated) -> list[OpenFile]:
        try:
            return [self._opened(file, None)]
        except (OSError, MLIDSError) as error:
            self._gap(f"cannot be read on: {file.path}: {error}")
            return []

    def _cut_short(self, file: OpenFile) -> None:
        """Copied and truncated: read what its copy still has, then the file from its start."""
        last = file.position()
        where = self._files.index(file)
        again = OpenFile(os.dup(file.descriptor), self.path, self.max_line, None)
        try:
            copies = self._found([last])
            copies += self._between(last, again.identity, [*self._files, *copies])
        except Unstable:
            again.close()
            return  # next time
        if copies or last.offset:
            self._gap("was truncated: lines written just before may be missing")
        for copy in copies:
            copy.left = time.monotonic()
        if not copies and last.size:
            self._finished = (*self._finished, file.known_by())[-FINISHED:]
        file.close()
        self._files[where : where + 1] = [*copies, again]

    def _gap(self, what: str) -> None:
        self.gaps += 1
        self.tell(MLIDSError("E103", f"{self.path} {what}"))

    def _fail(self, error: MLIDSError) -> None:
        """Tell once what stands in the way; it is tried again."""
        if self._told != error.message:
            self.tell(error)
        self._told = self.note = error.message
        self.state = "failed"

    def close(self) -> None:
        """Close all files."""
        for file in self._files:
            file.close()
        self._files = []
