import itertools
import json
import os
import time
from pathlib import Path

import click
import pytest

from mlids.cli.cloudwatch.sync import Span
from mlids.cloudwatch import extractor
from mlids.cloudwatch.access import Access
from mlids.cloudwatch.names import file_name
from mlids.locking import FolderLock
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
MINUTE = 60_000
FLOOD = 9  # events of one ms: where AWS stops there, is no way round


def ago(minutes, text):
    return Record(time.time_ns() // 10**6 - int(minutes * MINUTE), text)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sync(typed, here):
    """`sync("web/*", at=server.url)`, of the group of these tests, into x."""

    def run(*arguments, at, output=("--output", "x")):
        return typed("sync", *arguments, *output, "--log-group", GROUP, at=at)

    return run


@pytest.fixture
def group(server):
    """A server with three streams."""
    streams = ("web/1", "web/2", "db")
    return server({GROUP: {name: [ago(3000, "old"), ago(20, "new")] for name in streams}})


def texts(folder):
    """By stream the messages of its files."""
    found = {}
    for path in sorted(Path(folder).glob("*/*.log")):
        texts = [line.split("] ")[1] for line in path.read_text().splitlines()]
        found.setdefault(path.parent.name, []).extend(texts)
    return found


def test_all_streams_and_cron_hears_nothing(sync, group):
    assert sync(at=group.url) == (0, "", "")
    assert texts("x") == {file_name(name): ["old", "new"] for name in ("web/1", "web/2", "db")}
    group.add(GROUP, "db", ago(1, "newer"))
    assert sync(at=group.url) == (0, "", "")
    assert texts("x")["db"] == ["old", "new", "newer"]


def test_without_a_folder_it_is_the_group_s(sync, group, here):
    assert sync(at=group.url, output=()).returncode == 0
    assert set(os.listdir(here)) == {"home", "logs"}
    assert len(texts(Path("logs/cloudwatch") / file_name(GROUP))) == 3


def test_patterns(sync, group):
    assert sync("web/*", "nobody", at=group.url).returncode == 0
    assert set(texts("x")) == {file_name("web/1"), file_name("web/2")}


def test_where_a_stream_begins(sync, group):
    assert sync("--start-date", "1d", at=group.url).returncode == 0
    assert set(map(tuple, texts("x").values())) == {("new",)}


def test_json_lines_and_one_document(sync, group):
    done = sync("db", "--format", "jsonl", "--json", at=group.url)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["streams"], told["newEvents"], told["complete"]) == (1, 2, True)
    assert told == json.loads(Path("x/.sync/manifest.json").read_bytes())
    events = [json.loads(Path(one["file"]).read_bytes()) for one in told["files"]]
    assert [event["message"] for event in events] == ["old", "new"]
    assert events[0]["eventId"] and events[0]["logStreamName"] == "db"


def test_so_much_is_read_again(sync, group):
    sync(at=group.url)
    group.add(GROUP, "db", ago(30, "late"))
    sync(at=group.url)
    assert texts("x")["db"] == ["old", "new"]
    sync("--overlap", "1h", at=group.url)
    assert texts("x")["db"] == ["old", "late", "new"]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200)])
def test_spans(text, seconds):
    assert Span().convert(text, None, None) == seconds == Span().convert(seconds, None, None)


def test_what_is_no_span():
    with pytest.raises(click.BadParameter, match="15m, 2h or 7d is meant"):
        Span().convert("long", None, None)


def test_what_is_missing_is_said_also_to_cron(sync, server):
    flood = ago(40, "flood").timestamp
    held = {"a": [ago(50, "x"), *(Record(flood, f"{n}") for n in range(FLOOD))], "b": [ago(5, "y")]}
    running = server({GROUP: held}, page_events=4, stuck_after=1)
    done = sync("--json", at=running.url)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("a: 20") and line.endswith(" is missing: AWS repeats a token")
    assert [gap["logStreamName"] for gap in json.loads(done.stdout)["gaps"]] == ["a"]
    running.faults.stuck_after = None
    assert sync(at=running.url) == (0, "", "")
    assert len(texts("x")["a"]) == 1 + FLOOD


