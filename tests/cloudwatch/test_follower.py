import itertools
import random
import threading
import tracemalloc

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mlids.cloudwatch import follower as module
from mlids.cloudwatch.access import Access
from mlids.cloudwatch.answers import Answer, LogEvent
from mlids.cloudwatch.follower import Follower, Following, following
from mlids.cloudwatch.reading import Stopped
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
NOW = 1_736_764_245_000
SECOND = 1000


class Group:
    """A follower of the group of a server, and all that it gave."""

    def __init__(self, server, *streams, since=NOW - 3600 * SECOND, **options) -> None:
        self.access = Access("us-east-1", endpoint_url=server.url, requests_per_second=0)
        self.told = []
        self.make = lambda: following(
            self.access, GROUP, streams, since, tell=self.told.append, **options
        )
        self.follower = self.make()
        self.got = []

    def poll(self, now):
        """What a look gives, as (time, message)."""
        found = [event for window in self.follower.poll(now) for event in window]
        self.got += found
        return [(event.timestamp, event.message) for event in found]

    def restart(self):
        """As after a crash: from the state, as it would be read from a file."""
        import msgspec

        kept = msgspec.json.encode(self.follower.state())
        self.follower = self.make()
        self.follower.restore(msgspec.json.decode(kept, type=Following))


def lines(first, count, step=SECOND, text="line"):
    return [Record(first + n * step, f"{text} {n}") for n in range(count)]


def plain(records):
    return [(one.timestamp, one.message) for one in records]


@pytest.fixture(params=["ids", "no ids"])
def faults(request):
    """With FilterLogEvents, and where only GetLogEvents is allowed."""
    return {} if request.param == "ids" else {"denied": frozenset({"FilterLogEvents"})}


def test_what_is_there_and_what_comes(server, faults):
    there = server({GROUP: {"a": lines(NOW - 100_000, 50), "b": lines(NOW - 99_500, 50)}}, **faults)
    group = Group(there)
    assert sorted(group.poll(NOW)) == sorted(plain(there.truth(GROUP)))
    assert group.poll(NOW + 500) == []
    there.add(GROUP, "a", Record(NOW + 400, "new"))
    assert group.poll(NOW + 1000) == [(NOW + 400, "new")]
    there.add(GROUP, "b", Record(NOW + 1000, "not yet"), Record(NOW + 999, "now"))
    assert group.poll(NOW + 1000) == [(NOW + 999, "now")]
    assert group.poll(NOW + 1001) == [(NOW + 1000, "not yet")]


def test_nothing_before_since(server, faults):
    there = server({GROUP: {"a": lines(NOW - 10_000, 20)}}, **faults)
    group = Group(there, since=NOW)
    assert group.poll(NOW + 100_000) == plain(there.truth(GROUP, "a", NOW))


def test_late_events_within_the_overlap(server, faults):
    there = server({GROUP: {"a": lines(NOW - 300_000, 300)}}, **faults)
    group = Group(there, overlap_ms=60_000)
    assert len(group.poll(NOW)) == 300
    there.add(GROUP, "a", Record(NOW - 60_000, "late"), Record(NOW - 60_001, "too late"))
    assert group.poll(NOW + 10) == [(NOW - 60_000, "late")]
    there.add(GROUP, "a", Record(NOW - 40_000, "late too"))
    assert group.poll(NOW + 10_000) == [(NOW - 40_000, "late too")]
    assert group.told == []


def test_equal_lines_are_all_kept_and_none_comes_twice(server, faults):
    there = server(
        {GROUP: {"a": [Record(NOW - 5, "same")] * 3, "b": [Record(NOW - 5, "same")]}}, **faults
    )
    group = Group(there)
    assert group.poll(NOW) == [(NOW - 5, "same")] * 4
    assert group.poll(NOW + 1) == []
    there.add(GROUP, "a", Record(NOW - 5, "same"), Record(NOW - 5, "other"))
    assert sorted(group.poll(NOW + 2)) == [(NOW - 5, "other"), (NOW - 5, "same")]
    group.restart()
    there.add(GROUP, "b", Record(NOW - 5, "same"))
    assert group.poll(NOW + 3) == [(NOW - 5, "same")]
    assert len(group.got) == len(there.truth(GROUP))


