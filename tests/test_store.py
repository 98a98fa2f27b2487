import os
import random
import shutil
import subprocess
import sys
import threading
import time

import pytest

from mlids import segments
from mlids.archive import Archive
from mlids.errors import MLIDSError
from mlids.events import Event
from mlids.locking import holder
from mlids.proofs import bare
from mlids.store import EventStore
from mlids.testing import event


@pytest.fixture
def store(tmp_path):
    made = EventStore(tmp_path / "logs", compression="none")
    yield made
    made.close()


def numbers(store):
    return [found.details["n"] for found in Archive(store.folder, complete=False).search()]


def fill(store, count, **keys):
    tickets = [
        store.append(event(details={"n": n}, seconds=n, **keys).encoded()) for n in range(count)
    ]
    store.flush()
    return tickets


def test_what_was_appended_is_read_in_order(store):
    fill(store, 1000)
    assert numbers(store) == list(range(1000))


def test_wait_returns_when_the_record_is_on_the_disk(store):
    ticket = store.append(b'{"a": 1}')
    assert store.wait(ticket, 5)
    assert bare((store.folder / segments.OPEN).read_bytes()) == b'{"a": 1}'
    assert not store.wait(ticket + 1, 0.01)


def test_rotation_never_splits_a_record(tmp_path):
    store = EventStore(tmp_path, max_size=4096, compression="zstd")
    fill(store, 500)
    store.append(event(details={"n": 500, "long": "x" * 10_000}).encoded())
    store.flush()
    store.close()
    plain = [p for p in segments.files(tmp_path) if p.suffix == ".jsonl"]
    assert all(p.read_bytes().endswith(b"\n") for p in plain)
    assert sum(p.stat().st_size > 4096 for p in plain) <= 1
    assert len(segments.files(tmp_path)) > 20
    assert numbers(EventStore(tmp_path)) == list(range(501))


def test_records_that_are_no_events_are_passed_over(store):
    fill(store, 2)
    store.append(b"garbage")
    fill(store, 1)
    assert numbers(store) == [0, 1, 0]


def test_a_torn_record_is_cut_off_at_the_next_start(store):
    fill(store, 3)
    store.close()
    with (store.folder / segments.OPEN).open("ab") as file:
        file.write(b'{"timestamp": "2025-')
    fill(store, 1)
    assert numbers(store) == [0, 1, 2, 0]


def test_every_truncation_of_the_last_segment_keeps_the_records_before(tmp_path):
    whole = b"".join(event(details={"n": n}).encoded() + b"\n" for n in range(3))
    path = tmp_path / segments.OPEN
    for size in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:size])
        store = EventStore(tmp_path)
        store.open()
        store.close()
        assert numbers(store) == list(range(whole[:size].count(b"\n")))


def test_a_garbled_suffix_never_hides_what_is_before_it(tmp_path):
    rng = random.Random(1)
    whole = b"".join(event(details={"n": n}).encoded() + b"\n" for n in range(5))
    keep = sum(len(line) + 1 for line in whole.split(b"\n")[:2])
    for _ in range(100):
        (tmp_path / segments.OPEN).write_bytes(whole[:keep] + rng.randbytes(rng.randrange(300)))
        store = EventStore(tmp_path)
        store.wait(store.append(event(details={"n": 99}).encoded()), 5)
        store.close()
        found = numbers(store)
        assert found[:2] == [0, 1]
        assert found[-1] == 99


def test_a_second_writer_is_refused_and_a_reader_is_not(store):
    fill(store, 1)
    other = EventStore(store.folder)
    with pytest.raises(MLIDSError) as caught:
        other.append(b"{}")
    assert caught.value.code == "E006"
    assert numbers(other) == [0]


