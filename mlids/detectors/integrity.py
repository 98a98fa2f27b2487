"""Integrity: each change of a watched file is an event, with its state before and after."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mlids.batches import ChangeBatch, Detector, FileChange, FileState
from mlids.events import Event, detection_id


class IntegritySettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the detector `integrity`."""

    created: Annotated[bool, Meta(description="tell of files that were created")] = True


# Per kind of change: event type, severity, ATT&CK technique, tag.
KINDS: dict[str, tuple[str, str, list[str], str]] = {
    "created": ("File Created", "LOW", [], "created"),
    "modified": ("File Modified", "MEDIUM", ["T1565.001"], "modified"),
    "deleted": ("File Deleted", "MEDIUM", ["T1070.004"], "deleted"),
}


class Integrity(Detector[ChangeBatch]):
    """Tells which files were created, modified and deleted."""

    Settings = IntegritySettings

    def inspect(self, batch: ChangeBatch) -> Iterable[Event]:
        """One event a change."""
        for change in batch.changes:
            if change.what != "created" or self.settings.created:
                yield _event(change)


def _event(change: FileChange) -> Event:
    type, severity, techniques, tag = KINDS[change.what]
    differences = _differences(change.before, change.after)
    shown = f" ({', '.join(differences)})" if differences else ""
    short = (change.before is None) == (change.after is None) and change.what != "modified"
    note = "; it was there only for a moment" if short else ""
    return Event.new(
        type,
        severity,
        "host",
        {
            "path": change.path,
            "description": f"{change.path} was {change.what}{shown}{note}",
            "metadata": {
                "before": _described(change.before),
                "after": _described(change.after),
                "changed": differences,
            },
        },
        time_ns=change.time_ns,
        rule="integrity",
        tags=["file", tag],
        techniques=techniques,
        evidence=[{"path": change.path}],
        explanation=f"the file's state differs from the one before: {note[2:] or shown or type}",
        correlation_id=detection_id("integrity", change.path, change.what, change.time_ns),
    )


def _differences(before: FileState | None, after: FileState | None) -> list[str]:
    """What differs between two states: content, mode, owner."""
    if before is None or after is None:
        return []
    found = []
    content = before.sha256 != after.sha256 if before.sha256 and after.sha256 else None
    if content or (content is None and before.size != after.size):
        found.append("content")
    if before.mode != after.mode:
        found.append(f"mode {_mode(before)} → {_mode(after)}")
    if (before.uid, before.gid) != (after.uid, after.gid):
        found.append(f"owner {before.uid}:{before.gid} → {after.uid}:{after.gid}")
    return found or ["times"]


def _mode(state: FileState) -> str:
    return stat.filemode(state.mode)


def _described(state: FileState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "sha256": state.sha256 or None,
        "size": state.size,
        "mode": _mode(state),
        "uid": state.uid,
        "gid": state.gid,
        "inode": state.inode,
        "mtime_ns": state.mtime_ns,
    }
