"""The book of suppressions: ``suppressions.json`` in the folder of the event store.

Whoever may write there may change it, while MLIDS runs or not; the process that writes events
notices and records the change. What was removed or has expired stays in it for a month.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mlids.atomic import write_atomically
from mlids.errors import MLIDSError
from mlids.moments import format_time, parse_time
from mlids.suppression.entries import DAY_NS, Suppression

NAME = "suppressions.json"
LOCK = ".suppressions.lock"
MOST = 10_000
KEPT_NS = 30 * DAY_NS
HINT = "mend it, or move it away to begin anew; suppress list shows what is in force"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    version: int = 1
    suppressions: list[Suppression] = []


class Book:
    """The list of suppressions of one folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def stamp(self) -> tuple[int, int, int]:
        """What changes whenever the file does; zeros where there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return (0, 0, 0)
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> list[Suppression]:
        """All entries, the oldest first. Raises `MLIDSError` E002 (broken) or E004 (no right)."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise MLIDSError("E004", f"{self.path}: {error.strerror}") from error
        try:
            file = msgspec.json.decode(data, type=_File)
        except (msgspec.DecodeError, ValueError) as error:
            raise MLIDSError("E002", f"{self.path} is broken: {error}", HINT) from error
        if len({entry.id for entry in file.suppressions}) < len(file.suppressions):
            raise MLIDSError("E002", f"{self.path} is broken: an id comes twice", HINT)
        return file.suppressions

    def add(self, entry: Suppression) -> None:
        """Write down one more. Raises `MLIDSError` E002 where there are too many already."""
        with self._alone():
            entries = self._kept(parse_time(entry.created))
            if len(entries) >= MOST:
                hint = "one entry with a network or a wildcard does the work of many"
                raise MLIDSError("E002", f"{self.path} has {MOST:,} entries already", hint)
            self._write([*entries, entry])

    def remove(self, id: str, by: str, now_ns: int) -> Suppression:
        """Strike out an entry that is in force and return it. Raises KeyError where there is none.

        id: or the beginning of one that is unique.
        """
        with self._alone():
            entries = self._kept(now_ns)
            found = [e for e in entries if e.id.startswith(id) and e.state(now_ns) == "active"]
            if not id or len(found) != 1:
                raise KeyError(f"{len(found)} suppressions in force have an id like {id!r}")
            struck = msgspec.structs.replace(found[0], removed=format_time(now_ns), removed_by=by)
            self._write([struck if entry is found[0] else entry for entry in entries])
            return struck

    def _kept(self, now_ns: int) -> list[Suppression]:
        """The entries without those that have been over for a month."""
        return [e for e in self.read() if now_ns - parse_time(e.removed or e.until) < KEPT_NS]

    def _write(self, entries: list[Suppression]) -> None:
        data = msgspec.json.format(msgspec.json.encode(_File(suppressions=entries)), indent=2)
        write_atomically(self.path, data + b"\n")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two writers at once would undo each other's change."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            handle = os.open(self.path.parent / LOCK, flags, 0o640)
        except OSError as error:
            code = "E004" if isinstance(error, PermissionError) else "E106"
            raise MLIDSError(code, f"{self.path.parent}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