class FullDisk:
    """Stands in for `os.write`: takes half of what comes, then says that the disk is full."""

    def __init__(self, monkeypatch):
        self.full = False
        self.write = os.write
        monkeypatch.setattr("mlids.store.os.write", self)

    def __call__(self, handle, data):
        if not self.full:
            return self.write(handle, data)
        self.write(handle, bytes(data[: len(data) // 2]))
        raise OSError(28, "No space left on device")


def test_a_full_disk_loses_nothing_that_was_logged_and_is_told_once(tmp_path, monkeypatch):
    told = []
    store = EventStore(tmp_path, tell=told.append)
    disk = FullDisk(monkeypatch)
    fill(store, 10)
    disk.full = True
    tickets = [store.append(event(details={"n": n}).encoded()) for n in range(10, 20)]
    assert not store.wait(tickets[-1], 1.3)
    assert numbers(EventStore(tmp_path)) == list(range(10))
    assert (tmp_path / segments.OPEN).read_bytes().endswith(b"\n")
    disk.full = False
    assert store.wait(tickets[-1], 5)
    store.close()
    assert numbers(store) == list(range(20))
    assert [error.code for error in told] == ["E106"]


def test_a_full_disk_does_not_stop_those_who_append(tmp_path, monkeypatch):
    store = EventStore(tmp_path, pending_bytes=2000, tell=lambda error: None)
    disk = FullDisk(monkeypatch)
    fill(store, 1)
    disk.full = True
    began = time.monotonic()
    for n in range(1, 500):
        store.append(event(details={"n": n}).encoded())
        if n == 20:
            time.sleep(0.1)  # the writer meets the full disk
    assert time.monotonic() - began < 3
    assert store.dropped > 400
    store.close()


def test_appending_waits_for_a_disk_that_is_only_slow(tmp_path, monkeypatch):
    sync = os.fdatasync
    monkeypatch.setattr("mlids.store.os.fdatasync", lambda h: (time.sleep(0.02), sync(h)))
    store = EventStore(tmp_path, pending_bytes=5000)
    fill(store, 300)
    store.close()
    assert store.dropped == 0
    assert numbers(store) == list(range(300))


def test_many_threads_lose_nothing(store):
    def work(base):
        for n in range(300):
            store.append(event(details={"n": base + n}).encoded())

    threads = [threading.Thread(target=work, args=(base,)) for base in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.flush()
    found = numbers(store)
    assert sorted(found) == [base + n for base in (0, 1000, 2000) for n in range(300)]
    assert [n for n in found if n < 1000] == list(range(300))


KILLED = """
import sys
from mlids.proofs import bare
from mlids.store import EventStore
from mlids.testing import event
store = EventStore(sys.argv[1], max_size=20000)
n = int(sys.argv[2])
while True:
    tickets = [store.append(event(details={"n": n + i}).encoded()) for i in range(50)]
    store.wait(tickets[-1])
    n += 50
    print(n, flush=True)
"""


def test_an_acknowledged_record_survives_kill_9(tmp_path):
    acknowledged = 0
    rng = random.Random(2)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path), str(acknowledged)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(rng.random() * 0.1)
        process.kill()
        lines = process.stdout.read().split()
        process.wait()
        acknowledged = int(lines[-1]) if lines else acknowledged + 50
        found = numbers(EventStore(tmp_path))
        assert set(range(acknowledged)) <= set(found)
        acknowledged = max(found) + 1
    lines = [line for path in segments.files(tmp_path) for line in segments.lines(path)]
    assert all(Event.decode(line) for line in lines)


@pytest.mark.parametrize("what", ["folder", "file", "lock"])
def test_what_is_removed_while_it_runs_is_begun_anew(tmp_path, what):
    told = []
    store = EventStore(tmp_path / "logs", compression="none", tell=told.append)
    fill(store, 3)
    if what == "folder":
        shutil.rmtree(store.folder)
    else:
        (store.folder / {"file": "mlids.jsonl", "lock": "mlids.lock"}[what]).unlink()
    fill(store, 2)
    assert numbers(store) == [*(range(3) if what == "lock" else []), *range(2)]
    assert [error.code for error in told] == ["E106"]
    assert holder(store.folder) == os.getpid()
    store.close()


def test_an_idle_store_notices_that_its_folder_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr("mlids.store.LOOK_S", 0.02)
    store = EventStore(tmp_path / "logs", tell=lambda error: None)
    fill(store, 1)
    shutil.rmtree(store.folder)
    deadline = time.monotonic() + 10
    while holder(store.folder) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    store.close()


def test_a_folder_that_somebody_else_took_meanwhile_is_not_written(tmp_path):
    told = []
    store = EventStore(tmp_path / "logs", compression="none", tell=told.append)
    fill(store, 1)
    shutil.rmtree(store.folder)
    code = (
        "import sys, pathlib; from mlids.locking import FolderLock;"
        "FolderLock(pathlib.Path(sys.argv[1])).acquire(); print('has it', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(store.folder)]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as other:
        other.stdout.readline()
        ticket = store.append(event(details={"n": 7}).encoded())
        assert not store.wait(ticket, 0.3)
        assert "E006" in [error.code for error in told]
        other.communicate(b"\n")
    assert store.wait(ticket, 10)
    assert numbers(store) == [7]
    store.close()
