from __future__ import annotations

import gzip
import os

import pytest

from mlids.lines import rotation
from mlids.lines.checkpoints import Position, digest


def names(tmp_path, path="app.log"):
    files = rotation.rotated(str(tmp_path / path))
    rotation.close(files)
    return [os.path.basename(file.path) for file in files]


def write(tmp_path, *files: str):
    for number, name in enumerate(files):
        data = f"content of {name}\n".encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        os.utime(path, ns=(number * 10**9, number * 10**9))


def test_numbers_count_backwards(tmp_path):
    write(tmp_path, "app.log.10.gz", "app.log.2.gz", "app.log.1", "app.log")
    assert names(tmp_path) == ["app.log.10.gz", "app.log.2.gz", "app.log.1"]


def test_dates_count_forwards(tmp_path):
    write(tmp_path, "app.log-20250114", "app.log-20250113.gz", "app-20250112.log", "app.log")
    assert names(tmp_path) == ["app-20250112.log", "app.log-20250113.gz", "app.log-20250114"]


def test_mixtures_go_by_time(tmp_path):
    write(tmp_path, "app.log-20250114", "app.log.1")
    assert names(tmp_path) == ["app.log-20250114", "app.log.1"]


def test_other_files_are_left_alone(tmp_path):
    write(tmp_path, "app.log.bak", "app.log.errors", "xapp.log.1", "app.log.1.swp", "app.logs.1")
    (tmp_path / "app.log.2").mkdir()
    (tmp_path / "app.log.3").symlink_to("app.log.bak")
    assert names(tmp_path) == []
    assert rotation_missing(tmp_path) == []


def rotation_missing(tmp_path):
    with pytest.raises(rotation.Unstable):
        rotation.rotated(str(tmp_path / "nowhere" / "app.log"))
    return []


def test_a_packed_file_beside_its_plain_one_is_not_ready(tmp_path):
    write(tmp_path, "app.log.1", "app.log.1.gz")
    assert names(tmp_path) == ["app.log.1"]


def test_files_are_known_by_how_they_begin(tmp_path):
    write(tmp_path, "app.log.2.gz", "app.log.1")
    packed, plain = files = rotation.rotated(str(tmp_path / "app.log"))
    head = b"content of app.log.2.gz\n"[:20]
    position = Position(0, 0, 5, 1, len(head), digest(head))
    assert (rotation.is_at(packed, position), rotation.is_at(plain, position)) == (True, False)
    assert not rotation.is_at(packed, Position(packed.device, packed.inode, 0, 0))
    rotation.close(files)
