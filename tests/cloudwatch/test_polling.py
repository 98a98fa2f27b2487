import threading
import time

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from mlids import registry
from mlids.cloudwatch import polling as module
from mlids.cloudwatch.answers import Answer, LogEvent
from mlids.cloudwatch.follower import Follower
from mlids.cloudwatch.lines import StreamLines
from mlids.cloudwatch.polling import Group, Poller
from mlids.lines.recognition import Formats


class Source:
    """A group that gives one event at each look, fails as told, or does not answer."""

    has_ids = True
    ahead_ms = 0

    def __init__(self, name):
        self.group, self.error, self.begun, self.looks = name, None, [], 0
        self.silent = threading.Event()

    def page(self, stream, start, end, token):
        self.looks += 1
        if self.silent.is_set():
            time.sleep(5)
        if self.error:
            raise self.error
        return Answer([LogEvent(end - 1, "x", 0, str(end), "a")])

    def make(self, stop, stopped):
        self.begun.append(stopped)
        made = Follower(self, (), time.time_ns() // 1_000_000 - 10)
        if stopped:
            made.restore(stopped)
        return made


def denied(code):
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "FilterLogEvents")


@pytest.fixture
def run():
    """Starts a poller on sources; gives it, the groups and what was told."""
    running = []

    def start(*sources, every_s=0.01):
        formats = Formats(["app"], lambda name: registry.plugin("formats", name)())
        groups = [Group(StreamLines(one.group, formats), one.make) for one in sources]
        told = []
        poller = Poller(groups, every_s, lambda: "eu-west-1", told.append)
        running.append(poller)
        poller.start()
        return poller, groups, told

    yield start
    for poller in running:
        poller.leave()


def until(ready, seconds=5):
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_batches_come_before_the_place_behind_them(run):
    poller, (group,), _ = run(Source("/a"))
    first, second = poller.taken(5), poller.taken(5)
    assert len(first.batch) == 1 and first.state is None and first.group is group
    assert second.batch is None and second.state.places[""].given
    assert group.closed == second.closed == second.state.places[""].closed
    assert group.state == "ok"


def test_groups_take_turns(run):
    poller, _, _ = run(Source("/a"), Source("/b"))
    names = [poller.taken(5).group.name for _ in range(12)]
    assert names == ["/a", "/a", "/b", "/b"] * 3


def test_one_that_fails_is_told_once_and_the_others_go_on(run, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.02)
    bad, good = Source("/bad"), Source("/good")
    bad.error = denied("ResourceNotFoundException")
    poller, groups, told = run(bad, good)
    while bad.looks < 5:
        assert poller.taken(5).group.name == "/good"
    assert [error.code for error in told] == ["E204"]
    assert "/bad" in told[0].message and "eu-west-1" in told[0].message
    assert (groups[0].state, groups[1].state) == ("failed", "ok")
    assert groups[0].note == told[0].message
    bad.error = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    while bad.looks < 10:
        poller.taken(5)
    assert [error.code for error in told] == ["E204", "E206"]
    assert told[1].hint == "MLIDS tries again by itself"
    bad.error = None
    while poller.taken(5).group.name != "/bad":
        pass
    until(lambda: groups[0].state == "ok" and poller.taken(1))
    assert groups[0].note == ""


def test_pauses_grow(run, monkeypatch):
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 1000)
    bad = Source("/bad")
    bad.error = denied("ThrottlingException")
    poller, (group,), _ = run(bad)
    until(lambda: group.pause == 1.0)
    for pause in (2.0, 4.0, 8.0):
        poller._fail(group, bad.error)
        assert group.pause == pause


@pytest.mark.parametrize(
    ("code", "is_renewed"), [("ExpiredTokenException", True), ("Throttling", False)]
)
def test_after_expired_credentials_others_are_looked_for(run, monkeypatch, code, is_renewed):
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.01)
    source = Source("/a")
    poller, (group,), _ = run(source)
    while poller.taken(5).state is None:
        pass
    source.error = denied(code)
    until(lambda: poller.taken(0.01) is None and group.state == "failed")
    source.error = None
    while poller.taken(5).state is None:
        pass
    first, *later = source.begun
    assert first is None
    assert bool(later) is is_renewed
    if is_renewed:
        assert later[-1].places[""].given  # it goes on where it was


def test_a_mistake_of_ours_is_logged_with_its_trace(run, monkeypatch, caplog):
    source = Source("/a")
    source.error = KeyError("mistake")
    _, (group,), told = run(source)
    until(lambda: group.state == "failed")
    assert "mistake" in told[0].message
    assert "Traceback" in caplog.text


def test_what_is_not_taken_is_not_read(run):
    source = Source("/a")
    run(source)
    time.sleep(0.3)
    assert source.looks <= module.ROOM


def test_the_rest_is_given_after_a_stop_and_no_more_is_read(run):
    source = Source("/a")
    poller, _, _ = run(source)
    poller.taken(5)
    rest = list(poller.rest(2))
    assert rest and rest[-1].state is not None
    looks = source.looks
    time.sleep(0.1)
    assert source.looks == looks


def test_an_aws_that_does_not_answer_holds_nobody_up(run):
    source = Source("/a")
    source.silent.set()
    poller, _, _ = run(source)
    until(lambda: source.looks)
    began = time.monotonic()
    assert list(poller.rest(0.2)) == []
    poller.leave()
    assert time.monotonic() - began < 0.4
