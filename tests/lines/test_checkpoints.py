from __future__ import annotations

import pytest

from mlids.lines.checkpoints import Checkpoint, Position, Progress, replace_file

PROGRESS = {"/var/log/x": Progress((Position(1, 2, 3, 4, 5, "a", "b", 6),), ((7, "c"),))}


def test_what_is_saved_is_loaded(tmp_path):
    path = str(tmp_path / "new" / "checkpoint.json")
    Checkpoint(path).save(PROGRESS)
    assert Checkpoint(path).load() == PROGRESS
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["checkpoint.json"]


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"version": 2, "paths": {}}', b"\0\xff"])
def test_junk_is_nothing(tmp_path, junk):
    path = tmp_path / "checkpoint.json"
    path.write_bytes(junk)
    assert Checkpoint(str(path)).load() == {}


def test_without_a_file_nothing_is_kept():
    Checkpoint(None).save(PROGRESS)
    assert Checkpoint(None).load() == {}


def test_the_old_one_stays_where_the_new_one_cannot_be_written(tmp_path):
    path = tmp_path / "checkpoint.json"
    Checkpoint(str(path)).save(PROGRESS)
    with pytest.raises(OSError):
        replace_file(path / "below", b"x")
    assert Checkpoint(str(path)).load() == PROGRESS
