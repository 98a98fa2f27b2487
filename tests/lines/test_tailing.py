from __future__ import annotations

import contextlib
import errno
import gzip
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlids.lines import tailing
from mlids.lines.tailing import Tail


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(tailing, "DRAIN_S", 0.0)


class Reader:
    """A tail, and what it has delivered; can be restarted from its checkpoint."""

    def __init__(self, path, from_start=True, max_line=100):
        self.path, self.max_line, self.from_start = str(path), max_line, from_start
        self.lines: list[bytes] = []
        self.places: list[tuple[int, int]] = []
        self.told: list[str] = []
        self.rejected = 0
        self.gaps = 0
        self.progress = None
        self.start()

    def start(self):
        self.tail = Tail(self.path, self.max_line, self.progress, from_start=self.from_start)
        self.tail.tell = lambda error: self.told.append(str(error))

    def poll(self, size=64):
        idle = 0
        while idle < 3:
            pieces = list(self.tail.pieces(size))
            for piece in pieces:
                cut = piece.cut
                self.rejected += cut.rejected
                for a, b, n in zip(cut.starts, cut.ends, cut.numbers, strict=True):
                    self.lines.append(cut.data[a:b])
                    self.places.append((int(n), cut.base + int(a)))
            idle = 0 if pieces else idle + 1
            assert len(self.lines) < 100_000
        self.progress = self.tail.progress()
        return self

    def restart(self):
        self.stop()
        self.start()
        return self

    def stop(self):
        self.gaps += self.tail.gaps
        self.tail.close()


def append(path, *text: bytes):
    with Path(path).open("ab") as file:
        file.write(b"".join(text))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "app.log"


def test_lines_as_they_come(path):
    append(path, b"one\ntwo\nthr")
    reader = Reader(path).poll()
    assert reader.lines == [b"one", b"two"]
    append(path, b"ee\r\n\n\0\xff\n")
    assert reader.poll().lines[2:] == [b"three", b"", b"\0\xff"]
    assert reader.places == [(1, 0), (2, 4), (3, 8), (4, 15), (5, 16)]


def test_a_first_start_begins_behind_the_last_whole_line(path):
    append(path, b"old\nolder\npart")
    reader = Reader(path, from_start=False).poll()
    append(path, b"ial\nnew\n")
    assert reader.poll().lines == [b"partial", b"new"]
    assert reader.places[0] == (3, 10)


def test_a_file_that_comes_later_is_read_from_its_start(path):
    reader = Reader(path, from_start=False).poll()
    assert reader.tail.state == "waiting"
    append(path, b"one\n")
    assert reader.poll().lines == [b"one"]
    assert reader.tail.state == "ok"


def test_rename_and_create(path):
    append(path, b"one\n")
    reader = Reader(path).poll()
    append(path, b"two\n")
    path.rename(f"{path}.1")
    append(f"{path}.1", b"three\nunended")
    append(path, b"four\n")
    assert reader.poll().lines == [b"one", b"two", b"three", b"unended", b"four"]


