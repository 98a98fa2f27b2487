import pytest

from mlids.moments import format_time
from mlids.suppression.book import Book
from mlids.suppression.entries import DAY_NS, Suppression
from mlids.suppression.stage import TELL_NS, Suppressing, hits
from mlids.suppression.thresholding import Thresholding
from mlids.testing import START_NS, event


class Clock:
    now = START_NS

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


def entry(id="0f8e2d11", **keys):
    usual = {
        "created": format_time(START_NS),
        "until": format_time(START_NS + DAY_NS),
        "by": "eve",
        "reason": "a test",
    }
    return Suppression(id=id, **{**usual, "ip": "192.0.2.7", **keys})


def made(folder, clock, told=None):
    return Suppressing(folder, clock=clock, tell=(told if told is not None else []).append)


def changes(stage):
    return [(one.details["metadata"]["change"], one.details["user"]) for one in stage.refresh()]


def test_changes_of_the_book_hold_and_are_recorded_once_with_who_made_them(tmp_path, book, clock):
    stage = made(tmp_path, clock)
    assert not stage.keeps_back(event()) and changes(stage) == []
    book.add(entry())
    assert changes(stage) == [("added", "eve")] and changes(stage) == []
    assert stage.keeps_back(event())
    book.remove("0f8e2d11", "bob", START_NS)
    assert changes(stage) == [("removed", "bob")]
    assert not stage.keeps_back(event())
    book.add(entry("1f8e2d11"))
    assert changes(stage) == [("added", "eve")]
    clock.now += DAY_NS
    assert not stage.keeps_back(event())
    assert changes(stage) == [("expired", "eve")] and changes(stage) == []


def test_what_was_recorded_is_known_after_a_restart_and_what_was_missed_is_made_good(
    tmp_path, book, clock
):
    stage = made(tmp_path, clock)
    book.add(entry())
    stage.refresh()
    stage.keeps_back(event())
    stage.write(stage.saved())
    book.add(entry("1f8e2d11"))
    book.remove("1f8e2d11", "bob", START_NS)
    after = made(tmp_path, clock)
    after.restore()
    assert after.keeps_back(event())
    assert changes(after) == [("added", "eve"), ("removed", "bob")]
    assert hits(tmp_path)["0f8e2d11"].count == 1
    (told,) = after.account(ending=True)
    assert told.details["suppressed"] == 2


def test_a_broken_book_is_told_and_the_last_good_list_holds(tmp_path, book, clock):
    told = []
    stage = made(tmp_path, clock, told)
    book.add(entry())
    stage.refresh()
    stage.write(stage.saved())
    book.path.write_text("{")
    assert stage.refresh() == [] and stage.refresh() == []
    assert [error.code for error in told] == ["E002"]
    assert "last good list" in told[0].hint
    assert stage.keeps_back(event())
    after = made(tmp_path, clock, told)
    after.restore()
    after.refresh()
    assert after.keeps_back(event())


def test_the_account_is_told_once_an_hour_and_at_the_end(tmp_path, book, clock):
    stage = made(tmp_path, clock)
    book.add(entry())
    stage.refresh()
    assert stage.account() == [] and stage.account(ending=True) == []
    stage.keeps_back(event())
    assert len(stage.account()) == 1
    stage.keeps_back(event())
    assert stage.account() == []
    clock.now += TELL_NS
    assert len(stage.account()) == 1
    stage.keeps_back(event())
    assert len(stage.account(ending=True)) == 1
    assert stage.metrics.get("suppressed_total") == 3
    assert stage.metrics.get("suppressed{suppression=0f8e2d11}") == 3


def test_what_the_thresholds_hold_back_is_counted_likewise(tmp_path, clock):
    stage = made(tmp_path, clock)
    stage.equip([Thresholding(type="Failed*", count=2)])
    assert [stage.keeps_back(event(seconds=n)) for n in range(4)] == [False, False, True, True]
    stage.equip([Thresholding(type="Failed*", count=2)])
    assert stage.keeps_back(event(seconds=5))
    (told,) = stage.account(ending=True)
    assert told.details["metadata"]["lines"][0]["suppression"].startswith("limit 2 in 3600 s")
    assert told.details["suppressed"] == 3


def test_a_broken_state_begins_anew_with_a_word(tmp_path, clock, caplog):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "suppression.msgpack").write_bytes(b"\xc1")
    stage = made(tmp_path, clock)
    stage.restore()
    assert "not readable" in caplog.text
    assert not stage.keeps_back(event())
