"""What `status`, the console and scripts are told about a running MLIDS: `logs/status.json`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from mlids.atomic import write_atomically
from mlids.batches import InputStatus
from mlids.locking import holder

NAME = "status.json"


class InputRate(msgspec.Struct):
    """One input: how it fares, and packets, lines or changes a second."""

    lane: str
    input: InputStatus
    per_second: float = 0.0


class Status(msgspec.Struct):
    """The state of one MLIDS process.

    started: UTC; uptime: seconds; drops: what was lost, by where; handlers: sinks, notifiers and
    listeners with their queues; problems: what was told, by code; recent: the last events.
    """

    pid: int
    version: str
    started: str
    uptime: float
    ready: bool
    logs_dir: str
    inputs: list[InputRate] = []
    handlers: list[dict[str, Any]] = []
    drops: dict[str, int] = {}
    events_total: int = 0
    events_per_second: float = 0.0
    by_severity: dict[str, int] = {}
    active_alerts: int = 0
    failures: dict[str, int] = {}
    problems: list[str] = []
    recent: list[dict[str, Any]] = []


def write(status: Status) -> None:
    """Leave the status where `read` finds it."""
    path = Path(status.logs_dir) / NAME
    write_atomically(path, msgspec.json.encode(status), sync=False)


def read(folder: Path) -> Status | None:
    """The status of the process that runs on this folder, None where none runs."""
    if holder(folder) is None:
        return None
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None


def wait_ready(folder: Path, seconds: float) -> Status | None:
    """Wait until the process that runs on this folder is ready; None where it is not in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = read(folder)
        if found and found.ready and found.pid == holder(folder):
            return found
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.05)