def test_restarts_anywhere_repeat_and_lose_nothing(server, faults):
    there = server({GROUP: {"a": []}}, **faults)
    there.add(GROUP, "a", Record(NOW - 1_000_000, "older"))
    group, chance = Group(there, overlap_ms=30_000), random.Random(7)
    for look in range(40):
        now = NOW + look * 5000
        for _ in range(chance.randrange(6)):
            late = chance.choice((0, 0, 0, 100, 7000, 24_000))
            there.add(GROUP, chance.choice("abc"), Record(now - late, f"m{chance.randrange(3)}"))
        group.poll(now + 1)
        if chance.random() < 0.3:
            group.restart()
    there_are = sorted(plain(there.truth(GROUP, None, NOW - 24_000)))
    assert sorted((one.timestamp, one.message) for one in group.got) == [
        (NOW - 1_000_000, "older"),
        *there_are,
    ]


def test_a_restart_within_a_backlog_goes_on_behind_its_last_window(server, monkeypatch):
    monkeypatch.setattr("mlids.cloudwatch.gathering.MOST_EVENTS", 100)
    there = server({GROUP: {"a": lines(NOW - 1_000_000, 1000)}}, page_events=50)
    group = Group(there)
    for number, window in enumerate(group.follower.poll(NOW)):
        group.got += window
        if number == 3:
            break
    assert 100 < len(group.got) < 900
    assert group.follower.state().places[""].given == {}  # nothing there can be late any more
    group.restart()
    group.poll(NOW)
    assert [(one.timestamp, one.message) for one in group.got] == plain(there.truth(GROUP))


def test_streams_by_name_and_pattern(server, faults):
    streams = {
        name: [Record(NOW - 9, name)] for name in ("web/1", "web/2", "db/1", "db/[$LATEST]1")
    }
    there = server({GROUP: streams}, **faults)

    def texts(*patterns):
        return sorted(text for _, text in Group(there, *patterns).poll(NOW))

    assert texts("web/*") == ["web/1", "web/2"]
    assert texts("web/1") == ["web/1"]
    assert texts("web/?", "db/1") == ["db/1", "web/1", "web/2"]
    assert texts("db/[$LATEST]*") == ["db/[$LATEST]1"]
    assert texts("nothing*") == []


def test_one_plain_name_is_asked_for_at_aws(server):
    there = server({GROUP: {"a": lines(NOW - 9000, 5), "b": lines(NOW - 9000, 5)}})
    group = Group(there, "a")
    assert len(group.poll(NOW)) == 5
    assert {tuple(call.parameters["logStreamNames"]) for call in there.calls} == {("a",)}


def test_a_filter_pattern(server):
    there = server({GROUP: {"a": [Record(NOW - 5, "ERROR x"), Record(NOW - 4, "fine")]}})
    assert Group(there, filter_pattern="ERROR").poll(NOW) == [(NOW - 5, "ERROR x")]


def test_only_streams_that_are_written_to_are_read_one_by_one(server):
    streams = {"old": lines(NOW - 3 * 86_400_000, 5), "new": lines(NOW - 9000, 5)}
    there = server({GROUP: streams}, denied=frozenset({"FilterLogEvents"}))
    group = Group(there, since=NOW - 60_000)
    assert len(group.poll(NOW)) == 5
    asked = [c.parameters["logStreamName"] for c in there.calls if c.operation == "GetLogEvents"]
    assert set(asked) == {"new"}
    assert there.count("DescribeLogStreams") == 1
    group.poll(NOW + 5000)
    assert there.count("DescribeLogStreams") == 1
    # A new stream is found at the next look, with all that is in it.
    there.add(GROUP, "later", *lines(NOW + 1000, 5, 200))
    assert group.poll(NOW + 10_000) == []
    assert len(group.poll(NOW + module.LOOK_MS)) == 5
    assert group.poll(NOW + module.LOOK_MS + 5) == []
    group.restart()
    assert group.poll(NOW + module.LOOK_MS + 10) == []


