"""Runs of `sync` over a group that changes between them."""

from __future__ import annotations

import json
import os
import random

import msgspec
import pytest

from mlids.cloudwatch import CloudWatchLogsExtractor, gathering
from mlids.cloudwatch import syncing as module
from mlids.cloudwatch.periods import formatted
from mlids.cloudwatch.syncing import Sync
from mlids.errors import MLIDSError
from mlids.locking import FolderLock
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
DAY, MINUTE = 86_400_000, 60_000
NOON = 20_000 * DAY + DAY // 2


@pytest.fixture
def clock(monkeypatch):
    """The time that syncs see, and the retention that the group has."""
    held = {"now": NOON}
    monkeypatch.setattr(module, "now_ms", lambda: held["now"])
    return held


@pytest.fixture
def made(server, tmp_path, monkeypatch, clock):
    """A server, and runs over it."""
    monkeypatch.chdir(tmp_path)

    def start(streams: dict[str, list[Record]], **faults):
        running = server({GROUP: streams}, **faults)

        def run(*patterns, folder="held", late_s=900.0, **options):
            extractor = CloudWatchLogsExtractor(
                "us-east-1", GROUP, endpoint_url=running.url, requests_per_second=0, late_s=late_s
            )
            return Sync(extractor, tmp_path / folder, patterns, **options).run()

        return running, run

    return start


def record(ago_minutes: float, text: str = "", now: int = NOON) -> Record:
    at = now - int(ago_minutes * MINUTE)
    return Record(at, text or f"at {at}")