def test_twice_rotated_and_packed_while_stopped(path):
    append(path, b"one\n")
    reader = Reader(path).poll()
    append(path, b"two\n")
    reader.stop()
    Path(f"{path}.2.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    append(f"{path}.1", b"three\n")
    append(path, b"four\n")
    reader.start()
    assert reader.poll().lines == [b"one", b"two", b"three", b"four"]
    assert (reader.restart().poll().lines[4:], reader.gaps) == ([], 0)


def test_zstandard_and_dates(path):
    import zstandard

    append(path, b"one\n")
    reader = Reader(path).poll()
    append(path, b"two\n")
    reader.stop()
    packed = zstandard.ZstdCompressor().compress(path.read_bytes())
    Path(f"{path}-20250113.zst").write_bytes(packed)
    path.unlink()
    append(path, b"three\n")
    reader.start()
    assert reader.poll().lines == [b"one", b"two", b"three"]


def test_older_archives_are_not_read_at_a_first_start(path):
    append(f"{path}.1", b"ancient\n")
    append(path, b"one\n")
    reader = Reader(path).poll()
    path.rename(f"{path}.1")
    append(path, b"two\n")
    assert reader.poll().lines == [b"one", b"two"]


def test_copy_and_truncate(path):
    append(path, b"one\n")
    reader = Reader(path).poll()
    append(path, b"two\n")
    shutil.copy(path, f"{path}.1")
    os.truncate(path, 0)
    append(path, b"three, longer than all that was there before\n")
    assert reader.poll().lines == [
        b"one",
        b"two",
        b"three, longer than all that was there before",
    ]
    assert reader.tail.gaps == 1
    assert "truncated" in reader.told[0]


def test_copied_and_truncated_while_stopped(path):
    append(path, b"one\n")
    reader = Reader(path).poll()
    append(path, b"two\n")
    shutil.copy(path, f"{path}.1")
    os.truncate(path, 0)
    append(path, b"three\n")
    assert reader.restart().poll().lines == [b"one", b"two", b"three"]
    assert reader.tail.gaps == 1


def test_the_end_of_a_truncated_file_without_copy_is_declared(path):
    append(path, b"one\ntwo\n")
    reader = Reader(path).poll()
    os.truncate(path, 0)
    append(path, b"a\n")
    assert reader.poll().lines == [b"one", b"two", b"a"]
    assert reader.tail.gaps == 1


def test_a_deleted_file_is_read_to_its_end(path):
    append(path, b"one\n")
    reader = Reader(path).poll()
    append(path, b"two\n")
    path.unlink()
    assert reader.poll().lines == [b"one", b"two"]
    assert reader.tail.state == "waiting"
    append(path, b"three\n")
    assert reader.poll().lines[2:] == [b"three"]


def test_an_inode_in_use_again_is_another_file(path):
    append(path, b"one\n")
    reader = Reader(path).poll()
    reader.stop()
    inode = path.stat().st_ino
    path.write_bytes(b"other and longer\n")  # the same inode, as after unlink and create
    assert path.stat().st_ino == inode
    reader.start()
    assert reader.poll().lines == [b"one", b"other and longer"]


def test_damaged_archives_are_told_and_left(path):
    append(path, b"one\n")
    reader = Reader(path).poll()
    reader.stop()
    data = gzip.compress(b"one\n" + b"".join(b"%d\n" % n for n in range(9999)))
    Path(f"{path}.1.gz").write_bytes(data[: len(data) // 2])
    path.unlink()
    append(path, b"three\n")
    reader.start()
    assert reader.poll().lines[-1] == b"three"
    assert reader.tail.gaps == 1
    assert any("E011" in text for text in reader.told)
    told = len(reader.told)
    assert len(reader.poll().told) == told


def test_long_lines_are_cut_out(path):
    append(path, b"x" * 5000, b"\n", b"y" * 101, b"\n", b"z" * 100, b"\n")
    reader = Reader(path).poll()
    assert (reader.lines, reader.rejected) == ([b"z" * 100], 2)
    assert reader.places == [(3, 5001 + 102)]


def test_a_restart_within_a_long_line(path):
    append(path, b"one\n", b"x" * 5000)
    reader = Reader(path).poll()
    reader.restart()
    append(path, b"x\ntwo\n")
    assert reader.poll().lines == [b"one", b"two"]


@pytest.mark.parametrize("kind", ["fifo", "folder", "loop"])
def test_what_is_no_file_is_told_once(path, kind):
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    reader = Reader(path).poll().poll()
    assert (reader.tail.state, len(reader.told)) == ("failed", 1)
    if kind == "folder":
        path.rmdir()
    else:
        path.unlink()
    append(path, b"one\n")
    assert reader.poll().lines == [b"one"]
    assert reader.tail.state == "ok"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told_once(path):
    append(path, b"one\n")
    path.chmod(0)
    reader = Reader(path).poll().poll()
    assert reader.told == [f"E004: {path}: Permission denied"]
    path.chmod(stat.S_IRUSR)
    assert reader.poll().lines == [b"one"]


class Unprivileged(Reader):
    """Reads with the rights of any user, though root may read whatever its mode is."""

    def start(self):
        with self.rights():
            super().start()

    def poll(self, size=64):
        with self.rights():
            return super().poll(size)

    @staticmethod
    @contextlib.contextmanager
    def rights():
        real = os.open

        def opened(path, flags, *mode, **options):
            try:
                readable = os.stat(path).st_mode & 0o400
            except OSError:
                readable = True
            if not readable:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return real(path, flags, *mode, **options)

        os.open = opened
        try:
            yield
        finally:
            os.open = real


class Rotations(RuleBasedStateMachine):
    """Whatever happens to a file: nothing repeated, and nothing lost that could be read."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "app.log"
        self.reader = Unprivileged(self.path).poll()
        self.running = True
        self.written: list[bytes] = []
        self.lost: set[bytes] = set()  # written where nobody could read it any more
        self.inside: dict[str, list[bytes]] = {}  # lines by file, newest name first
        self.count = 0

    def teardown(self):
        if hasattr(self, "reader"):
            self.finish()
            self.reader.stop()
            shutil.rmtree(self.folder)

    def finish(self):
        self.permit()
        if not self.running:
            self.reader.start()
        append(self.path, b"last line\n")
        self.reader.poll().poll()
        unread = set(self.written) - set(self.reader.lines)
        assert unread <= self.lost, unread - self.lost

    @rule(lines=st.integers(1, 4))
    def write(self, lines):
        text = [b"%d line that is written" % (self.count + n) for n in range(lines)]
        self.count += lines
        self.written += text
        if self.path.exists() and self.is_forbidden():
            self.lost |= set(text)
        append(self.path, *(line + b"\n" for line in text))
        time.sleep(0.002)  # times of files tell which came later

    @rule()
    def poll(self):
        if self.running:
            self.reader.poll()

    def _shift(self):
        numbers = {file: file.name.split(".")[2:] for file in self.folder.glob("app.log.*")}
        for file, (number, *ending) in sorted(numbers.items(), key=lambda f: -int(f[1][0])):
            file.rename(self.folder / ".".join(["app.log", str(int(number) + 1), *ending]))

    @rule(pack=st.sampled_from([0, 1, 2]))
    def rotate(self, pack):
        if not self.path.exists():
            return
        if pack and self.is_forbidden():
            self.permit()
        self._shift()
        self.path.rename(f"{self.path}.1")
        old = Path(f"{self.path}.{pack}")
        if pack and old.exists():
            status = old.stat()
            packed = Path(f"{old}.gz")
            packed.write_bytes(gzip.compress(old.read_bytes()))
            os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
            old.unlink()

    @rule()
    def copy_and_truncate(self):
        if self.path.exists():
            self.permit()
            if self.running:
                self.reader.poll()
                self.write(2)
            self._shift()
            shutil.copy(self.path, f"{self.path}.1")
            os.truncate(self.path, 0)
            if self.running:
                self.reader.poll()

    @rule()
    def truncate(self):
        if self.path.exists():
            self.lost |= set(self.written) - set(self.reader.lines)
            os.truncate(self.path, 0)
            if self.running:
                self.reader.poll()

    @rule()
    def delete(self):
        if self.path.exists():
            if self.running:
                self.reader.poll()
            self.lost |= set(self.written) - set(self.reader.lines)
            self.path.unlink()

    @rule()
    def forbid(self):
        """Nobody may read what is there; what is not read by now may be lost, which is told."""
        if self.path.exists():
            self.lost |= set(self.written) - set(self.reader.lines)
            self.path.chmod(0o200)

    @rule()
    def permit(self):
        for file in self.folder.iterdir():
            file.chmod(0o600)

    def is_forbidden(self):
        return any(not file.stat().st_mode & 0o400 for file in self.folder.iterdir())

    @rule()
    def stop(self):
        if self.running:
            self.reader.poll().stop()
            self.running = False

    @rule()
    def crash(self):
        """Stopped without warning: what came after the checkpoint does not count."""
        if self.running:
            kept = len(self.reader.lines)
            progress = self.reader.progress
            self.reader.poll()
            self.reader.stop()
            if self.is_forbidden():
                self.lost |= set(self.reader.lines[kept:])
            if progress is not None:
                del self.reader.lines[kept:]
                self.reader.progress = progress
            self.running = False

    @rule()
    def start(self):
        if not self.running:
            self.reader.start()
            self.reader.poll()
            self.running = True

    @invariant()
    def nothing_is_repeated(self):
        if hasattr(self, "reader"):
            lines = [line for line in self.reader.lines if line != b"last line"]
            assert len(lines) == len(set(lines))


Rotations.TestCase.settings = settings(
    max_examples=int(os.environ.get("MLIDS_EXAMPLES", "60")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRotations = Rotations.TestCase
