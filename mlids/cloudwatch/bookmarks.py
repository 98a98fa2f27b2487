"""How far each followed group was read and what came of it stored, kept over restarts."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from mlids.cloudwatch.follower import Following
from mlids.lines.checkpoints import replace_file

EVERY_S = 2.0  # how often it is written; what is later is read again after a crash
WAITING = 17  # places of a group that wait for what they led to to be stored; of more some are kept

_log = logging.getLogger(__name__)


class _Stored(msgspec.Struct):
    version: int
    groups: dict[str, Following]


class Bookmarks:
    """The places of several groups in one file, or in memory only (path None).

    A place is noted with a number when it is reached, and kept once everything up to that number is
    delivered. Both may happen in threads of their own.
    """

    def __init__(self, path: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = Path(path) if path else None
        self._clock = clock
        self._kept: dict[str, Following] = {}
        self._waiting: defaultdict[str, list[tuple[int, Following]]] = defaultdict(list)
        self._is_written = True
        self._written = -EVERY_S
        self._lock = threading.Lock()

    def begin(self, groups: Iterable[str], since: int) -> dict[str, Following]:
        """Where each group is gone on with: at its place, or at `since` (ms), which is kept then.

        Raises OSError where that cannot be written.
        """
        saved = self._load()
        self._kept = {one: saved.get(one) or Following(since) for one in groups}
        self._waiting.clear()
        self._is_written = self._kept == saved
        self.write()
        return dict(self._kept)

    def note(self, number: int, group: str, state: Following) -> None:
        """A place that was reached in a group."""
        with self._lock:
            waiting = self._waiting[group]
            waiting.append((number, state))
            if len(waiting) > WAITING:
                waiting[:] = waiting[1::2]  # a later place serves as well

    def delivered(self, number: int) -> None:
        """Everything up to there is stored. Raises OSError where it is time to write and fails."""
        with self._lock:
            for group, waiting in self._waiting.items():
                while waiting and waiting[0][0] <= number:
                    _, state = waiting.pop(0)
                    self._is_written &= self._kept.get(group) == state
                    self._kept[group] = state
        if self._clock() - self._written >= EVERY_S:
            self.write()

    def write(self) -> None:
        """Write what is kept, if that is new. Raises OSError."""
        with self._lock:
            self._written = self._clock()
            if self._is_written:
                return
            data = msgspec.json.encode(_Stored(1, self._kept))
            self._is_written = True
        try:
            if self.path is not None:
                replace_file(self.path, data)
        except OSError:
            self._is_written = False
            raise

    def _load(self) -> dict[str, Following]:
        if self.path is None:
            return dict(self._kept)
        try:
            stored = msgspec.json.decode(self.path.read_bytes(), type=_Stored)
            if stored.version == 1:
                return stored.groups
            _log.warning("%s is of another version, so groups begin anew", self.path)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("%s is not readable, so groups begin anew: %s", self.path, error)
        return {}
