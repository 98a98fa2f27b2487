import os
import shutil
import threading
import time

import pytest

from mlids.errors import MLIDSError
from mlids.monitors.files import Files


class Watch:
    """A monitor running in a thread, and the changes it yielded."""

    def __init__(self, paths, **options):
        self.told = []
        self.monitor = Files(paths=[str(path) for path in paths], settle_seconds=0.05, **options)
        self.monitor.tell = self.told.append
        self.changes = []
        self.batches = 0
        self.learned = threading.Event()
        self.stop = threading.Event()
        self.monitor.open()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        assert self.learned.wait(10)

    def run(self):
        for batch in self.monitor.batches(self.stop):
            assert batch.now > 0
            self.batches += 1
            self.changes += batch.changes
            self.learned.set()

    def until(self, ready, seconds=10):
        deadline = time.monotonic() + seconds
        while not ready(self.changes):
            assert time.monotonic() < deadline, self.changes
            time.sleep(0.01)
        return [(change.what, os.path.basename(change.path)) for change in self.changes]

    def settle(self):
        """Wait for a change that is made last: whatever came before it has been seen then."""
        mark = self.root / f"mark-{len(self.changes)}"
        mark.write_text("x")
        self.until(lambda changes: any(c.path == str(mark) for c in changes))
        return [(c.what, os.path.basename(c.path)) for c in self.changes if "mark-" not in c.path]

    @property
    def root(self):
        from pathlib import Path

        return Path(self.monitor.tree.roots[0])

    def close(self):
        self.stop.set()
        self.thread.join(5)
        self.monitor.close()
        assert not self.thread.is_alive()


@pytest.fixture
def watch(tmp_path):
    made = []

    def start(*paths, **options):
        made.append(Watch(paths or [tmp_path], **options))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_create_modify_delete_with_hashes_before_and_after(watch, tmp_path):
    (tmp_path / "old").write_text("one")
    seen = watch()
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("two")
    seen.until(lambda changes: len(changes) >= 2)
    (tmp_path / "new").unlink()
    seen.until(lambda changes: len(changes) >= 3)
    found = {(c.what, os.path.basename(c.path)): c for c in seen.changes}
    assert set(found) == {("created", "new"), ("modified", "old"), ("deleted", "new")}
    changed = found["modified", "old"]
    assert changed.before.sha256 != changed.after.sha256
    assert len(changed.before.sha256) == len(changed.after.sha256) == 64
    assert found["deleted", "new"].before.sha256 == found["created", "new"].after.sha256


def test_what_was_there_at_the_start_is_no_change(watch, tmp_path):
    (tmp_path / "old").write_text("one")
    assert watch().settle() == []


def test_a_touched_file_with_the_same_bytes_is_no_change(watch, tmp_path):
    (tmp_path / "old").write_text("one")
    seen = watch()
    os.utime(tmp_path / "old")
    (tmp_path / "old").write_text("one")
    assert seen.settle() == []


def test_a_mode_is_a_change(watch, tmp_path):
    (tmp_path / "old").write_text("one")
    seen = watch()
    (tmp_path / "old").chmod(0o777)
    seen.until(lambda changes: changes)
    assert seen.changes[0].before.mode != seen.changes[0].after.mode


def test_an_editor_that_writes_beside_and_renames_is_one_change(watch, tmp_path):
    (tmp_path / "config").write_text("one")
    seen = watch()
    (tmp_path / "config.tmp").write_text("two")
    (tmp_path / "config.tmp").rename(tmp_path / "config")
    assert seen.settle() == [("modified", "config")]


def test_a_file_that_was_there_for_a_moment_is_told(watch, tmp_path):
    seen = watch()
    (tmp_path / "dropper").write_text("x")
    (tmp_path / "dropper").unlink()
    assert seen.settle() == [("created", "dropper"), ("deleted", "dropper")]


def test_new_and_moved_folders_are_looked_into(watch, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    (outside / "in").mkdir(parents=True)
    (outside / "in" / "moved").write_text("x")
    seen = watch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "deep").write_text("x")
    (outside / "in").rename(tmp_path / "in")
    seen.until(lambda changes: len(changes) >= 2)
    assert sorted(seen.settle()) == [("created", "deep"), ("created", "moved")]
    (tmp_path / "in").rename(outside / "out")
    seen.until(lambda changes: any(c.what == "deleted" for c in changes))
    assert ("deleted", "moved") in seen.settle()


