"""Files and folders: what was created, modified and deleted, with the state before and after.

Notifications only say where to look: a path is compared with what was known of it, so a burst, a
lost notification or a hundred writes of one save all end in the one change that there is. A rescan
finds what no notification told.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mlids.batches import ChangeBatch, FileChange, FileState, InputStatus, Monitor
from mlids.errors import MLIDSError
from mlids.trees import EXCLUDES, Tree, matches, readable

_log = logging.getLogger(__name__)
BURST = 2000  # paths at once from which on a rescan is cheaper than looking at each
SHARE_OF_TIME = 0.005  # that rescans may take of a core


class FilesSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the monitor `files`."""

    paths: Annotated[list[str], Meta(extra={"key": ""})] = []
    own: Annotated[list[str], Meta(extra={"key": ""})] = []
    excludes: Annotated[
        list[str], Meta(description="names (.git, *.swp) or paths (/srv/tmp/*) left out")
    ] = msgspec.field(default_factory=lambda: list(EXCLUDES))
    growing: Annotated[
        list[str], Meta(description="paths that may grow without being told, as logs do")
    ] = msgspec.field(default_factory=lambda: ["*.log", "*.jsonl", "/var/log/*"])
    hash_bytes: Annotated[
        int, Meta(ge=0, description="larger files are watched by size and times, not by hash")
    ] = 64 << 20
    settle_seconds: Annotated[
        float, Meta(ge=0.05, le=10, description="a file must rest so long before it is compared")
    ] = 0.3
    rescan_seconds: Annotated[
        float, Meta(ge=1, description="how often the whole tree is compared, at least")
    ] = 60.0


