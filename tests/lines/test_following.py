from __future__ import annotations

import contextlib
import gzip
import os
import shutil
from pathlib import Path

import pytest

from mlids.lines import following, tailing
from mlids.lines.checkpoints import Checkpoint
from mlids.lines.following import Files


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(tailing, "DRAIN_S", 0.0)
    monkeypatch.setattr(following, "LOOK_S", 0.0)
    monkeypatch.setattr(following, "SHARE", 0)
    monkeypatch.setattr(following, "LEFT_S", 0.0)
    monkeypatch.setattr(following, "WHOLE_S", 0.0)


class Reader:
    """Files followed, restarted from a checkpoint at will."""

    def __init__(self, folder: Path, *paths, **options) -> None:
        self.folder, self.paths, self.options = folder, [str(p) for p in paths], options
        self.lines: list[tuple[str, bytes]] = []
        self.told: list[str] = []
        self.progress = {}
        self.start()

    def start(self) -> None:
        options = {"from_start": False, **self.options}
        self.files = Files(
            self.paths, 1000, tell=lambda path, error: self.told.append(str(error)), **options
        )
        self.checkpoint = Checkpoint(str(self.folder / "checkpoint"))
        self.progress = self.checkpoint.load()
        self.files.begin(self.progress, self.checkpoint.kept, self.checkpoint.written_ns)
        self.progress = {path: one.reached() for path, one in self.files.followed.items()}

    def poll(self, times: int = 4) -> Reader:
        for _ in range(times):
            for one, piece in self.files.pieces(1024):
                name = os.path.relpath(one.path, self.folder)
                cut = piece.cut
                self.lines += [
                    (name, cut.data[a:b]) for a, b in zip(cut.starts, cut.ends, strict=True)
                ]
                self.progress[one.path] = piece.progress
        self.progress |= self.files.changed()
        return self

    def new(self) -> list[tuple[str, bytes]]:
        self.poll()
        found, self.lines = self.lines, []
        return found

    def save(self) -> None:
        kept = self.files.kept()
        held = {*kept.found, *self.paths}
        self.checkpoint.save({p: r for p, r in self.progress.items() if p in held}, kept)

    def restart(self) -> Reader:
        self.save()
        self.files.close()
        self.start()
        return self


def append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def test_old_files_begin_at_their_end_and_new_ones_at_their_first_line(tmp_path, logs):
    append(logs / "a.log", "old\n")
    reader = Reader(tmp_path, logs)
    assert reader.new() == []
    append(logs / "a.log", "one\n")
    append(logs / "deep/b.log", "two\nthree\n")
    assert sorted(reader.new()) == [
        ("logs/a.log", b"one"),
        ("logs/deep/b.log", b"three"),
        ("logs/deep/b.log", b"two"),
    ]
    append(logs / "deep/b.log", "four\n")
    assert reader.new() == [("logs/deep/b.log", b"four")]


def test_a_restart_goes_on_and_finds_what_came_meanwhile(tmp_path, logs):
    append(logs / "a.log", "old\n")
    reader = Reader(tmp_path, logs / "*.log")
    reader.save()
    append(logs / "a.log", "one\n")
    assert reader.new() == [("logs/a.log", b"one")]
    reader.save()
    reader.files.close()
    append(logs / "a.log", "two\n")
    append(logs / "b.log", "three\n")
    reader.start()
    assert sorted(reader.new()) == [("logs/a.log", b"two"), ("logs/b.log", b"three")]
    assert reader.restart().new() == []


def test_another_folder_is_new_by_itself(tmp_path, logs):
    append(logs / "a.log", "old\n")
    append(tmp_path / "more/b.log", "old\n")
    reader = Reader(tmp_path, logs)
    reader.save()
    reader.files.close()
    reader.paths.append(str(tmp_path / "more"))
    reader.start()
    assert reader.new() == []
    append(tmp_path / "more/b.log", "one\n")
    assert reader.new() == [("more/b.log", b"one")]


