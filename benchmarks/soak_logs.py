"""Rotates many logs hundreds of times under load while a process follows them and is killed.

    python benchmarks/soak_logs.py [rotations] [lines a second] [files]

Promise: nothing lost, nothing repeated. The reader is a process of its own that is ended by
kill -9 again and again, also while nobody reads; what it had not yet committed does not count, as
an event does not that was not stored.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

KINDS = ("create", "gzip", "later", "create", "copytruncate")
COMMIT_S = 0.1


class Writer(threading.Thread):
    """Writes numbered lines and rotates the file: renamed or copied, packed soon or later."""

    def __init__(self, path: Path, rotations: int, lines: int, rate: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.path, self.rotations, self.lines, self.rate = path, rotations, lines, rate
        self.chance = random.Random(seed)
        self.written = 0
        self.kept = 0  # rotated files there are
        self.kinds: Counter[str] = Counter()

    def run(self) -> None:
        begun = time.monotonic()
        for _ in range(self.rotations):
            with self.path.open("ab") as file:
                for _ in range(max(1, self.lines // 10)):
                    self._write(file, 10)
                    if self.chance.random() < 0.1:
                        self._write(file, 1, split=True)
                    ahead = self.written / self.rate - (time.monotonic() - begun)
                    if ahead > 0.005:
                        time.sleep(ahead)
                kind = self.chance.choice(KINDS)
                self.kinds[kind] += 1
                self._rotate(kind)
                if kind != "copytruncate" and self.chance.random() < 0.3:
                    self._write(file, 3)  # a writer that has not noticed yet
        with self.path.open("ab") as file:
            self._write(file, 10)

    def _write(self, file: Any, count: int, split: bool = False) -> None:
        name = self.path.stem.encode()
        text = b"".join(
            b"%s:%d of a rotated log, line\n" % (name, self.written + n) for n in range(count)
        )
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
        if kind == "copytruncate":
            shutil.copy2(self.path, f"{self.path}.1")
            os.truncate(self.path, 0)
        else:
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
    folder: Path,
    rotations: int = 200,
    rate: float = 20_000,
    files: int = 20,
    seconds: float = 10.0,
    seed: int = 1,
) -> dict[str, Any]:
    """Follow logs through rotations, by a process that is killed every now and then.

    rate: lines a second of all together, for about so many seconds. Returns how many lines were
    written, lost and repeated, and how long it took.
    """
    logs = folder / "logs"
    logs.mkdir()
    each = max(1, rotations // files)
    lines = int(rate * seconds / files / each)
    writers = [
        Writer(logs / f"app{number}.log", each, lines, rate / files, seed + number)
        for number in range(files)
    ]
    for writer in writers:
        writer.path.touch()
    chance = random.Random(seed)
    began, kills = time.monotonic(), 0
    reader = _reader(folder)
    _wait(folder / "ready", 30)
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        time.sleep(chance.uniform(0.7, 2.0))
        reader.send_signal(signal.SIGKILL)
        reader.wait()
        kills += 1
        time.sleep(0.15)  # rotations happen while nobody reads
        reader = _reader(folder)
    written = sum(writer.written for writer in writers)
    until = time.monotonic() + 30
    while time.monotonic() < until and _lines(folder / "seen") < written:
        time.sleep(0.2)
    time.sleep(1.0)  # what is repeated would come now
    reader.send_signal(signal.SIGTERM)
    reader.wait()
    seen = Counter((folder / "seen").read_bytes().splitlines())
    expected = {f"{w.path.stem}:{n}".encode() for w in writers for n in range(w.written)}
    return {
        "written": written,
        "lost": len(expected - seen.keys()),
        "repeated": sum(seen.values()) - len(seen),
        "foreign": len(seen.keys() - expected),
        "kills": kills,
        "rotations": dict(sum((w.kinds for w in writers), Counter())),
        "seconds": round(time.monotonic() - began, 1),
    }


def _reader(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, "--read", str(folder)])


def _wait(path: Path, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.02)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


class Commits:
    """What was seen, and up to where it counts: the place was kept by the checkpoint too.

    A kill between the two is told by the checkpoint itself: whether it is still the one that
    belongs to the last commit.
    """

    def __init__(self, folder: Path) -> None:
        self.checkpoint = folder / "checkpoint.json"
        self.marks = (folder / "marks").open("ab+", buffering=0)
        self.seen = (folder / "seen").open("ab")
        os.truncate(folder / "seen", self._valid())
        self.seen.seek(0, os.SEEK_END)

    def _valid(self) -> int:
        self.marks.seek(0)
        committed, prepared, state = 0, None, self._digest(missing=True)
        for mark in self.marks.read().splitlines():
            kind, place, *rest = mark.split()
            if kind == b"P":
                prepared = int(place)
            elif rest:
                committed, prepared, state = int(place), None, rest[0]
        return prepared if prepared is not None and self._digest() != state else committed

    def _digest(self, missing: bool = False) -> bytes:
        data = b"" if missing or not self.checkpoint.exists() else self.checkpoint.read_bytes()
        return hashlib.sha256(data).hexdigest().encode()

    def commit(self, delivered: Any) -> None:
        """Everything seen so far counts."""
        self.seen.flush()
        place = self.seen.tell()
        self.marks.write(b"P %d\n" % place)
        delivered()
        self.marks.write(b"C %d %s\n" % (place, self._digest()))


def read(folder: Path) -> None:
    """The process that follows: until it is ended."""
    from mlids.monitors.logs import Logs

    commits = Commits(folder)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    monitor = Logs(
        paths=[str(folder / "logs")],
        checkpoint=str(commits.checkpoint),
        from_start=True,
        poll_s=0.02,
    )
    monitor.open()
    (folder / "ready").touch()
    kept = time.monotonic()
    for batch in monitor.batches(stop):
        lines = (batch.line(row).split(b" ", 1)[0] for row in range(len(batch)))
        commits.seen.writelines(line + b"\n" for line in lines)
        if time.monotonic() - kept > COMMIT_S or not len(batch):
            commits.commit(monitor.delivered)
            kept = time.monotonic()
    commits.commit(monitor.delivered)
    monitor.close()


def main() -> None:
    """Run the full form."""
    if sys.argv[1:2] == ["--read"]:
        read(Path(sys.argv[2]))
        return
    rotations = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    files = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    with tempfile.TemporaryDirectory() as folder:
        result = rotation_rig(Path(folder), rotations, rate, files, seconds=rotations / 5)
    print(result)
    sys.exit(bool(result["lost"] or result["repeated"] or result["foreign"]))


if __name__ == "__main__":
    main()
