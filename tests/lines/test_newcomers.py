from __future__ import annotations

import os

import pytest

from mlids.lines.checkpoints import HEAD, Position, Progress, digest
from mlids.lines.discovery import Walk
from mlids.lines.following import Followed
from mlids.lines.newcomers import Newcomers


@pytest.fixture
def judged(tmp_path):
    def judge(newcomers, followed=None, known=True):
        walk, pattern = Walk(), str(tmp_path)
        found = ((one, pattern) for one in walk.found(pattern))
        seen = newcomers.logs(found, followed or {}, walk, {pattern} if known else set())
        return sorted(os.path.basename(one.path) for one, _ in seen)

    return judge


def parked(path, data: bytes) -> dict[str, Followed]:
    status = path.stat()
    place = Position(status.st_dev, status.st_ino, len(data), 1, len(data), digest(data))
    return {str(path): Followed(str(path), "", Progress((place,)))}


def test_texts_are_logs_and_binaries_are_not(tmp_path, judged):
    (tmp_path / "a.log").write_bytes(b"text\n")
    (tmp_path / "empty.log").touch()
    (tmp_path / "wtmp").write_bytes(bytes(100))
    assert judged(Newcomers([])) == ["a.log", "empty.log"]


def test_plain_paths_and_their_rotated_files_are_left_out(tmp_path, judged):
    for name in ("a.log", "a.log.1", "b.log"):
        (tmp_path / name).write_bytes(b"text\n")
    assert judged(Newcomers([str(tmp_path / "a.log")])) == ["b.log"]


def test_a_renamed_file_is_known_by_its_first_bytes(tmp_path, judged):
    path = tmp_path / "a.log"
    path.write_bytes(b"text\n")
    followed = parked(path, b"text\n")
    path.rename(tmp_path / "renamed")
    newcomers = Newcomers([])
    assert judged(newcomers, followed) == []
    assert str(tmp_path / "renamed") in newcomers.passed
    with (tmp_path / "renamed").open("ab") as file:
        file.write(b"more\n")
    assert judged(newcomers, {}) == []  # remembered, though it has grown


def test_an_inode_in_use_again_is_another_file(tmp_path, judged):
    path = tmp_path / "a.log"
    path.write_bytes(b"text\n")
    followed = parked(path, b"what was there before\n")
    path.rename(tmp_path / "b.log")
    assert judged(Newcomers([]), followed) == ["b.log"]


def test_a_copy_is_known_but_not_where_all_is_new(tmp_path, judged):
    data = b"x" * HEAD
    (tmp_path / "a.log").write_bytes(data)
    followed = parked(tmp_path / "a.log", data)
    (tmp_path / "copy.log").write_bytes(data + b"more")
    assert judged(Newcomers([]), followed, known=False) == ["copy.log"]
    assert judged(Newcomers([]), followed) == []


def test_a_file_that_was_passed_by_is_judged_anew_when_it_is_another(tmp_path, judged):
    newcomers = Newcomers([])
    (tmp_path / "a.log").write_bytes(bytes(100))
    assert judged(newcomers) == []
    (tmp_path / "a.log").write_bytes(b"text\n")  # shorter
    assert judged(newcomers) == ["a.log"]


def test_rotated_files_since_the_last_look_are_still_to_be_read(tmp_path):
    for name, at in (("a.log.2", 100), ("a.log.1", 200)):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, (at, at))
    newcomers = Newcomers([])
    newcomers.looked_ns = 150 * 10**9
    before = newcomers.before(str(tmp_path / "a.log"))
    assert before == Progress((), ((7, digest(b"a.log.2")),))
    newcomers.looked_ns = 300 * 10**9
    assert newcomers.before(str(tmp_path / "a.log")) is None