def test_a_denial_names_the_action(sync, server):
    held = {GROUP: {"a": [ago(1, "x")], "b": []}}
    running = server(held, denied=frozenset({"FilterLogEvents", "GetLogEvents"}))
    done = sync("--json", at=running.url)
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()  # not one for each stream
    start = "E203 a and 1 more: permission denied: needs logs:FilterLogEvents on arn:aws:"
    assert line.startswith(start)
    assert [one["code"] for one in json.loads(done.stdout)["failures"]] == ["E203", "E203"]
    done = sync(at=server(held, denied=frozenset({"DescribeLogStreams"})).url)
    assert done.returncode == 3
    assert done.stderr.startswith("E203 permission denied: needs logs:DescribeLogStreams on arn:")


def test_what_the_next_run_may_do_is_75(sync, server, group, free_port, monkeypatch):
    lock = FolderLock(Path("x/.sync"))
    lock.acquire()
    done = sync(at=group.url)
    assert done.returncode == 75 and done.stderr.startswith("E210 another sync is running in x")
    assert group.calls == []
    lock.release()
    monkeypatch.setitem(Access.__init__.__kwdefaults__, "attempts", 1)
    monkeypatch.setattr(extractor, "PATIENCE_S", 0)
    done = sync(at=f"http://127.0.0.1:{free_port}")
    assert done.returncode == 75 and done.stderr.startswith("E206")
    refusing = server({GROUP: {"a": []}}, throttle=1, throttled=frozenset({"FilterLogEvents"}))
    done = sync(at=refusing.url)
    assert done.returncode == 75 and done.stderr.startswith("E207 a: AWS refuses FilterLogEvents")
    assert sync(at=group.url) == (0, "", "")


def test_an_unknown_group(sync, server):
    done = sync(at=server({"/other": {}}).url)
    assert done.returncode == 3
    assert done.stderr.startswith(f"E204 no log group {GROUP} in the region us-east-1")


@pytest.mark.parametrize("content", [None, "{", '{"streams": 5}'])
def test_a_folder_that_is_not_ours_stays_as_it_is(sync, group, content):
    sync(at=group.url)
    path = Path("x/.sync/checkpoint.json")
    if content is not None:
        path.write_text(content)
    before = path.read_bytes()
    for _ in range(2):  # the first one must not make it ours
        done = sync("--format", "jsonl", at=group.url)
        assert done.returncode == 3 and done.stderr.startswith("E209 x")
        assert path.read_bytes() == before


def test_as_many_at_once_as_said(sync, server):
    held = {f"s{n}": [ago(5, "x")] for n in range(3)}
    running = server({GROUP: held}, latency_ms=50)
    sync("--parallel", "1", at=running.url)
    one = [call.moment for call in running.calls]
    assert all(later - sooner > 0.045 for sooner, later in itertools.pairwise(one))
    running.calls.clear()
    sync("--parallel", "3", at=running.url)
    *_, first, _, last = [call.moment for call in running.calls]
    assert last - first < 0.095  # one after the other it is twice the latency


@pytest.mark.parametrize(
    "wrong",
    [
        ("--format", "json"),
        ("--overlap", "long"),
        ("--overlap", "-1h"),
        ("--start-date", "soon"),
        ("--parallel", "0"),
        ("--end-date", "2025-01-13"),
    ],
    ids=" ".join,
)
def test_wrong_use(sync, group, wrong):
    done = sync(*wrong, at=group.url)
    assert done.returncode == 2 and "Error:" in done.stderr
    assert not os.path.exists("x")


def test_names_of_streams_cannot_act(sync, server, here):
    flood = ago(40, "flood").timestamp
    name = "\x1b[31m../x\n\u202e"
    held = {name: [Record(flood, f"{n}") for n in range(FLOOD)]}
    done = sync("--json", at=server({GROUP: held}, page_events=4, stuck_after=1).url)
    assert done.returncode == 1
    assert not set(done.stdout + done.stderr) & set("\x1b\u202e")
    assert json.loads(done.stdout)["gaps"][0]["logStreamName"] == name
    assert set(os.listdir(here)) == {"home", "x"}
