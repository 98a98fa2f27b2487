"""One file; whole downloads through it are in test_downloading."""

from __future__ import annotations

import os

import pytest

from mlids.cloudwatch import manifest
from mlids.cloudwatch.forms import Text
from mlids.cloudwatch.gathering import Gathered
from mlids.cloudwatch.manifest import About, Manifest
from mlids.cloudwatch.recording import Recording
from mlids.cloudwatch.windows import Window
from mlids.errors import MLIDSError
from tests.cloudwatch.pages import event

ABOUT = About("/g", "s", "r", "text")
READ_AT = 10**13


def window(start: int, end: int, *times: int, gap: str = "") -> Window:
    gathered = Gathered()
    gathered.add([event(time, f"at {time}") for time in times])
    return Window(start, end, gathered, pages=1, gap=gap)


def text(*times: int) -> str:
    return "".join(f"[1970-01-01 00:00:00] at {time}\n" for time in times)


def finish(recording: Recording, end: int = 100) -> Manifest:
    return recording.finish(end, "FilterLogEvents", "2026-01-01T00:00:00")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "x.log"


def test_only_a_whole_file_has_the_name(path):
    recording = Recording(path, ABOUT, 0, 900)
    assert recording.add(window(0, 50, 1, 2), READ_AT) == 2
    recording.save()
    assert not path.exists()
    recording.add(window(50, 100, 60), READ_AT)
    told = finish(recording)
    assert path.read_text() == text(1, 2, 60)
    assert (told.total_events, told.settled, told.end) == (3, True, 100)
    assert sorted(os.listdir(path.parent)) == ["x.log", "x.log.manifest"]
    assert path.stat().st_mode & 0o7 == 0  # not everybody's


def test_windows_that_were_saved_are_gone_on_with(path):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1, gap="why"), READ_AT)
    recording.save()
    recording.add(window(50, 70, 60), READ_AT)  # not saved
    recording.close()
    again = Recording(path, ABOUT, 0, 900)
    assert again.reached == 50
    assert [gap.reason for gap in again.manifest.gaps] == ["why"]
    again.add(window(50, 100, 60, 80), READ_AT)
    finish(again)
    assert path.read_text() == text(1, 60, 80)


def test_resuming_can_be_declined(path):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1), READ_AT)
    recording.save()
    recording.close()
    again = Recording(path, ABOUT, 0, 900, resume=False)
    assert again.reached == 0
    finish(again)
    assert path.read_text() == ""


def kept(path, upto: int) -> Manifest:
    found = manifest.read(manifest.beside(path, manifest.SUFFIX))
    assert found
    found.windows = [one for one in found.windows if one.end <= upto]
    return found


def test_a_file_is_gone_on_with_from_one_of_its_windows(path):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1), READ_AT)
    recording.add(window(50, 100, 60, 70), READ_AT)
    finish(recording)
    again = Recording(path, ABOUT, 0, 900, keep=kept(path, 50))
    assert again.reached == 50
    again.add(window(50, 200, 60, 65, 70, 150), READ_AT)
    assert path.read_text() == text(1, 60, 70)  # until it is whole
    told = finish(again, 200)
    assert path.read_text() == text(1, 60, 65, 70, 150)
    assert [one.end for one in told.windows] == [50, 200]
    assert sorted(os.listdir(path.parent)) == ["x.log", "x.log.manifest"]


def test_a_file_that_is_the_same_stays_untouched(path):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1), READ_AT)
    recording.add(window(50, 100, 60), READ_AT)
    finish(recording)
    before = path.stat()
    again = Recording(path, ABOUT, 0, 900, keep=kept(path, 50))
    again.add(window(50, 120, 60), READ_AT)
    finish(again, 120)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("damage", ["changed", "short", "gone"])
def test_a_file_that_was_changed_is_made_anew(path, damage):
    recording = Recording(path, ABOUT, 7, 900)
    recording.add(window(7, 50, 10), READ_AT)
    finish(recording)
    known = kept(path, 50)
    if damage == "changed":
        path.write_text("X" + path.read_text()[1:])
    elif damage == "short":
        path.write_text(path.read_text()[:5])
    else:
        path.unlink()
    again = Recording(path, ABOUT, 0, 900, keep=known)
    assert again.reached == 7  # where the file began
    again.add(window(7, 50, 10, 20), READ_AT)
    finish(again)
    assert path.read_text() == text(10, 20)


