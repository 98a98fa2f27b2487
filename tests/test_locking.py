import fcntl
import os
import subprocess
import sys
import time

import pytest

from mlids.errors import MLIDSError
from mlids.locking import NAME, FolderLock, holder


def test_one_writer_a_folder(tmp_path):
    lock = FolderLock(tmp_path / "logs")
    lock.acquire()
    assert holder(tmp_path / "logs") == os.getpid()
    with pytest.raises(MLIDSError) as caught:
        FolderLock(tmp_path / "logs").acquire()
    assert caught.value.code == "E006"
    assert str(os.getpid()) in caught.value.message
    lock.release()
    lock.release()
    assert holder(tmp_path / "logs") is None
    FolderLock(tmp_path / "logs").acquire()


def test_a_process_that_dies_gives_the_lock_back(tmp_path):
    code = (
        "import sys, os, pathlib; from mlids.locking import FolderLock;"
        "FolderLock(pathlib.Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    FolderLock(tmp_path).acquire()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MLIDSError):
        FolderLock(tmp_path / "file" / "logs").acquire()
    assert holder(tmp_path / "none") is None


def test_a_lock_whose_file_is_gone_or_replaced_is_not_intact(tmp_path):
    lock = FolderLock(tmp_path)
    assert not lock.intact()
    lock.acquire()
    assert lock.intact()
    (tmp_path / "mlids.lock").rename(tmp_path / "other")
    assert not lock.intact()
    (tmp_path / "mlids.lock").touch()
    assert not lock.intact()
    lock.release()


def test_who_only_looks_is_in_nobodys_way(tmp_path, monkeypatch):
    with (tmp_path / NAME).open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda seconds: looking.close())
        lock = FolderLock(tmp_path)
        lock.acquire()
    assert holder(tmp_path) == os.getpid()
    lock.release()