class Files(Monitor):
    """Watches files and folders for changes."""

    kind = ChangeBatch
    Settings = FilesSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        chosen = self.settings
        self.tree = Tree(chosen.paths, chosen.excludes, chosen.own, chosen.hash_bytes)
        self._known: dict[str, FileState] = {}
        self._told: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._observer: Any = None
        self._watched: dict[str, tuple[int, int]] = {}  # roots and what they were when watched
        self._reads = 0
        self._note = ""

    def open(self) -> None:
        """Begin to watch. Raises E007 where no path exists; E005 where watchdog is missing."""
        present = self._present()
        if not present:
            raise MLIDSError("E007", f"{', '.join(self.tree.roots)}: not there")
        for root in set(self.tree.roots) - set(present):
            self.tell(
                MLIDSError("E007", f"{root} does not exist", "it is watched when it is there")
            )
        self._watch(list(present))
        self._watched = present

    def _present(self) -> dict[str, tuple[int, int]]:
        found = {}
        for root in self.tree.roots:
            with contextlib.suppress(OSError):
                state = os.lstat(root)
                found[root] = (state.st_dev, state.st_ino)
        return found

    def _watch_anew(self) -> bool:
        """Watch roots that came, or were deleted and made anew; True where there were any."""
        present = self._present()
        if present == self._watched:
            return False
        came = [root for root, what in present.items() if self._watched.get(root) != what]
        self._watched = present
        if came:
            self.close()
            self._watch(list(present))
        return True

    def _watch(self, roots: list[str]) -> None:
        try:
            from watchdog.observers import Observer
        except ImportError as error:
            raise MLIDSError("E005", "watchdog is missing", "pip install watchdog") from error
        observer = Observer()
        handler = _handler(self._told.put)
        try:
            for root in roots:
                observer.schedule(handler, root, recursive=True)
            observer.start()
            self._observer = observer
        except OSError as error:
            self._note = f"no notifications ({error.strerror}); compared by rescans"
            hint = "raise it with: sysctl fs.inotify.max_user_watches=1048576"
            self.tell(MLIDSError("E102", f"{roots[0]}: {error.strerror}", hint))

    def batches(self, stop: threading.Event) -> Iterator[ChangeBatch]:
        """Changes as they settle; an empty batch each second."""
        took = self._learn(stop)
        yield ChangeBatch(list(self._early()), time.time_ns(), "files")
        dirty: dict[str, str] = {}
        rescan_at = time.monotonic() + self._pause(took)
        beat_at = 0.0
        while not stop.is_set():
            quiet = self._collect(dirty, stop)
            now = time.monotonic()
            if now >= beat_at and self._watch_anew():
                rescan_at = now
            changes: list[FileChange] = []
            if len(dirty) > BURST or now >= rescan_at:
                changes, took = self._rescan(dirty)
                rescan_at = time.monotonic() + self._pause(took)
            elif dirty and quiet:
                changes = list(self._compared(dirty))
            if changes or dirty:
                dirty.clear()
            if changes or now >= beat_at:
                beat_at = now + 1
                yield ChangeBatch(changes, time.time_ns(), "files")

    def close(self) -> None:
        """Stop watching."""
        if self._observer:
            self._observer.stop()
            self._observer.join(2)
            self._observer = None

    def inputs(self) -> list[InputStatus]:
        """One entry a root."""
        counts = {"read": self._reads, "files": len(self._known)}
        states = [(root, "ok" if _exists(root) else "waiting") for root in self.tree.roots]
        return [
            InputStatus(readable(root), "folder", state, self._note, counts if n == 0 else {})
            for n, (root, state) in enumerate(states)
        ]

    def _pause(self, took: float) -> float:
        return float(max(self.settings.rescan_seconds, took / SHARE_OF_TIME))

    def _learn(self, stop: threading.Event) -> float:
        """Take the tree as it is; returns the seconds that looking at it took."""
        began = time.monotonic()
        for path in self.tree.paths():
            if stop.is_set():
                break
            if path not in self._known and (state := self.tree.state(path)):
                self._known[path] = state
        return time.monotonic() - began

    def _early(self) -> Iterator[FileChange]:
        """What was told while the tree was being learnt; how a file was before is not known."""
        told: dict[str, str] = {}
        while not self._told.empty():
            path, what = self._told.get()
            told.setdefault(path, what)
        for path, what in told.items():
            after = self._known.get(path)
            if after and what in ("created", "modified", "closed"):
                kind = "created" if what == "created" else "modified"
                yield FileChange(readable(path), kind, time.time_ns(), None, after)
            else:
                self._told.put((path, what))

    def _collect(self, dirty: dict[str, str], stop: threading.Event) -> bool:
        """Note the paths that notifications name; True once none came for the settling time."""
        wait = self.settings.settle_seconds
        try:
            while True:
                path, what = self._told.get(timeout=wait)
                if what in ("folder", "deleted", "moved"):
                    self._watched.pop(path, None)  # a root: its inode may be used again
                if self.tree.has(path):
                    dirty[path] = what if what in ("moved", "folder") else dirty.get(path) or what
                if len(dirty) > BURST or stop.is_set():
                    return False
        except queue.Empty:
            return True

    def _rescan(self, dirty: dict[str, str]) -> tuple[list[FileChange], float]:
        began = time.monotonic()
        paths = dict.fromkeys([*self._known, *dirty, *self.tree.paths()])
        changes = [c for path in paths for c in self._change(path, dirty.get(path, "rescan"))]
        return changes, time.monotonic() - began

    def _compared(self, dirty: dict[str, str]) -> Iterator[FileChange]:
        for path, what in dirty.items():
            if what == "folder":
                below = [known for known in self._known if known.startswith(path + "/")]
                for inner in dict.fromkeys([*below, *self.tree.paths(path)]):
                    yield from self._change(inner, "rescan")
            yield from self._change(path, what)

    def _change(self, path: str, what: str) -> Iterator[FileChange]:
        before = self._known.get(path)
        after = self.tree.state(path, before)
        now, name = time.time_ns(), readable(path)
        self._reads += 1
        if after is not None:
            self._known[path] = after
        elif before is not None:
            del self._known[path]
        if before is None and after is None:
            if what == "created":  # it was there for a moment
                yield FileChange(name, "created", now)
                yield FileChange(name, "deleted", now)
        elif before is None:
            yield FileChange(name, "created", now, None, after)
        elif after is None:
            yield FileChange(name, "deleted", now, before, None)
        elif _differs(before, after) and not self._only_grew(path, before, after):
            yield FileChange(name, "modified", now, before, after)

    def _only_grew(self, path: str, before: FileState, after: FileState) -> bool:
        same = (before.inode, before.mode, before.uid, before.gid)
        grew = after.size > before.size and same == (after.inode, after.mode, after.uid, after.gid)
        name = path.rpartition("/")[2]
        return grew and (
            matches(name, self.settings.growing) or matches(path, self.settings.growing)
        )


def _differs(before: FileState, after: FileState) -> bool:
    """True where content, mode or owner differ; a touched file with the same bytes does not."""
    if (before.mode, before.uid, before.gid) != (after.mode, after.uid, after.gid):
        return True
    if before.sha256 and after.sha256:
        return before.sha256 != after.sha256
    return (before.size, before.mtime_ns) != (after.size, after.mtime_ns)


def _exists(path: str) -> bool:
    return os.path.lexists(path)


def _handler(tell: Any) -> Any:
    """A watchdog handler that passes on where something changed, and drops what only was read."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            what = event.event_type
            if what in ("opened", "closed_no_write"):
                return
            source = _text(event.src_path)
            if event.is_directory:
                if what in ("created", "moved", "deleted"):
                    tell((source, "folder"))
                    if event.dest_path:
                        tell((_text(event.dest_path), "folder"))
                return
            tell((source, what))
            if what == "moved" and event.dest_path:
                tell((_text(event.dest_path), "modified"))

    return Handler()


def _text(path: str | bytes) -> str:
    return os.fsdecode(path)
