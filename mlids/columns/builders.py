"""Builders of companions: processes, so that neither sensor nor asker pays with its memory."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mlids.columns import companions

_running: dict[Path, subprocess.Popen[bytes]] = {}
Progress = Callable[[int, int], None]


def behind(logs: Path) -> subprocess.Popen[bytes] | None:
    """Start building what is missing, with the least claim on the machine, and return at once.

    None where nothing can be built, or where the last one that was started is still at it: it
    looks for new segments before it ends.
    """
    if (last := _running.get(logs)) and last.poll() is None:
        return None
    if not _can_build(logs):
        return None
    _running[logs] = subprocess.Popen(
        [*_command(logs), "--behind"],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return _running[logs]


def complete(logs: Path, progress: Progress = lambda done, of: None) -> None:
    """Build what is missing and wait for it; nothing happens where it cannot be done."""
    if not companions.missing(logs) or not _can_build(logs):
        return
    process = subprocess.Popen(
        _command(logs),
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout
    with process.stdout as told:
        try:
            for line in told:
                done, _, of = line.decode().partition(" ")
                progress(int(done), int(of))
        except BaseException:  # who is interrupted leaves nobody at work
            process.terminate()
            raise
        finally:
            process.wait()


def _can_build(logs: Path) -> bool:
    installed = importlib.util.find_spec("duckdb") is not None
    return installed and companions.is_usable(logs) and companions.is_writable(logs)


def _command(logs: Path) -> list[str]:
    # -P: a module in the folder where somebody happens to stand is none of ours.
    return [sys.executable, "-P", "-m", "mlids.columns", str(logs.absolute())]


def _environment() -> dict[str, str]:
    home = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": home}
