from mlids import status
from mlids.locking import FolderLock
from mlids.status import Status


def example(folder, **options):
    usual = {"pid": 1, "version": "0", "started": "", "uptime": 1.0, "ready": True}
    return Status(**usual, logs_dir=str(folder), **options)


def test_only_a_running_process_has_a_status(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    status.write(example(tmp_path, events_total=7))
    assert status.read(tmp_path).events_total == 7
    lock.release()
    assert status.read(tmp_path) is None  # it died; its file is still there
    assert status.read(tmp_path / "none") is None


def test_a_garbled_file_is_no_status(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    (tmp_path / status.NAME).write_bytes(b"\x00")
    assert status.read(tmp_path) is None
    lock.release()


def test_waiting_for_ready(tmp_path):
    import os

    lock = FolderLock(tmp_path)
    lock.acquire()
    status.write(example(tmp_path))
    assert status.wait_ready(tmp_path, 0.1) is None  # of another process
    mine = example(tmp_path)
    mine.pid = os.getpid()
    status.write(mine)
    assert status.wait_ready(tmp_path, 0.1)
    lock.release()
