"""Rotates a log hundreds of times under load while it is followed, restarted on the way.

    python benchmarks/soak_logs.py [rotations] [lines a second]

Promise: nothing lost, nothing repeated.
"""

from __future__ import annotations

import gzip
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from mlids.monitors.logs import Logs


class Writer(threading.Thread):
    """Writes numbered lines and rotates the file: rename, with gzip at once or one turn later."""

    def __init__(self, path: Path, rotations: int, lines: int, rate: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.path, self.rotations, self.lines, self.rate = path, rotations, lines, rate
        self.chance = random.Random(seed)
        self.written = 0
        self.kept = 0  # rotated files there are

    def run(self) -> None:
        begun = time.monotonic()
        for _ in range(self.rotations):
            with self.path.open("ab") as file:
                for _ in range(self.lines // 10):
                    self._write(file, 10)
                    if self.chance.random() < 0.1:
                        self._write(file, 1, split=True)
                    ahead = self.written / self.rate - (time.monotonic() - begun)
                    if ahead > 0.005:
                        time.sleep(ahead)
                self._rotate(self.chance.choice(("create", "gzip", "later", "create")))
                if self.chance.random() < 0.3:
                    self._write(file, 3)  # a writer that has not noticed yet
        with self.path.open("ab") as file:
            self._write(file, 10)

    def _write(self, file: Any, count: int, split: bool = False) -> None:
        text = b"".join(b"%d of a rotated log, line\n" % (self.written + n) for n in range(count))
        if split:
            file.write(text[:5])
            file.flush()
            time.sleep(0.001)
            text = text[5:]
        file.write(text)
        file.flush()
        self.written += count

    def _rotate(self, kind: str) -> None:
        for number in range(self.kept, 0, -1):
            for ending in ("", ".gz"):
                old = Path(f"{self.path}.{number}{ending}")
                if old.exists():
                    old.rename(f"{self.path}.{number + 1}{ending}")
        self.path.rename(f"{self.path}.1")
        self.kept += 1
        if kind == "later" and self.kept > 2:
            self._pack(Path(f"{self.path}.3"))
        if kind == "gzip" and self.kept > 1:
            self._pack(Path(f"{self.path}.2"))

    def _pack(self, path: Path) -> None:
        if path.exists():
            packed = Path(f"{path}.gz")
            status = path.stat()
            packed.write_bytes(gzip.compress(path.read_bytes(), 1))
            os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
            path.unlink()


def rotation_rig(
    folder: Path, rotations: int = 200, lines: int = 200, rate: float = 20_000, seed: int = 1
) -> dict[str, Any]:
    """Follow a log through rotations, restarted every now and then, once while nobody reads.

    Returns how many lines were written, lost and repeated, and how long it took.
    """
    path = folder / "app.log"
    path.touch()
    writer = Writer(path, rotations, lines, rate, seed)
    seen: list[int] = []
    began = time.monotonic()
    writer.start()
    restarts = 0
    while True:
        done = _read(path, folder / "checkpoint.json", seen, writer, 0.7)
        restarts += 1
        if done or time.monotonic() - began > rotations * lines / rate + 20:
            break
        time.sleep(0.15)  # rotations happen while it is stopped
    return {
        "written": writer.written,
        "lost": writer.written - len(set(seen)),
        "repeated": len(seen) - len(set(seen)),
        "restarts": restarts,
        "seconds": round(time.monotonic() - began, 1),
    }


def _read(path: Path, checkpoint: Path, seen: list[int], writer: Writer, seconds: float) -> bool:
    """Follow for a while; True where everything has been seen."""
    monitor = Logs(paths=[str(path)], checkpoint=str(checkpoint), from_start=True, poll_s=0.02)
    monitor.open()
    stop = threading.Event()
    until = time.monotonic() + seconds
    for batch in monitor.batches(stop):
        seen += [int(batch.line(row).split(b" ", 1)[0]) for row in range(len(batch))]
        monitor.delivered()
        finished = not writer.is_alive()
        if finished and len(set(seen)) >= writer.written:
            monitor.close()
            return True
        if time.monotonic() > until and not (finished and len(batch)):
            stop.set()
    monitor.close()
    return False


def main() -> None:
    """Run the full form."""
    rotations = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        result = rotation_rig(Path(folder), rotations, lines=int(rate / 4), rate=rate)
    print(result)
    sys.exit(bool(result["lost"] or result["repeated"]))


if __name__ == "__main__":
    main()
