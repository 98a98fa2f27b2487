import json
import os
import stat

import pytest

from mlids.cloudwatch import bookmarks as module
from mlids.cloudwatch.bookmarks import Bookmarks
from mlids.cloudwatch.follower import Following
from mlids.cloudwatch.places import Reached

GROUP = "/ecs/app"


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def at(closed):
    return Following(5, {"": Reached(closed, {closed // 1000: bytes(16)})})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "cloudwatch.json"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def marks(path, clock):
    made = Bookmarks(str(path), clock)
    made.begin([GROUP], 1000)
    clock.now += module.EVERY_S
    return made


def kept(path, since=9, groups=(GROUP,)):
    return Bookmarks(str(path)).begin(groups, since)


def test_the_begin_is_kept_at_once(path, marks):
    assert path.exists()
    assert kept(path)[GROUP] == Following(1000)


def test_only_what_is_delivered_is_kept(path, marks, clock):
    for number in (1, 2, 3):
        marks.note(number, GROUP, at(number * 10_000))
    marks.delivered(2)
    assert kept(path)[GROUP] == at(20_000)
    clock.now += module.EVERY_S
    marks.delivered(3)
    assert kept(path)[GROUP] == at(30_000)


def test_it_is_written_seldom_and_at_the_end(path, marks, clock):
    marks.note(1, GROUP, at(10_000))
    marks.delivered(1)
    written = path.stat().st_mtime_ns
    marks.note(2, GROUP, at(20_000))
    clock.now += module.EVERY_S / 2
    marks.delivered(2)
    assert path.stat().st_mtime_ns == written
    marks.write()
    assert kept(path)[GROUP] == at(20_000)
    inode = path.stat().st_ino
    marks.write()
    clock.now += module.EVERY_S
    marks.delivered(2)
    assert path.stat().st_ino == inode  # there was nothing new


def test_other_groups_begin_anew_and_those_that_are_gone_go(path, marks):
    marks.note(1, GROUP, at(10_000))
    marks.delivered(1)
    found = kept(path, 77, [GROUP, "/new"])
    assert found == {GROUP: at(10_000), "/new": Following(77)}
    kept(path, 78, ["/new"])
    assert set(json.loads(path.read_bytes())["groups"]) == {"/new"}


def test_places_that_wait_are_bounded(marks):
    for number in range(0, 2000, 2):  # two groups that take turns
        marks.note(number, GROUP, at(number * 1000))
        marks.note(number + 1, "/other", at(number * 1000))
    assert max(map(len, marks._waiting.values())) <= module.WAITING
    marks.delivered(10_000)
    assert {name: one.places[""].closed > 1_950_000 for name, one in marks._kept.items()} == {
        GROUP: True,
        "/other": True,
    }
    assert not any(marks._waiting.values())


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"version": 99, "groups": {}}', b'{"version": 1, "groups": []}']
)
def test_damage_begins_anew_and_is_told(path, marks, damage, caplog):
    path.write_bytes(damage)
    assert kept(path, 44)[GROUP] == Following(44)
    assert "begin anew" in caplog.text
    assert kept(path, 55)[GROUP] == Following(44)


def test_in_memory_places_last_as_long_as_it(clock):
    marks = Bookmarks(None, clock)
    marks.begin([GROUP], 1)
    marks.note(1, GROUP, at(10_000))
    marks.delivered(1)
    assert marks.begin([GROUP], 2) == {GROUP: at(10_000)}


def test_a_file_that_cannot_be_written_raises_and_is_tried_again(path, marks, clock):
    folder = path.parent
    path.unlink()
    folder.rmdir()
    folder.write_text("in the way")
    marks.note(1, GROUP, at(10_000))
    with pytest.raises(OSError):
        marks.delivered(1)
    folder.unlink()
    clock.now += module.EVERY_S
    marks.delivered(1)
    assert kept(path)[GROUP] == at(10_000)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