def test_excluded_and_own_files_make_no_changes(watch, tmp_path):
    for name in (".git", ".venv", "__pycache__", "logs"):
        (tmp_path / name).mkdir()
    seen = watch(own=[str(tmp_path / "logs")])
    for name in (".git/x", ".venv/x", "__pycache__/x", "logs/mlids.jsonl", "a.swp"):
        (tmp_path / name).write_text("x")
    assert seen.settle() == []


def test_growing_logs_are_no_changes_and_truncated_ones_are(watch, tmp_path):
    log = tmp_path / "app.log"
    log.write_text("one\n")
    seen = watch()
    with log.open("a") as file:
        file.write("two\n")
    assert seen.settle() == []
    log.write_text("")
    assert seen.settle() == [("modified", "app.log")]


def test_a_rescan_finds_what_no_notification_told(watch, tmp_path):
    seen = watch(rescan_seconds=1)
    seen.monitor._observer.unschedule_all()
    (tmp_path / "silent").write_text("x")
    assert seen.until(lambda changes: changes, 8) == [("created", "silent")]


def test_a_burst_is_found_completely(watch, tmp_path):
    seen = watch()
    for n in range(3000):
        (tmp_path / f"f{n}").write_text("x")
    seen.until(lambda changes: len({c.path for c in changes}) >= 3000, 30)
    assert {c.what for c in seen.changes} == {"created"}
    assert len(seen.changes) == 3000


def test_it_beats_while_nothing_happens(watch):
    seen = watch()
    before = seen.batches
    seen.until(lambda _: seen.batches >= before + 2, 5)
    assert seen.changes == []


def test_missing_paths_are_told(tmp_path):
    monitor = Files(paths=[str(tmp_path / "none"), str(tmp_path)])
    told = []
    monitor.tell = told.append
    monitor.open()
    monitor.close()
    assert [error.code for error in told] == ["E007"]
    assert [one.state for one in monitor.inputs()] == ["waiting", "ok"]
    with pytest.raises(MLIDSError) as caught:
        Files(paths=[str(tmp_path / "none")]).open()
    assert caught.value.code == "E007"


def test_a_system_that_gives_no_notifications_is_compared_by_rescans(tmp_path, monkeypatch):
    from watchdog.observers.api import BaseObserver

    def refuse(self):
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(BaseObserver, "start", refuse)
    seen = Watch([tmp_path], rescan_seconds=1)
    try:
        assert [error.code for error in seen.told] == ["E102"]
        assert "max_user_watches" in seen.told[0].hint
        (tmp_path / "new").write_text("x")
        assert seen.until(lambda changes: changes, 8) == [("created", "new")]
    finally:
        seen.close()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_root_that_is_deleted_and_made_anew_is_watched_again(tmp_path, kind):
    root = tmp_path / "root"
    inner = root / "page" if kind == "folder" else root
    (tmp_path / "other").mkdir()
    if kind == "folder":
        root.mkdir()
    inner.write_text("one")
    watch = Watch([root, tmp_path / "other"])
    try:
        for text in ("two", "three"):
            done = len(watch.changes)
            shutil.rmtree(root) if kind == "folder" else root.unlink()
            watch.until(lambda changes, n=done: len(changes) > n)
            if kind == "folder":
                root.mkdir()
            inner.write_text(text)
            names = watch.until(lambda changes, n=done: len(changes) > n + 1)
            assert names[done:] == [("deleted", inner.name), ("created", inner.name)]
            time.sleep(0.1)
            inner.write_text(text * 2)
            names = watch.until(lambda changes, n=done: len(changes) > n + 2)
            assert names[-1] == ("modified", inner.name)
    finally:
        watch.close()


def test_a_root_that_is_not_there_is_watched_once_it_comes(tmp_path):
    (tmp_path / "here").mkdir()
    watch = Watch([tmp_path / "later", tmp_path / "here"])
    try:
        assert [error.code for error in watch.told] == ["E007"]
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "page").write_text("x")
        watch.until(lambda changes: any(c.path.endswith("page") for c in changes))
    finally:
        watch.close()


def test_a_change_while_the_tree_is_learnt_is_told(watch, tmp_path, monkeypatch):
    (tmp_path / "old").write_text("one")

    def learn(self, stop):
        (tmp_path / "old").write_text("two")
        (tmp_path / "new").write_text("x")
        deadline = time.monotonic() + 5
        while self._told.qsize() < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        return original(self, stop)

    original = Files._learn
    monkeypatch.setattr(Files, "_learn", learn)
    seen = watch()
    seen.until(lambda changes: len(changes) >= 2)
    assert sorted((c.what, os.path.basename(c.path)) for c in seen.changes) == [
        ("created", "new"),
        ("modified", "old"),
    ]
    assert seen.changes[0].before is None
