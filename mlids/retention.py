"""Which sealed segments of the event store are old enough to go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlids import segments

DAY_S = 86400


def expired(folder: Path, days: int, now: float) -> Iterator[tuple[Path, int]]:
    """Segments whose last event is older than `days` (0: none), with their size in bytes."""
    if not days:
        return
    for path in segments.sealed(folder):
        state = path.stat()
        if state.st_mtime < now - days * DAY_S:
            yield path, state.st_size


def delete(path: Path) -> None:
    """Delete a segment, durably."""
    path.unlink(missing_ok=True)
    segments.sync_folder(path.parent)
