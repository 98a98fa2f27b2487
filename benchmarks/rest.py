"""What MLIDS needs while nothing happens, and how soon it answers: python -m benchmarks.rest"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INDEX = Path(__file__).parents[1] / "index.py"
TICKS = os.sysconf("SC_CLK_TCK")
Row = dict[str, Any]


def rest(seconds: float = 20.0) -> list[Row]:
    """Wall time of short commands, warm; time to ready, CPU and memory of `start` at rest."""
    with tempfile.TemporaryDirectory(prefix="mlids-rest-") as name:
        folder = Path(name)
        environment = environment_for(folder)
        rows = [
            _command(folder, environment, "--help"),
            _command(folder, environment, "config", "--get", "port_scan_threshold"),
        ]
        return rows + _at_rest(folder, environment, seconds)


def environment_for(folder: Path) -> dict[str, str]:
    """Byte code is kept, as in an installation, and outside the sources."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def _row(what: str, value: float, unit: str, reach: float, note: str = "") -> Row:
    figure = f"{value:.3g} {unit}"
    return {
        "what": what,
        "figure": figure,
        "reach": f"<= {reach:g} {unit}",
        "note": note,
        "ok": value <= reach,
    }


def _command(folder: Path, environment: dict[str, str], *options: str) -> Row:
    command = [sys.executable, str(INDEX), *options]
    took = []
    for _ in range(12):  # the first fills the caches
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        took.append(time.perf_counter() - began)
    value = statistics.median(took[1:]) * 1e3
    return _row(" ".join(options), value, "ms", 150, "median of 11, warm")


def _at_rest(folder: Path, environment: dict[str, str], seconds: float) -> list[Row]:
    tree = folder / "tree"
    for n in range(20):
        (tree / str(n)).mkdir(parents=True)
        for m in range(100):
            (tree / str(n) / str(m)).write_text(f"{n} {m}")
    (folder / "auth.log").touch()
    inputs = ["--dir", "tree", "--app-log", "auth.log"]
    with started(folder, environment, *inputs):
        pass  # byte code is there from now on, as in an installation
    with started(folder, environment, *inputs) as (process, ready):
        time.sleep(3)  # learning the tree is no rest
        before, began = cpu_seconds(process.pid), time.monotonic()
        time.sleep(seconds)
        share = (cpu_seconds(process.pid) - before) / (time.monotonic() - began) * 100
        memory, threads = resident_mb(process.pid), len(os.listdir(f"/proc/{process.pid}/task"))  # noqa: PTH208
    note = "one interface, a folder of 2,000 files, one log"
    return [
        _row("start: ready after", ready, "s", 2),
        _row("start at rest: share of a core", share, "%", 1, note),
        _row("start at rest: resident", memory, "MB", 80, f"{threads} threads"),
    ]


@contextmanager
def started(
    folder: Path, environment: dict[str, str], *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """`start` in a folder, once it is ready, with the seconds that took; stopped at the end."""
    ready = folder / "ready"
    command = [sys.executable, str(INDEX), "start", "--ready-file", str(ready), *options]
    began = time.monotonic()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=folder, env=environment, **quiet)  # type: ignore[call-overload]
    try:
        while not ready.exists():
            if process.poll() is not None or time.monotonic() - began > 30:
                raise RuntimeError(f"start ended with {process.poll()} before it was ready")
            time.sleep(0.005)
        yield process, time.monotonic() - began
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        ready.unlink(missing_ok=True)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, all threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    """Memory that a process has in RAM, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Print the figures; 1 where one is not reached."""
    rows = rest()
    for row in rows:
        mark = "ok" if row["ok"] else "--"
        print(f"{mark} {row['what']:<44}{row['figure']:>12}  {row['reach']:<12}{row['note']}")
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