def test_where_nothing_is_allowed_the_first_denial_is_told(server):
    denied = frozenset({"FilterLogEvents", "GetLogEvents", "DescribeLogStreams"})
    group = Group(server({GROUP: {"a": lines(NOW - 9000, 5)}}, denied=denied))
    with pytest.raises(ClientError, match="FilterLogEvents"):
        group.poll(NOW)


def test_a_stream_that_is_deleted_does_not_end_it():
    class Reader:
        group, has_ids = GROUP, False
        ahead_ms = 0

        def page(self, stream, start, end, token):
            if stream is None:
                raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "FilterLogEvents")
            if stream == "gone":
                raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetLogEvents")
            return Answer([LogEvent(NOW - 5, "x", 0, "", stream)] if token is None else [], "end")

    made = Follower(Reader(), (), NOW - 10, listed=lambda since: ["gone", "a"])
    assert [e.log_stream_name for window in made.poll(NOW) for e in window] == ["a"]
    assert made.closed == NOW - 10


def test_a_gap_is_told_and_asked_for_again(server):
    there = server({GROUP: {"a": [Record(NOW - 5000, "x")] * 30}}, page_events=10, stuck_after=1)
    group = Group(there)
    first = len(group.poll(NOW))
    assert first == 10  # of one millisecond: it cannot be cut there
    assert [error.code for error in group.told] == ["E208"]
    assert GROUP in group.told[0].message and "asked for again" in group.told[0].message
    assert group.follower.closed <= NOW - 5000
    there.faults.stuck_after = None
    assert len(group.poll(NOW + 1)) == 20
    assert group.follower.closed == NOW + 1 - 120_000
    assert len(group.told) == 1


def test_a_gap_that_stays_is_given_up_in_the_end(server):
    there = server({GROUP: {"a": [Record(NOW - 500_000, "x")] * 30}}, page_events=10, stuck_after=1)
    group = Group(there)
    for look in range(module.TRIES + 2):
        group.poll(NOW + look)
    assert len(group.got) == 10
    assert "given up" in group.told[-1].message and len(group.told) == 2
    assert group.follower.closed > NOW - 130_000
    there.add(GROUP, "a", Record(NOW, "new"))
    assert group.poll(NOW + 100) == [(NOW, "new")]


STORMS = [
    {"throttle_every": 3},
    {"breaks": 0.2},
    {"repeat": 2, "repeat_chance": 0.4},
    {"empty_pages": 2},
    {"double": 0.3, "double_across": 5},
    {"outside": 5},
    {"refuse_tokens": 0.3},
    {"throttle": 0.15, "breaks": 0.1, "repeat": 1, "empty_pages": 1, "double": 0.2, "outside": 3},
]


@pytest.mark.parametrize("storm", STORMS, ids=lambda storm: " ".join(storm))
def test_in_a_storm_all_comes_once(server, storm, monkeypatch):
    impatient = Config(retries={"mode": "standard", "total_max_attempts": 5})
    monkeypatch.setattr(Access, "_config", lambda self: impatient)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    there = server({GROUP: {}}, seed=3, page_events=40, **storm)
    there.add(GROUP, "s0")
    group, chance = Group(there, since=NOW - 1000), random.Random(1)
    numbers = itertools.count()
    for look in range(8):
        now = NOW + look * 10_000
        for _ in range(60):
            late = chance.choice((1, 1, 500, 20_000)) if look > 2 else 1
            there.add(GROUP, f"s{chance.randrange(3)}", Record(now - late, f"m{next(numbers)}"))
        for _ in range(50):  # botocore gives up in the end; so may a look, and the next goes on
            try:
                group.poll(now)
                break
            except (ClientError, BotoCoreError):
                group.restart()
    group.poll(NOW + 80_000)
    wanted = [one.event_id for one in there.truth(GROUP)]
    assert sorted(event.event_id for event in group.got) == sorted(wanted)
    assert not any("given up" in error.message for error in group.told)