def lines(folder) -> dict[str, list[str]]:
    """By stream folder all lines of its files."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*/*.log")):
        found.setdefault(path.parent.name, []).extend(path.read_text().splitlines())
    return found


def truth(server, stream: str) -> list[str]:
    return [f"[{formatted(r.timestamp)}] {r.message}" for r in server.truth(GROUP, stream)]


def test_all_streams_and_then_what_is_new(made, tmp_path, clock):
    server, run = made({"a": [record(3000), record(5)], "b": [record(7)]})
    first = run()
    assert (first.exit_status, first.complete) == (0, True)
    assert (first.streams, first.asked, first.new_events, len(first.files)) == (2, 2, 3, 3)
    clock["now"] += 10 * MINUTE
    server.add(GROUP, "a", record(-5))
    server.add(GROUP, "c", record(-6))
    second = run()
    assert (second.streams, second.new_events) == (3, 2)
    assert {one.file.split("/")[-2] for one in second.files} == {"a", "c"}
    held = lines(tmp_path / "held")
    assert held == {name: truth(server, name) for name in "abc"}
    third = run()
    assert (third.new_events, third.files, third.exit_status) == (0, [], 0)


def test_late_events_stand_where_they_belong(made, tmp_path, clock):
    server, run = made({"a": [record(60), record(14), record(1)]})
    run()
    clock["now"] += 5 * MINUTE
    server.add(GROUP, "a", record(10, "late"))
    assert run().new_events == 1
    assert lines(tmp_path / "held")["a"] == truth(server, "a")
    server.add(GROUP, "a", record(600, "much too late"))
    assert run().new_events == 0
    assert run(late_s=86_400).new_events == 1  # what a longer overlap is for
    assert lines(tmp_path / "held")["a"] == truth(server, "a")


def test_many_runs_give_the_same_files_as_one(made, tmp_path, clock):
    chance = random.Random(4)
    server, run = made({"a": [], "b": []}, page_events=13, double=0.2, shuffle=True)
    clock["now"] = NOON - DAY
    while clock["now"] < NOON:
        for stream in "ab":
            ago = [chance.uniform(0.0, 14.0) for _ in range(chance.randrange(9))]
            server.add(GROUP, stream, *(record(one, now=clock["now"]) for one in ago))
        run(folder="often")
        clock["now"] += 47 * MINUTE
    run(folder="often")
    run(folder="once")
    often, once = tmp_path / "often", tmp_path / "once"
    names = sorted(str(path.relative_to(often)) for path in often.glob("*/*.log"))
    assert names == sorted(str(path.relative_to(once)) for path in once.glob("*/*.log"))
    assert len(names) == 4
    for name in names:
        assert (often / name).read_bytes() == (once / name).read_bytes(), name
    assert lines(once) == {name: truth(server, name) for name in "ab"}


def test_without_ids_equal_lines_are_kept_over_runs(made, tmp_path, clock):
    same = [record(1 + n // 3, "same") for n in range(30)]
    server, run = made({"a": same}, denied=frozenset({"FilterLogEvents"}))
    run()
    clock["now"] += MINUTE
    server.add(GROUP, "a", *(record(3, "same") for _ in range(2)))
    assert run().new_events == 2
    assert lines(tmp_path / "held")["a"] == truth(server, "a")


def test_patterns_and_where_new_streams_begin(made, tmp_path):
    _server, run = made({"web/1": [record(100), record(3)], "db/1": [record(1)]})
    outcome = run("web/*", first=NOON - 50 * MINUTE, form="jsonl")
    assert (outcome.streams, outcome.new_events) == (1, 1)
    (path,) = (tmp_path / "held").glob("*/*.jsonl")
    (line,) = path.read_text().splitlines()
    event = json.loads(line)
    assert (event["timestamp"], event["logStreamName"]) == (NOON - 3 * MINUTE, "web/1")
    assert event["eventId"]


def test_one_stream_that_fails_does_not_hinder_the_others(made, tmp_path, clock, monkeypatch):
    _server, run = made({"a": [record(5)], "b": [record(5)]})
    real = module.Sync._read

    def read(self, name, files, end):
        if name == "a":
            raise OSError(28, "No space left on device")
        return real(self, name, files, end)

    monkeypatch.setattr(module.Sync, "_read", read)
    outcome = run()
    assert [(one.log_stream_name, one.code) for one in outcome.failures] == [("a", "E106")]
    assert (outcome.exit_status, outcome.complete) == (3, False)
    assert list(lines(tmp_path / "held")) == ["b"]
    monkeypatch.setattr(module.Sync, "_read", real)
    assert (run().new_events, run().exit_status) == (1, 0)


def test_what_could_not_be_had_is_asked_for_by_the_next_run(made, tmp_path, clock):
    flood = [record(30, str(n)) for n in range(9)]  # in one ms: there is no way round
    server, run = made({"a": [record(60), *flood, record(1)]}, page_events=4, stuck_after=1)
    outcome = run()
    (gap,) = outcome.gaps
    assert (gap.log_stream_name, gap.reason) == ("a", "AWS repeats a token")
    assert (outcome.exit_status, outcome.complete) == (1, False)
    server.faults.stuck_after = None
    clock["now"] += MINUTE
    assert run().exit_status == 0
    assert lines(tmp_path / "held")["a"] == truth(server, "a")


def test_an_interrupted_first_run_goes_on_by_the_day(made, tmp_path, monkeypatch, clock):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 10)
    monkeypatch.setattr("mlids.cloudwatch.checkpoint.SAVE_S", -1)
    server, run = made({"a": [record(n * 60 + 1) for n in range(240)]}, page_events=5)
    real = module.windows

    def cut(*asked):
        for number, window in enumerate(real(*asked)):
            if number == 15:
                raise KeyboardInterrupt
            yield window

    monkeypatch.setattr(module, "windows", cut)
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.setattr(module, "windows", real)
    before = len(server.calls)
    assert run().exit_status == 0
    assert len(server.calls) - before < 50  # of 80 and more
    assert lines(tmp_path / "held")["a"] == truth(server, "a")
    assert not [name for name in os.listdir(tmp_path / "held/a") if "part" in name]


def test_two_at_once_is_one_too_many(made, tmp_path):
    _, run = made({"a": [record(1)]})
    other = FolderLock(tmp_path / "held" / ".sync")
    other.acquire()
    with pytest.raises(MLIDSError) as refused:
        run()
    assert (refused.value.code, refused.value.exit_status) == ("E210", 75)
    other.release()
    assert run().exit_status == 0


def test_gone_by_retention_between_runs_is_a_gap(made, tmp_path, clock, monkeypatch):
    server, run = made({"a": [record(5)]})
    monkeypatch.setattr(
        CloudWatchLogsExtractor, "get_log_group_info", lambda self: {"retentionInDays": 3}
    )
    assert run().gaps == []
    clock["now"] += 10 * DAY
    server.add(GROUP, "a", record(-9.5 * 24 * 60))
    outcome = run()
    (gap,) = outcome.gaps
    assert (gap.start, outcome.exit_status) == (NOON, 1)
    assert "did not keep" in gap.reason
    assert lines(tmp_path / "held")["a"] == truth(server, "a")
    clock["now"] += MINUTE
    assert run().exit_status == 0  # told once


def test_streams_that_have_long_been_silent_are_not_asked(made, clock):
    server, run = made({"old": [record(3 * 24 * 60)], "new": [record(1)]})
    assert run().asked == 2
    clock["now"] += 2 * DAY
    assert run().asked == 1
    asked = [call for call in server.calls if call.operation == "FilterLogEvents"]
    assert asked[-1].parameters["logStreamNames"] == ["new"]


def test_a_folder_is_for_one_group_and_form(made, tmp_path):
    _, run = made({"a": [record(1)]})
    run()
    with pytest.raises(MLIDSError, match="is kept for text, not for jsonl"):
        run(form="jsonl")


def test_names_cannot_lead_outside_nor_meet(made, tmp_path):
    names = ["../../out", "/etc/cron.d/x", "A", "a", ".sync", "x/y", "x_y", "..", "é" * 200]
    _server, run = made({name: [Record(NOON - 5, name)] for name in names})
    before = set(tmp_path.iterdir())
    run()
    assert set(tmp_path.iterdir()) - before == {tmp_path / "held"}
    folders = [path for path in (tmp_path / "held").iterdir() if path.name != ".sync"]
    assert len(folders) == len(names) == len({path.name.lower() for path in folders})
    assert {line.split("] ")[1] for held in lines(tmp_path / "held").values() for line in held} == {
        *names
    }


def test_the_manifest_tells_what_the_run_did(made, tmp_path):
    _, run = made({"a": [record(1)]})
    outcome = run()
    kept = json.loads((tmp_path / "held/.sync/manifest.json").read_text())
    assert kept == msgspec.to_builtins(outcome)
    (file,) = kept["files"]
    assert (file["events"], file["added"], kept["complete"]) == (1, 1, True)


def test_an_unknown_group_is_told_at_once(made, tmp_path, server):
    running = server({"/other": {}})
    extractor = CloudWatchLogsExtractor("us-east-1", GROUP, endpoint_url=running.url)
    with pytest.raises(extractor.client.exceptions.ResourceNotFoundException):
        Sync(extractor, tmp_path / "held").run()


def test_a_denied_description_of_the_group_does_not_hinder_it(made):
    _, run = made({"a": [record(1)]}, denied=frozenset({"DescribeLogGroups"}))
    assert run().exit_status == 0


def lost(server, before: int) -> None:
    """AWS has nothing of the stream a any more that is older, in ms."""
    entries = server._store.groups[GROUP]["a"]
    entries[:] = [entry for entry in entries if entry.timestamp >= before]
    server._store._views.clear()


@pytest.fixture
def created(monkeypatch):
    """When AWS made the streams: settable, in ms."""
    held = {"at": NOON - DAY}
    real = CloudWatchLogsExtractor.list_log_streams

    def listed(self, **asked):
        return [one | {"creationTime": held["at"]} for one in real(self, **asked)]

    monkeypatch.setattr(CloudWatchLogsExtractor, "list_log_streams", listed)
    return held


def test_a_clock_behind_that_of_aws_makes_no_gap(made, tmp_path, clock, created):
    server, run = made({"a": [record(5)]})
    created["at"] = NOON + MINUTE
    run()
    clock["now"] += 10 * MINUTE
    server.add(GROUP, "a", record(4, "late"), record(-2))
    outcome = run()
    assert (outcome.gaps, outcome.new_events) == ([], 2)
    assert lines(tmp_path / "held")["a"] == truth(server, "a")


def test_a_stream_that_was_made_anew_is_told_once(made, tmp_path, clock, created):
    server, run = made({"a": [record(5, "old")]})
    run()
    clock["now"] += 3 * DAY
    lost(server, NOON)
    server.add(GROUP, "a", *(record(-day * DAY // MINUTE - 60, "new") for day in (0, 1, 2)))
    created["at"] = NOON + 1
    real = module.Sync._read

    def broken(self, name, files, end):
        for through in real(self, name, files, end):
            yield through
            raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.Sync, "_read", broken)
        assert run().exit_status == 3
    (gap,) = run().gaps
    assert (gap.start, gap.end) == (NOON, NOON + 60 * MINUTE)
    assert gap.reason == "the stream was deleted and made anew"
    assert [line.split("] ")[1] for line in lines(tmp_path / "held")["a"]] == ["old", *["new"] * 3]
    assert run().exit_status == 0


def test_a_clock_that_was_far_ahead_is_told(made, tmp_path, clock):
    server, run = made({"a": [record(5)], "b": [record(5)]})
    clock["now"] = NOON + 30 * DAY
    run("a")
    clock["now"] = NOON + 60 * MINUTE
    server.add(GROUP, "a", record(-30))
    outcome = run()
    assert (outcome.exit_status, outcome.complete, outcome.asked) == (3, False, 2)
    assert [(one.log_stream_name, one.code) for one in outcome.failures] == [("a", "E209")]
    assert "still to come" in outcome.failures[0].message
    (tmp_path / "held/.sync/checkpoint.json").unlink()
    assert run().exit_status == 0
    assert lines(tmp_path / "held")["a"] == truth(server, "a")


def test_a_day_of_which_aws_gives_less_does_not_hinder_the_next(made, tmp_path, clock):
    server, run = made({"a": [record(n * 60 + 5) for n in range(12)]})
    run()
    real, day = module.windows, NOON - DAY // 2

    def less(*asked):
        for window in real(*asked):
            window.gathered._events = [e for e in window.events() if e.timestamp >= NOON]
            yield window

    clock["now"] += DAY
    server.add(GROUP, "a", record(1 - DAY // MINUTE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "windows", less)
        for _ in range(2):  # it is asked for again each time
            (gap,) = (outcome := run()).gaps
            assert (gap.start, gap.end, outcome.exit_status) == (day, day + DAY, 1)
            assert "events fewer than before" in gap.reason
    assert lines(tmp_path / "held")["a"] == truth(server, "a")
    assert run().exit_status == 0


def test_what_retention_took_stays_in_the_files(made, tmp_path, created, monkeypatch):
    monkeypatch.setattr(
        CloudWatchLogsExtractor, "get_log_group_info", lambda self: {"retentionInDays": 3}
    )
    server, run = made({"a": [record(n * 120 + 1) for n in range(12 * 6)]})
    run()
    held = lines(tmp_path / "held")
    assert len(held["a"]) == 72
    lost(server, NOON - 3 * DAY)
    outcome = run(late_s=14 * 86_400)
    assert (outcome.failures, outcome.gaps, outcome.exit_status) == ([], [], 0)
    (tmp_path / "held/.sync/checkpoint.json").unlink()
    assert run().exit_status == 0
    assert lines(tmp_path / "held") == held


@pytest.mark.parametrize("damage", ["", "{"])
def test_a_checkpoint_that_is_not_its_own_is_left_alone(made, tmp_path, damage):
    _, run = made({"a": [record(1)]})
    run()
    path = tmp_path / "held/.sync/checkpoint.json"
    path.write_text(damage or path.read_text())
    before = path.read_text()
    for _ in range(2):
        with pytest.raises(MLIDSError) as refused:
            run(form="jsonl")
        assert refused.value.code == "E209"
    assert path.read_text() == before
    assert not list((tmp_path / "held").rglob("*.jsonl"))


def test_what_a_killed_run_left_is_swept(made, tmp_path):
    _, run = made({"a": [record(1)]})
    run()
    for name in (".checkpoint.json.abcdefgh", ".manifest.json.abcdefgh"):
        (tmp_path / "held/.sync" / name).touch()
    assert run().exit_status == 0
    kept = ["checkpoint.json", "manifest.json", "mlids.lock"]
    assert sorted(os.listdir(tmp_path / "held/.sync")) == kept


def test_a_stream_that_is_silent_for_longer_than_the_retention_has_lost_nothing(
    made, tmp_path, clock, monkeypatch
):
    server, run = made({"weekly": [record(5)]})
    monkeypatch.setattr(
        CloudWatchLogsExtractor, "get_log_group_info", lambda self: {"retentionInDays": 3}
    )
    outcomes = [run()]
    for day in range(1, 8):
        clock["now"] = NOON + day * DAY
        if day == 7:
            server.add(GROUP, "weekly", record(5, now=clock["now"]))
        outcomes.append(run())
    assert [one.asked for one in outcomes[3:7]] == [0] * 4
    assert {one.exit_status for one in outcomes} == {0}
    assert lines(tmp_path / "held")["weekly"] == truth(server, "weekly")
