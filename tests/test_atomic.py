import os
import stat

import pytest

from mlids.atomic import sweep, write_atomically
from mlids.errors import MLIDSError


def test_the_file_is_replaced_and_keeps_its_mode(tmp_path):
    path = tmp_path / "f"
    write_atomically(path, "one", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    write_atomically(path, b"two", sync=False)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["f"]


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MLIDSError) as caught:
        write_atomically(path, "new")
    assert caught.value.code == "E106"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a[1].json"

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", killed)
        patched.setattr(os, "unlink", lambda *_: None)
        with pytest.raises(SystemExit):
            write_atomically(path, "new")
    assert len(os.listdir(tmp_path)) == 1
    others = {".a1.json.abcdefgh", ".a[1].json.x.abcdefgh", "a[1].json.abcdefgh", ".a[1].json"}
    for name in others:
        (tmp_path / name).touch()
    sweep(path)
    assert set(os.listdir(tmp_path)) == others