class Endless:
    """A group in which an event comes each millisecond; pages of it, without a server."""

    group, has_ids = GROUP, True
    ahead_ms = 0

    def __init__(self, step: int = 1) -> None:
        self.step = step

    def page(self, stream, start, end, token):
        begin = int(token or start)
        until = min(end, begin + 10_000 * self.step)
        events = [
            LogEvent(time, "x" * 100, time, str(time), "a")
            for time in range(begin, until, self.step)
        ]
        return Answer(events, str(until) if until < end else None)


def test_a_backlog_stays_within_bounds():
    tracemalloc.start()
    made, count = Follower(Endless(), (), NOW - 300_000, overlap_ms=20_000), 0
    for window in made.poll(NOW):
        count += sum(1 for _ in window)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 300_000
    assert peak < 100 << 20
    assert made.evicted == 0


def test_more_than_can_be_remembered_is_told(monkeypatch):
    told = []
    made = Follower(Endless(), (), NOW - 50_000, overlap_ms=50_000, tell=told.append)
    made._places[""].most = 10_000
    first = [event.event_id for window in made.poll(NOW) for event in window]
    again = [event.event_id for window in made.poll(NOW + 1000) for event in window]
    assert len(first) == 50_000 and len(again) == 1000
    assert not set(first) & set(again)
    assert made.evicted > 40_000
    assert made.closed > NOW - 11_000
    assert [error.code for error in told] == ["E208"] and "forgotten" in told[0].message


def test_a_stop_ends_it(server):
    there, stop = server({GROUP: {"a": lines(NOW - 9000, 5)}}), threading.Event()
    group = Group(there, stop=stop)
    group.poll(NOW)
    stop.set()
    with pytest.raises(Stopped):
        group.poll(NOW + 1000)


def test_other_streams_after_a_restart_go_on_at_the_same_time(server):
    there = server({GROUP: {"a": lines(NOW - 400_000, 400), "b": lines(NOW - 400_000, 400)}})
    group = Group(there)
    group.poll(NOW)
    named = Group(there, "b")
    named.follower.restore(group.follower.state())
    assert named.follower.closed == group.follower.closed
    assert len(named.poll(NOW)) == 120  # known by other means: the overlap comes once more


def test_places_of_streams_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "STREAMS", 10)
    names = [f"s{n}" for n in range(30)]

    class Reader(Endless):
        has_ids = False

        def page(self, stream, start, end, token):
            if stream is None:
                raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "FilterLogEvents")
            return Answer([], "end")

    turn = itertools.count()
    made = Follower(Reader(), (), NOW, listed=lambda since: names[(n := 5 * next(turn)) : n + 5])
    for look in range(5):
        assert [list(window) for window in made.poll(NOW + 1 + look * module.LOOK_MS)]
        assert len(made.state().places) <= 11
    assert "s24" in made.state().places


def test_a_clock_that_is_ahead_of_that_of_aws_loses_nothing(server, faults):
    there = server({GROUP: {"a": lines(NOW - 500_000, 3)}}, **faults)
    group = Group(there)
    group.access.ahead_ms = 180_000  # more than the overlap, and AWS still answers
    for minute in range(5):
        ours = NOW + minute * 60_000
        there.add(GROUP, "a", Record(ours - 180_000, f"at {minute}"))
        group.poll(ours)
    assert sorted((one.timestamp, one.message) for one in group.got) == plain(there.truth(GROUP))
