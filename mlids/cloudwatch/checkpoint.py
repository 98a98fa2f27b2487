"""How far the streams of a group were read, kept over runs of `sync`."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec

from mlids.atomic import write_atomically
from mlids.errors import MLIDSError

SAVE_S = 5.0  # between two writes while a run goes on


class Through(msgspec.Struct, frozen=True, rename="camel"):
    """How far a stream was read: up to `through`, at the time `read_at`; both in ms.

    created: by which a stream that was deleted and made anew is told, 0 where AWS does not say.
    """

    through: int
    read_at: int
    created: int = 0

    def again(self, late_ms: int) -> int:
        """Where to read on: what was read too soon after it happened is read again."""
        return max(0, min(self.through, self.read_at - late_ms))


class _Kept(msgspec.Struct, rename="camel"):
    log_group_name: str
    region: str
    format: str
    streams: dict[str, Through] = {}
    version: int = 1


class Checkpoint:
    """The places reached in the streams of one group, and their file; for several threads."""

    def __init__(self, path: Path, group: str, region: str, form: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._written = time.monotonic()
        self._kept = _Kept(group, region, form)

    def load(self) -> None:
        """Take up what was kept.

        Raises `MLIDSError` E209 where it is another group's, region's or form's, or damaged: to
        begin anew in a folder that holds files already is not for a program to decide.
        """
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            hint = "remove it to fetch all anew, or name another folder with --output"
            raise MLIDSError("E209", f"{self._path} cannot be read: {error}", hint) from error
        for what in ("log_group_name", "region", "format"):
            mine, theirs = getattr(self._kept, what), getattr(found, what)
            if mine != theirs:
                text = f"{self._path.parent.parent} is kept for {theirs}, not for {mine}"
                raise MLIDSError("E209", text, "name another folder with --output")
        self._kept = found

    def of(self, stream: str) -> Through | None:
        """How far a stream was read, None where never."""
        return self._kept.streams.get(stream)

    def note(self, stream: str, place: Through) -> None:
        """A stream was read so far. Raises `MLIDSError` E004, E106."""
        with self._lock:
            self._kept.streams[stream] = place
            if time.monotonic() - self._written > SAVE_S:
                self._save()

    def save(self) -> None:
        """Keep all places. Raises `MLIDSError` E004, E106."""
        with self._lock:
            self._save()

    def _save(self) -> None:
        write_atomically(self._path, msgspec.json.format(msgspec.json.encode(self._kept), indent=1))
        self._written = time.monotonic()
