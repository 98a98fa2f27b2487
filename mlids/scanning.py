"""Detectors over recordings: which files there are, of which kind, and what is found in them."""

from __future__ import annotations

import contextlib
import glob
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from mlids import assembly
from mlids.batches import InputStatus, LineBatch, Monitor, PacketBatch
from mlids.capture.recordings import sniff
from mlids.correlation.stage import Correlation
from mlids.errors import MLIDSError
from mlids.events import Event, Severity
from mlids.lines.downloaded import MANIFEST
from mlids.merging import merged
from mlids.pipeline import order

HEAD = 1 << 17  # zstd gives nothing before its first block is whole
ZSTD = b"\x28\xb5\x2f\xfd"
CHUNK = 1 << 20  # bytes of a log that are read at once
AT_ONCE = 128 << 20  # and of all logs together, as far as may be
SPARE = 100  # descriptors beside those of recordings
SKIPPED = {".git", ".sync", ".venv", "__pycache__", "node_modules"}


class Summary(msgspec.Struct):
    """What a scan read and found; packets and lines are counted, seconds are wall time."""

    inputs: list[InputStatus] = []
    packets: int = 0
    lines: int = 0
    bytes: int = 0
    seconds: float = 0.0
    events: int = 0
    by_type: dict[str, int] = {}
    by_severity: dict[str, int] = {}
    problems: list[str] = []

    @property
    def findings(self) -> int:
        """Events of MEDIUM or more: what a scan is about."""
        return sum(n for severity, n in self.by_severity.items() if severity != Severity.LOW)


def recordings(paths: Sequence[str]) -> Iterator[str]:
    """The files that are meant, each once: folders are walked and globs looked up, in order.

    Raises `MLIDSError` E007 where there is nothing of that name.
    """
    given: set[str] = set()
    for one in _meant(paths):
        if one not in given:
            given.add(one)
            yield one


def _meant(paths: Sequence[str]) -> Iterator[str]:
    for name in paths:
        path = Path(name)
        if name == "-" or path.is_file() or (path.exists() and not path.is_dir()):
            yield name
        elif path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(set(folders) - SKIPPED)
                found = (Path(folder) / one for one in sorted(names) if not one.endswith(MANIFEST))
                yield from (str(one) for one in found if one.is_file())
        elif matching := sorted(glob.glob(name, recursive=True)):  # noqa: PTH207 - also absolute ones
            yield from _meant(matching)
        else:
            raise MLIDSError("E007", f"{name} does not exist")


class Stage(Protocol):
    """What events pass behind the detectors."""

    def passed(self, event: Event) -> list[Event]:
        """What is left of an event, and what it gave rise to."""

    def settle(self) -> list[Event]:
        """What was held back."""