def test_rotated_files_are_no_files_of_their_own(tmp_path, logs):
    for name in ("x.log", "x.log.1", "x.log.2.gz", "x-20250101.log"):
        append(logs / name, f"old {name}\n")
    reader = Reader(tmp_path, logs)
    assert reader.new() == []
    for number in range(3):
        append(logs / "x.log", f"one {number}\n")
        (logs / "x.log.2.gz").write_bytes(gzip.compress((logs / "x.log.1").read_bytes()))
        (logs / "x.log").rename(logs / "x.log.1")
        append(logs / "x.log.1", f"late {number}\n")
        append(logs / "x.log", f"two {number}\n")
        assert [line for _, line in reader.new()] == [
            b"%s %d" % (word, number) for word in (b"one", b"late", b"two")
        ]
    assert reader.restart().new() == []
    assert set(reader.files.followed) == {str(logs / "x.log")}


def test_a_rotation_with_a_pause_before_the_new_file(tmp_path, logs):
    append(logs / "x.log", "old\n")
    reader = Reader(tmp_path, logs)
    append(logs / "x.log", "one\n")
    (logs / "x.log").rename(logs / "x.log.1")
    assert reader.new() == [("logs/x.log", b"one")]
    assert reader.new() == []  # let go of by now
    assert reader.restart().new() == []
    append(logs / "x.log", "two\n")
    assert reader.new() == [("logs/x.log", b"two")]


def test_a_worker_with_a_number_is_followed_when_it_turns_out_to_be_alive(tmp_path, logs):
    for name in ("app.log", "app-1.log", "app-2.log"):
        append(logs / name, f"{name} has old lines\n")
    reader = Reader(tmp_path, logs)
    assert reader.new() == []
    for turn in (b"one", b"two"):
        append(logs / "app.log", f"{turn.decode()}\n")
        append(logs / "app-1.log", f"{turn.decode()}\n")
        assert sorted(reader.new()) == [("logs/app-1.log", turn), ("logs/app.log", turn)]
        reader.restart()
    assert reader.told == []
    assert len(reader.files.followed) == 2


def test_dated_files_without_a_current_one_are_logs(tmp_path, logs):
    append(logs / "x-2025-01-12.log", "old\n")
    reader = Reader(tmp_path, logs)
    append(logs / "x-2025-01-12.log", "one\n")
    append(logs / "x-2025-01-13.log", "two\n")
    assert sorted(reader.new()) == [
        ("logs/x-2025-01-12.log", b"one"),
        ("logs/x-2025-01-13.log", b"two"),
    ]
    packed = logs / "x-2025-01-12.log.gz"
    packed.write_bytes(gzip.compress((logs / "x-2025-01-12.log").read_bytes()))
    (logs / "x-2025-01-12.log").unlink()
    assert reader.new() == []
    assert reader.restart().new() == []


def test_renamed_copied_and_linked_files_are_read_once(tmp_path, logs):
    append(logs / "x.log", "old\n")
    reader = Reader(tmp_path, logs)
    append(logs / "x.log", "one\n" * 400)
    assert len(reader.new()) == 400
    (logs / "link.log").symlink_to(logs / "x.log")
    os.link(logs / "x.log", logs / "hard.log")
    shutil.copy(logs / "x.log", logs / "copy.log")
    assert reader.new() == []
    (logs / "hard.log").unlink()
    (logs / "x.log").rename(logs / "x.log.old")
    append(logs / "x.log", "two\n")
    assert reader.new() == [("logs/x.log", b"two")]
    assert reader.restart().new() == []
    (logs / "x.log").rename(logs / "x.log.old")
    append(logs / "x.log", "three\n")
    assert reader.new() == [("logs/x.log", b"three")]
    assert reader.new() == []


def test_a_plain_path_is_not_read_again_by_its_folder(tmp_path, logs):
    append(logs / "x.log", "old\n")
    (tmp_path / "link").symlink_to(logs / "x.log")
    reader = Reader(tmp_path, tmp_path / "link", logs)
    append(logs / "x.log", "one\n")
    assert reader.new() == [("link", b"one")]


