"""Syncs that are killed between any two calls of the system: the files are the truth all the same.

A group in memory, a clock of its own, and processes that end at once wherever the seed says.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlids.cloudwatch import checkpoint, gathering, recording, syncing
from mlids.cloudwatch.answers import Answer, LogEvent
from mlids.cloudwatch.parallel import Progress
from mlids.cloudwatch.periods import formatted
from mlids.cloudwatch.syncing import Sync
from tests.cloudwatch.pages import Pages, event

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
LATE = 15 * MINUTE
STEPS = [0, 1, 5 * MINUTE, 20 * MINUTE, 3 * HOUR, 13 * HOUR, 30 * HOUR]
CALLS = {
    *("open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.chmod"),
    *("tempfile.mkstemp", "fcntl.flock"),
}

pytestmark = pytest.mark.slow


class Group:
    """Streams that grow, and what an extractor and its reader give of them."""

    log_group_name, region_name, late_ms, parallel = "/g", "r", LATE, 1

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = 20_000 * DAY + DAY // 2
        self.streams: dict[str, list[LogEvent]] = {}
        self.has_ids = chance.random() < 0.7
        self.api = "FilterLogEvents" if self.has_ids else "GetLogEvents"
        self.size = chance.choice([1, 2, 5, 9])
        self.reader, self.progress, self.stop = self, Progress(), threading.Event()
        self.access = SimpleNamespace(ahead_ms=0)

    def grow(self) -> None:
        """Time goes on, and events come, some of them late."""
        self.now += self.chance.choice(STEPS)
        for name in "ab":
            for number in range(self.chance.randrange(12)):
                ago = self.chance.choice([0, 1, MINUTE, 14 * MINUTE])
                time = self.now - ago - self.chance.randrange(MINUTE)
                id = len(self.streams.get(name, ())) + 1000 if self.has_ids else ""
                text = self.chance.choice(["same", f"number {number}"])
                self.streams.setdefault(name, []).append(event(time, text, id, self.now))

    def truth(self, name: str) -> str:
        events = Pages(self.streams[name]).events
        return "".join(f"[{formatted(one.timestamp)}] {one.message}\n" for one in events)

    def page(self, stream: str, *asked: Any) -> Answer:
        return Pages(self.streams[stream], self.size, has_ids=self.has_ids).page(stream, *asked)

    def get_log_group_info(self) -> dict[str, Any]:
        return {"retentionInDays": None}

    def list_log_streams(self, **asked: Any) -> list[dict[str, Any]]:
        return [
            {
                "logStreamName": name,
                "creationTime": 1,
                "firstEventTimestamp": min(one.timestamp for one in events),
                "lastEventTimestamp": max(one.timestamp for one in events),
            }
            for name, events in sorted(self.streams.items())
        ]


def sync(group: Group, folder: Path) -> int:
    group.progress = Progress()
    return Sync(group, folder).run().exit_status  # type: ignore[arg-type]


def killed(group: Group, folder: Path, at: int) -> None:
    """A run in a process of its own, which ends at once at a call of the system."""
    process = os.fork()
    if process:
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        assert status in (0, 9), status
        return
    status = 5
    try:
        _die_at(at)
        status = sync(group, folder)
    finally:
        os._exit(status)


def _die_at(at: int) -> None:
    left = iter(range(at, 0, -1))

    def called(*_: Any) -> None:
        if next(left, 1) == 1:
            os._exit(9)

    def told(real: Any) -> Any:
        return lambda *given: (called(), real(*given), called())[1]

    os.fsync, os.pwrite = told(os.fsync), told(os.pwrite)
    sys.addaudithook(lambda name, given: called() if name in CALLS else None)


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*.log")}


@pytest.mark.parametrize("seed", range(40))
def test_whatever_kills_it_the_files_are_the_truth(seed, tmp_path, monkeypatch):
    for module, name, value in (
        (gathering, "MOST_EVENTS", 12),
        (recording, "AT_ONCE", 3),
        (checkpoint, "SAVE_S", -1),
    ):
        monkeypatch.setattr(module, name, value)
    chance = random.Random(seed)
    group, often, once = Group(chance), tmp_path / "often", tmp_path / "once"
    monkeypatch.setattr(syncing, "now_ms", lambda: group.now)
    for _ in range(chance.randrange(2, 12)):
        group.grow()
        if chance.random() < 0.3:
            assert sync(group, often) == 0
        else:
            killed(group, often, chance.randrange(1, 90))
    group.now += SECOND
    assert sync(group, often) == 0
    assert sync(group, once) == 0
    assert held(often) == held(once)
    for name in group.streams:
        files = sorted((often / name).glob("*.log"))
        assert "".join(file.read_text() for file in files) == group.truth(name)
    ends = (".log", ".log.manifest", "checkpoint.json", "manifest.json", "mlids.lock")
    left = [path for path in often.rglob("*") if path.is_file() and not path.name.endswith(ends)]
    assert left == []
