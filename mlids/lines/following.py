"""Many log files followed at once: plain paths, and whatever folders and globs lead to.

What a pattern leads to is looked for once a second. Files that are there when a pattern is looked
at for the first time begin at their end, later ones at their first line. Only so many are held
open; the others are parked: closed, and opened again when their size or time has changed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mlids.errors import MLIDSError
from mlids.lines.checkpoints import Kept, Progress
from mlids.lines.discovery import Found, Walk, is_pattern
from mlids.lines.newcomers import Newcomers
from mlids.lines.openfiles import COUNTED
from mlids.lines.rotation import NS, PACKED, Unstable
from mlids.lines.tailing import Piece, Tail

LOOK_S = 1.0  # between two looks for new files
SHARE = 20  # and as many times as long as a look took
MOST_OPEN = 128  # paths that are held open
MARGIN = 16  # and as many are closed at once, for those that come next
MOST = 10_000  # paths that are followed
LEFT_S = 10.0  # a path that is gone is let go so long after its last line
WHOLE_S = 2.0  # a compressed file that has not changed for so long is whole
COUNTED_FOUND = 1 << 30  # bytes in front of the ends of found files whose lines are counted


class Followed:
    """One path: open (`tail`), or parked with its `progress`."""

    def __init__(self, path: str, pattern: str = "", progress: Progress | None = None) -> None:
        self.path = path
        self.pattern = pattern  # that led to it, "" for a plain path
        self.tail: Tail | None = None
        self.progress = progress
        self.seen: tuple[int, int, int, int] | None = None  # when it was parked
        self.gone = False
        self.active = time.monotonic()
        self.gaps_before = 0  # of times when it was open before

    @property
    def gaps(self) -> int:
        """How often lines may have been lost."""
        tail = self.tail
        return self.gaps_before + (tail.gaps if tail else 0)

    @property
    def state(self) -> str:
        """Ok, waiting or failed."""
        tail = self.tail
        return tail.state if tail else "waiting" if self.gone else "ok"

    @property
    def note(self) -> str:
        """Why, in one line."""
        tail = self.tail
        return tail.note if tail else "gone" if self.gone else ""

    def reached(self) -> Progress:
        """How far it was read."""
        if self.tail is not None:
            return self.tail.progress()
        return self.progress or Progress()


class Files:
    """Follows paths and patterns.

    own: folders of MLIDS's own, which are left out; tell: called with a path and an error.
    """

    def __init__(
        self,
        paths: Sequence[str],
        max_line: int,
        *,
        from_start: bool,
        own: Sequence[str] = (),
        tell: Callable[[str, MLIDSError], None] = lambda path, error: None,
    ) -> None:
        self.max_line = max_line
        self.from_start = from_start
        self.own = own
        self.tell = tell
        self.patterns = [path for path in paths if is_pattern(path)]
        self.plain = [path for path in paths if path not in self.patterns and path != "-"]
        self.followed: dict[str, Followed] = {}
        self._opened: dict[str, Followed] = {}
        self._known: set[str] = set()  # patterns that were looked at before
        self._newcomers = Newcomers(self.plain)
        self._next = 0.0
        self._counted = COUNTED_FOUND
        self._told: Counter[str] = Counter()

    def begin(self, saved: dict[str, Progress], kept: Kept, written_ns: int = 0) -> None:
        """Take each file at its place, now: what is written from here on is read, come what may.

        written_ns: when the checkpoint was written.
        """
        self.close()
        self.followed = {path: Followed(path, "", saved.get(path)) for path in self.plain}
        for path, pattern in kept.found.items():
            if pattern in self.patterns and path in saved and path not in self.followed:
                self.followed[path] = Followed(path, pattern, saved[path])
        self._known = set(kept.patterns) & set(self.patterns)
        self._newcomers.passed = dict(kept.passed)
        self._newcomers.looked_ns = written_ns
        for one in self.followed.values():
            self._open(one, from_start=self.from_start)
        if self.patterns:
            self.look()

    def kept(self) -> Kept:
        """What the checkpoint keeps beside the progress of each path."""
        found = {one.path: one.pattern for one in self.followed.values() if one.pattern}
        return Kept(tuple(sorted(self._known)), found, dict(self._newcomers.passed))

    def look(self) -> None:
        """Look for new, changed and vanished files."""
        began, now_ns = time.monotonic(), time.time_ns()
        walk, found = Walk(self.own), dict[str, tuple[Found, str]]()
        for pattern in self.patterns:
            for one in walk.found(pattern):
                found.setdefault(one.path, (one, pattern))
        all_awake = self._wake(set(found))
        for one, pattern in self._newcomers.logs(found.values(), self.followed, walk, self._known):
            if len(self.followed) >= MOST and not self._has_room():
                break
            self._judge(one, pattern)
        self._known.update(self.patterns)
        self._newcomers.looked_ns = now_ns
        took = time.monotonic() - began
        self._next = time.monotonic() + (max(LOOK_S, SHARE * took) if all_awake else 0)

    def _judge(self, one: Found, pattern: str) -> None:
        """Follow a log that is new here, from the place where it is to be read."""
        known = pattern in self._known
        first = not known and not self.from_start
        if one.path.endswith(PACKED):
            if first:
                self._newcomers.pass_by(one)
            if first or time.time_ns() - one.changed_ns < WHOLE_S * NS:
                return  # it may still be written
        progress = self._newcomers.before(one.path) if known else None
        self.followed[one.path] = Followed(one.path, pattern, progress)
        self._open(self.followed[one.path], from_start=not first)

    def _has_room(self) -> bool:
        gone = next((one for one in self.followed.values() if one.gone and one.pattern), None)
        if gone is not None:
            del self.followed[gone.path]
            return True
        text = f"{', '.join(self.patterns)}: more than {MOST:,} files; the rest is not read"
        hint = "name the logs that matter in monitoring.app_log"
        self._tell_some("", MLIDSError("E103", text, hint), most=1)
        return False

    def _tell_some(self, pattern: str, error: MLIDSError, path: str = "", most: int = 5) -> None:
        """A folder of a thousand files that may not be read is no thousand messages."""
        self._told[pattern + error.code] += 1
        if self._told[pattern + error.code] <= most:
            self.tell(path, error)

    def _open(self, one: Followed, *, from_start: bool) -> None:
        counted = COUNTED if not one.pattern else max(0, min(COUNTED, self._counted))
        tail = Tail(one.path, self.max_line, one.progress, from_start=from_start, counted=counted)
        tail.tell = lambda error: self._told_by(one, error)
        if one.pattern and not from_start and (seen := _seen(one.path)):
            self._counted -= seen[2]
        one.tail, one.gone, one.active = tail, False, time.monotonic()
        self._opened[one.path] = one
        tail.place()
        if len(self._opened) > MOST_OPEN:
            self._park()

    def _told_by(self, one: Followed, error: MLIDSError) -> None:
        if one.pattern and error.code == "E004":
            self._tell_some(one.pattern, error, one.path)
        else:
            self.tell(one.path, error)

    def _wake(self, found: set[str]) -> bool:
        """Open parked files that changed; False where there are more of them than can be open."""
        room = MOST_OPEN
        for one in list(self.followed.values()):
            if one.tail is not None or (one.gone and one.path not in found):
                continue
            if one.seen is None or _seen(one.path) != one.seen:
                if not room:
                    return False
                self._open(one, from_start=True)
                room -= 1
        return True

    def _park(self) -> None:
        """Close those that had nothing new for the longest time, beyond the number held open."""
        quiet = [one for one in self._opened.values() if one.tail is not None and one.tail.quiet]
        quiet.sort(key=lambda one: one.active)
        for one in quiet[: len(self._opened) - MOST_OPEN + MARGIN]:
            assert one.tail is not None
            one.seen = one.tail.seen
            self._shut(one)

    def _shut(self, one: Followed) -> None:
        assert one.tail is not None
        one.progress = one.tail.progress()
        one.gaps_before += one.tail.gaps
        one.tail.close()
        one.tail = None
        del self._opened[one.path]

    def pieces(self, size: int) -> Iterator[tuple[Followed, Piece]]:
        """What is new in all files, in turns."""
        if self.patterns and time.monotonic() >= self._next:
            self.look()
        for one in list(self._opened.values()):
            if one.tail is None:
                continue
            for piece in one.tail.pieces(size):
                one.active = time.monotonic()
                yield one, piece
            if one.pattern:
                yield from self._left(one)

    def _left(self, one: Followed) -> Iterator[tuple[Followed, Piece]]:
        """Let go of a found file that is gone, or of a compressed one that is read."""
        tail, idle = one.tail, time.monotonic() - one.active
        assert tail is not None
        read = tail.packed and tail.state == "ok" and idle > WHOLE_S
        if not read and not (tail.state == "waiting" and idle > LEFT_S):
            return
        try:
            pieces = tail.leave()
        except Unstable:
            return  # next time
        self._shut(one)
        if read:
            self._newcomers.pass_by_path(one.path)
            del self.followed[one.path]
        else:
            one.gone, one.seen = True, None
        yield from ((one, piece) for piece in pieces)

    def changed(self) -> dict[str, Progress]:
        """How far the open files were read, where that is known."""
        return {path: one.reached() for path, one in self._opened.items()}

    def close(self) -> None:
        """Close all files."""
        for one in list(self._opened.values()):
            self._shut(one)


def _seen(path: str) -> tuple[int, int, int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