def test_binary_and_own_files_are_left_out(tmp_path, logs):
    reader = Reader(tmp_path, logs, own=[str(logs / "mlids")])
    (logs / "wtmp").write_bytes(b"\7\0\0\0" * 100)
    append(logs / "mlids/mlids.jsonl", "own\n")
    append(logs / "a.log", "one\n")
    assert reader.new() == [("logs/a.log", b"one")]
    (logs / "wtmp").unlink()
    append(logs / "wtmp", "text by now\n")
    assert reader.new() == [("logs/wtmp", b"text by now")]


def test_compressed_files_that_come_are_read_once(tmp_path, logs):
    (logs / "old.gz").write_bytes(gzip.compress(b"old\n"))
    reader = Reader(tmp_path, logs)
    (logs / "new.gz").write_bytes(gzip.compress(b"one\ntwo"))
    assert reader.new() == [("logs/new.gz", b"one"), ("logs/new.gz", b"two")]
    assert reader.new() == []
    assert reader.restart().new() == []
    assert reader.files.followed == {}


def test_a_file_that_is_gone_is_read_to_its_end_and_let_go(tmp_path, logs):
    append(logs / "x.log", "old\n")
    reader = Reader(tmp_path, logs)
    append(logs / "x.log", "one\nunended")
    (logs / "x.log").unlink()
    assert [line for _, line in reader.new()] == [b"one", b"unended"]
    (one,) = reader.files.followed.values()
    assert (one.gone, one.tail, one.state) == (True, None, "waiting")
    append(logs / "x.log", "two\n")
    assert reader.new() == [("logs/x.log", b"two")]
    assert reader.told == []


def test_a_log_that_was_rotated_before_it_was_found_is_read_whole(tmp_path, logs):
    append(logs / "old.log", "old\n")
    reader = Reader(tmp_path, logs / "*.log")
    append(logs / "x.log.2", "ancient\n")
    os.utime(logs / "x.log.2", (1, 1))
    append(logs / "x.log.1", "one\n")
    append(logs / "x.log", "two\n")
    assert reader.new() == [("logs/x.log", b"one"), ("logs/x.log", b"two")]


def held(folder: Path) -> int:
    """How many descriptors of this process lead to files in a folder."""
    count = 0
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one of the look itself
            count += os.readlink(entry.path).startswith(f"{folder}/")
    return count


def test_thousands_of_files_need_few_descriptors(tmp_path, logs, monkeypatch):
    monkeypatch.setattr(following, "MOST_OPEN", 10)
    monkeypatch.setattr(following, "MARGIN", 2)
    paths = [logs / f"{n}.log" for n in range(300)]
    for path in paths:
        append(path, "old\n")
    reader = Reader(tmp_path, logs)
    reader.poll()
    assert held(logs) < 60
    assert sum(one.tail is not None for one in reader.files.followed.values()) <= 10
    for turn in range(3):
        for path in paths[::7]:
            append(path, f"turn {turn}\n")
        if turn == 1:
            reader.restart()
        if turn == 2:
            paths[0].rename(logs / "0.log.1")
            append(paths[0], "new\n")
        found = reader.poll(40).new()
        assert len(found) == 43 + (turn == 2), turn
        assert len(set(found)) == len(found)
    assert held(logs) < 60
    assert reader.told == []


def test_more_files_than_are_followed_are_told_once(tmp_path, logs, monkeypatch):
    monkeypatch.setattr(following, "MOST", 5)
    for n in range(9):
        append(logs / f"{n}.log", "old\n")
    reader = Reader(tmp_path, logs)
    reader.poll()
    assert len(reader.files.followed) == 5
    assert len(reader.told) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_many_files_that_may_not_be_read_are_few_messages(tmp_path, logs):
    for n in range(20):
        append(logs / f"{n}.log", "old\n")
        (logs / f"{n}.log").chmod(0)
    assert len(Reader(tmp_path, logs).poll().told) == 5


def test_a_folder_that_comes_later(tmp_path):
    reader = Reader(tmp_path, f"{tmp_path}/later/")
    reader.poll()
    append(tmp_path / "later/a.log", "one\n")
    assert reader.new() == [("later/a.log", b"one")]