def test_one_process_at_a_time(path):
    recording = Recording(path, ABOUT, 0, 900)
    with pytest.raises(MLIDSError) as refused:
        Recording(path, ABOUT, 0, 900)
    assert refused.value.code == "E210"
    recording.close()
    Recording(path, ABOUT, 0, 900).close()


def test_dropped_it_leaves_nothing(path):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1), READ_AT)
    recording.save()
    recording.drop()
    assert os.listdir(path.parent) == []


def test_a_full_disk_leaves_the_name_free(path, monkeypatch):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1), READ_AT)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        finish(recording)
    assert not path.exists()


def test_only_plain_files_give_way(tmp_path):
    real = tmp_path / "real.log"
    real.write_text("mine")
    link, pipe = tmp_path / "link.log", tmp_path / "pipe.log"
    link.symlink_to(real)
    os.mkfifo(pipe)
    for suffix in ("manifest", "part", "part.manifest"):  # where others may write as well
        (tmp_path / f"{suffix}.log.{suffix}").symlink_to(real)
    names = [link, pipe, tmp_path]
    names += [tmp_path / f"{suffix}.log" for suffix in ("manifest", "part", "part.manifest")]
    before = sorted(os.listdir(tmp_path))
    for path in names:
        with pytest.raises(OSError, match=r"exists|directory|symbolic"):
            Recording(path, ABOUT, 0, 900)
    assert (sorted(os.listdir(tmp_path)), real.read_text()) == (before, "mine")


def test_windows_behind_one_that_was_read_too_soon_are_read_again(path):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1), READ_AT)
    recording.add(window(50, 70, 60), 100)  # the clock was set back for a moment
    recording.add(window(70, 90, 80), READ_AT)
    recording.save()
    recording.close()
    again = Recording(path, ABOUT, 0, 900)
    assert again.reached == 50
    again.add(window(50, 100, 60, 65, 80), READ_AT)
    assert finish(again).total_events == 4
    assert path.read_text() == text(1, 60, 65, 80)


def test_whoever_comes_next_keeps_its_part(path, monkeypatch):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1), READ_AT)
    held = []
    real = Manifest.write

    def write(self, place):
        if not held:  # the part has its name now, so that another may begin one
            held.append(None)
            held[0] = Recording(path, ABOUT, 0, 900)
        real(self, place)

    monkeypatch.setattr(Manifest, "write", write)
    finish(recording)
    held[0].add(window(0, 50, 1, 2), READ_AT)
    finish(held[0])
    assert path.read_text() == text(1, 2)


def test_what_a_killed_process_left_is_swept(path):
    path.parent.mkdir()
    for name in (
        ".x.log.part.manifest.a_bcdef8",
        ".x.log.manifest.abcdefgh",
        ".y.log.manifest.abcdefgh",
    ):
        (path.parent / name).touch()
    finish(Recording(path, ABOUT, 0, 900))
    assert sorted(os.listdir(path.parent)) == [
        ".y.log.manifest.abcdefgh",
        "x.log",
        "x.log.manifest",
    ]


def test_a_full_disk_does_not_hinder_the_closing(path):
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(window(0, 50, 1), READ_AT)
    with open("/dev/full", "r+b") as full:
        os.dup2(full.fileno(), recording._file.fileno())
    with pytest.raises(OSError, match="No space"):
        recording.save()
    recording.close()
    assert recording._file.closed


def test_large_messages_are_written_a_few_at_a_time(path, monkeypatch):
    sizes = []
    real = Text.lines
    monkeypatch.setattr(
        Text, "lines", lambda self, some, first: sizes.append(len(some)) or real(self, some, first)
    )
    gathered = Gathered()
    gathered.add([event(n, "x" * 256_000) for n in range(20)])
    gathered.add([event(n, "y") for n in range(20, 5000)])
    recording = Recording(path, ABOUT, 0, 900)
    recording.add(Window(0, 9000, gathered), READ_AT)
    finish(recording)
    assert max(sizes[:3]) <= 5
    assert max(sizes) <= 2000
    assert sum(sizes) == 5000
    assert path.read_bytes().count(b"\n") == 5000