class Scan:
    """One scan of several recordings: iterate it for the events, then read `summary`.

    paths: of recordings; monitors: further inputs, which end by themselves. stage: what events pass
    behind the detectors; an `EventLogger` also stores them. None: they are correlated, as `start`
    does.
    """

    def __init__(
        self,
        settings: Any,
        paths: Sequence[str],
        tell: Callable[[MLIDSError], None],
        stage: Stage | None = None,
        monitors: Iterable[Monitor] = (),
    ) -> None:
        self.settings = settings
        self.stage = stage or Correlation(assembly.correlators(settings))
        self.summary = Summary()
        self.on_tell = tell
        self.monitors: dict[str, list[Monitor]] = {"pcap": [], "logs": []}
        self._formats = assembly.formats(settings)
        found = list(recordings(paths))
        _allow_files(len(found))
        self._chunk = max(CHUNK >> 4, min(CHUNK, AT_ONCE // max(1, len(found))))
        for path in found:
            self._add_file(path)
        for monitor in monitors:
            self._add("pcap" if monitor.kind is PacketBatch else "logs", monitor)

    def _tell(self, error: MLIDSError) -> None:
        self.summary.problems.append(str(error))
        self.on_tell(error)

    def _add(self, name: str, monitor: Monitor) -> None:
        monitor.tell = self._tell
        self.monitors[name].append(monitor)

    def _add_file(self, path: str) -> None:
        if path != "-" and not Path(path).is_file():  # reading it could wait for ever
            hint = "pipe it into: python index.py scan -"
            self._tell(MLIDSError("E012", f"{path} is no regular file", hint))
            return
        try:
            capture = sniff(_head(path))
        except OSError as error:
            code = "E004" if isinstance(error, PermissionError) else "E007"
            self._tell(MLIDSError(code, f"{path}: {error.strerror or error}"))
            return
        name = "pcap" if capture else "logs"
        given: dict[str, Any] = (
            {"path": path}
            if capture
            else {
                "paths": [path],
                "follow": False,
                "known_formats": self._formats,
                "chunk": self._chunk,
            }
        )
        self._add(name, cast(Monitor, assembly.build(self.settings, "monitors", name, **given)))

    def __iter__(self) -> Iterator[Event]:
        began = time.monotonic()
        detectors = {
            kind: assembly.detectors(self.settings, kind)
            for name, kind in (("pcap", PacketBatch), ("logs", LineBatch))
            if self.monitors[name]
        }
        inputs = [monitor for group in self.monitors.values() for monitor in group]
        for batch in merged(self._batches(monitor) for monitor in inputs):
            asked = detectors[PacketBatch if isinstance(batch, PacketBatch) else LineBatch].values()
            yield from self._passed(event for one in asked for event in one.inspect(batch))
        for found in detectors.values():
            for name, detector in found.items():
                yield from self._passed(detector.flush())
                self._given_up(name, detector)
        yield from map(self._counted, self.stage.settle())
        self._conclude(time.monotonic() - began)

    def _passed(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in sorted(events, key=order):
            yield from map(self._counted, self.stage.passed(event))

    def _given_up(self, name: str, detector: Any) -> None:
        """What a detector had no room for, so that nobody takes silence for safety."""
        for what, count in detector.counts().items():
            if count:
                words = what.replace("_", " ")
                self.summary.problems.append(f"{name}: {count:,} {words} for want of room")

    def _batches(self, monitor: Monitor) -> Iterator[Any]:
        try:
            monitor.open()
            yield from monitor.batches(threading.Event())
        except MLIDSError as error:
            self._tell(error)
        finally:
            monitor.close()

    def _counted(self, event: Event) -> Event:
        summary = self.summary
        summary.events += 1
        summary.by_type[event["type"]] = summary.by_type.get(event["type"], 0) + 1
        severity = event["severity"]
        summary.by_severity[severity] = summary.by_severity.get(severity, 0) + 1
        return event

    def progress(self) -> tuple[int, int]:
        """Bytes read so far, and bytes in all (0 where unknown)."""
        counts: Counter[str] = Counter()
        for one in self._inputs():
            counts.update(one.counts)
        return counts["bytes"], counts["size"]

    def _inputs(self) -> list[InputStatus]:
        monitors = [m for group in self.monitors.values() for m in group]
        return [one for monitor in monitors for one in monitor.inputs()]

    def _conclude(self, seconds: float) -> None:
        summary = self.summary
        summary.inputs = self._inputs()
        summary.seconds = seconds
        summary.bytes = self.progress()[0]
        for name in ("pcap", "logs"):
            read = sum(one.counts.get("read", 0) for m in self.monitors[name] for one in m.inputs())
            if name == "pcap":
                summary.packets = read
            else:
                summary.lines = read


def _allow_files(count: int) -> None:
    """Large recordings are open all at once, since they are merged by time."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = count + SPARE if hard == resource.RLIM_INFINITY else min(count + SPARE, hard)
        if soft != resource.RLIM_INFINITY and wanted > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _head(path: str) -> bytes:
    if path == "-":
        return _head_of_stdin()
    with Path(path).open("rb") as stream:
        return stream.read(HEAD)


def _head_of_stdin() -> bytes:
    """The first bytes of standard input, which stays as if nothing had been read."""
    handle = sys.stdin.fileno()
    if os.isatty(handle):
        raise MLIDSError("E007", "standard input is a terminal", "pipe or redirect a file into it")
    try:
        return os.pread(handle, HEAD, os.lseek(handle, 0, os.SEEK_CUR))
    except OSError:
        pass  # a pipe: what is read is put in front of the rest
    head = os.read(handle, HEAD)
    while head.startswith(ZSTD) and len(head) < HEAD and (more := os.read(handle, HEAD)):
        head += more
    source = os.dup(handle)
    reader, writer = os.pipe()
    os.dup2(reader, handle)
    os.close(reader)
    threading.Thread(target=_pass_on, args=(head, source, writer), daemon=True).start()
    return head


def _pass_on(head: bytes, source: int, target: int) -> None:
    with contextlib.suppress(OSError):  # whoever reads may stop early
        while head:
            view = memoryview(head)
            while view:
                view = view[os.write(target, view) :]
            head = os.read(source, 1 << 16)
    os.close(target)
