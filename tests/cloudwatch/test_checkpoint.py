from __future__ import annotations

import pytest

from mlids.cloudwatch import checkpoint as module
from mlids.cloudwatch.checkpoint import Checkpoint, Through
from mlids.errors import MLIDSError


@pytest.fixture
def path(tmp_path):
    (tmp_path / ".sync").mkdir()
    return tmp_path / ".sync" / "checkpoint.json"


def test_places_are_kept(path):
    made = Checkpoint(path, "/g", "r", "text")
    made.load()
    assert made.of("s") is None
    made.note("s", Through(5, 9))
    made.save()
    again = Checkpoint(path, "/g", "r", "text")
    again.load()
    assert again.of("s") == Through(5, 9)


def test_it_is_written_now_and_then(path, monkeypatch):
    made = Checkpoint(path, "/g", "r", "text")
    made.note("s", Through(1, 2))
    assert not path.exists()
    monkeypatch.setattr(module, "SAVE_S", -1)
    made.note("s", Through(2, 3))
    assert path.exists()


def test_what_was_read_too_soon_is_read_again():
    assert Through(100, 100).again(30) == 70
    assert Through(50, 100).again(30) == 50  # long over when it was read
    assert Through(10, 10).again(30) == 0


@pytest.mark.parametrize("other", [("/h", "r", "text"), ("/g", "q", "text"), ("/g", "r", "jsonl")])
def test_a_folder_is_kept_for_one_thing(path, other):
    Checkpoint(path, "/g", "r", "text").save()
    with pytest.raises(MLIDSError, match="is kept for") as refused:
        Checkpoint(path, *other).load()
    assert refused.value.code == "E209"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"streams": 5}', b"\xff"])
def test_a_damaged_one_is_not_taken_for_none(path, content):
    path.write_bytes(content)
    with pytest.raises(MLIDSError, match="cannot be read"):
        Checkpoint(path, "/g", "r", "text").load()
