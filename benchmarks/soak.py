"""Long runs: kills, rotation, memory under load: python -m benchmarks.soak [--minutes N]"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.rest import environment_for, resident_mb, started
from benchmarks.store import killed
from mlids import segments

QUIET = {"MLIDS_MONITORING__INTERFACE": "none"}
Row = dict[str, Any]


def failed_login(number: int, address: str = "198.51.100.9") -> str:
    """A line of sshd, told apart by its user."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    who = f"u{number} from {address} port 50022 ssh2"
    return f"{stamp} web1 sshd[{number % 60000}]: Failed password for {who}\n"


def _stored(logs: Path) -> Iterable[dict[str, Any]]:
    """Every stored event; raises ValueError for a line that is no JSON."""
    for path in segments.files(logs):
        yield from map(json.loads, segments.lines(path))


def kills(rounds: int = 200, lines_a_second: int = 3000, seed: int = 1) -> list[Row]:
    """kill -9 of `start` at random moments under load: nothing lost, quick to come back."""
    chance, number, slowest = random.Random(seed), 0, 0.0
    with tempfile.TemporaryDirectory(prefix="mlids-kills-") as name:
        folder = Path(name)
        (folder / "auth.log").touch()
        inputs = ("--dir", "none", "--app-log", "auth.log")
        environment = environment_for(folder) | QUIET
        with (folder / "auth.log").open("a") as log:
            for turn in range(rounds):
                with started(folder, environment, *inputs) as (process, ready):
                    slowest = max(slowest, ready if turn else 0.0)
                    _until((folder / "logs/state/logs.json").exists, "a first checkpoint")
                    end = time.monotonic() + chance.uniform(0.05, 1.5)
                    while time.monotonic() < end:
                        log.write("".join(failed_login(number + n) for n in range(30)))
                        log.flush()
                        number += 30
                        time.sleep(30 / lines_a_second)
                    process.kill()
                    process.wait()
        with started(folder, environment, *inputs):
            _until(lambda: _has(folder / "logs", f"u{number - 1}"), "the last line's event", 120)
        found = Counter(
            event["details"]["user"]
            for event in _stored(folder / "logs")
            if event["type"] == "Failed Login"
        )
    lost = number - len(found)
    again = sum(found.values()) - len(found)
    note = f"{rounds} kills, {number:,} lines, {again:,} events told again"
    return [
        _row("kill -9: lines without an event", lost, lost == 0, "0", note),
        _row("kill -9: slowest restart, s", round(slowest, 2), slowest < 2, "< 2"),
    ]


def _has(logs: Path, user: str) -> bool:
    return any(event["details"].get("user") == user for event in _stored(logs))


def _until(ready: Callable[[], Any], what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come")
        time.sleep(0.05)


def _row(what: str, figure: float, ok: bool, reach: str, note: str = "") -> Row:
    return {"what": what, "figure": f"{figure:g}", "reach": reach, "note": note, "ok": ok}


def memory(minutes: float = 5.0) -> list[Row]:
    """Resident memory over minutes of logins from ever new addresses, and of files changing."""
    with tempfile.TemporaryDirectory(prefix="mlids-memory-") as name:
        folder = Path(name)
        (folder / "auth.log").touch()
        (folder / "tree").mkdir()
        ending = threading.Event()
        load = threading.Thread(target=_load, args=(folder, ending))
        inputs = ("--dir", "tree", "--app-log", "auth.log")
        with started(folder, environment_for(folder) | QUIET, *inputs) as (process, _):
            load.start()
            try:
                measured = []
                end = time.monotonic() + minutes * 60
                while time.monotonic() < end:
                    time.sleep(1)
                    measured.append(resident_mb(process.pid))
            finally:
                ending.set()
                load.join()
    middle = len(measured) // 2
    early, late = max(measured[middle // 2 : middle]), max(measured[middle:])
    note = f"{minutes:g} min; highest {late:.0f} MB"
    return [
        _row(
            "memory: second half over first, MB",
            round(late - early, 1),
            late - early < 8,
            "< 8",
            note,
        )
    ]


def _load(folder: Path, ending: threading.Event) -> None:
    """1,000 failed logins and 20 changed files a second; the log is rotated every 20 s."""
    number, path = 0, folder / "auth.log"
    while not ending.wait(0.1):
        with path.open("a") as log:
            for _ in range(100):
                number += 1
                log.write(
                    failed_login(
                        number, f"100.{number >> 16 & 63}.{number >> 8 & 255}.{number & 255}"
                    )
                )
        for n in range(2):
            (folder / "tree" / f"{(number // 100 + n) % 500}").write_text(str(number))
        if number % 20_000 == 0:
            path.replace(folder / "auth.log.1")


def rotation() -> list[Row]:
    """200 rotations under load, by the rig of the log monitor."""
    from benchmarks.soak_logs import rotation_rig

    with tempfile.TemporaryDirectory(prefix="mlids-rotation-") as name:
        found = rotation_rig(Path(name))
    return [
        _row(f"rotation: lines {what}", found[what], not found[what], "0", str(found))
        for what in ("lost", "repeated")
    ]


def fuzz(minutes: float) -> list[Row]:
    """Broken captures through readers, decoders and every network detector."""
    from tests.golden.test_fuzz import search

    with tempfile.TemporaryDirectory(prefix="mlids-fuzz-") as folder:
        broken = search(int(time.time()), minutes * 60, Path(folder))
    return [_row("captures that broke something", len(broken), not broken, "0", str(broken[:2]))]


PARTS: dict[str, Callable[[float], list[Row]]] = {
    "kills": lambda minutes: kills(),
    "store": lambda minutes: killed(),
    "rotation": lambda minutes: rotation(),
    "memory": memory,
    "fuzz": fuzz,
}


def main() -> int:
    """Run all parts, or those that are named; 1 where something is not reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    parser.add_argument("--minutes", type=float, default=5.0, help="of memory and of fuzz")
    parser.add_argument("--kills", type=int, default=200)
    chosen = parser.parse_args()
    PARTS["kills"] = lambda minutes: kills(chosen.kills)
    missed = 0
    for name in chosen.parts or PARTS:
        for row in PARTS[name](chosen.minutes):
            missed += not row["ok"]
            mark = "ok" if row["ok"] else "--"
            print(f"{mark} {row['what']:<40}{row['figure']:>10}  {row['reach']:<8}{row['note']}")
            sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
