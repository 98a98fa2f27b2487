import fcntl
import itertools
import json
import os
from pathlib import Path

import pytest

from mlids.cloudwatch import extractor, gathering
from mlids.cloudwatch.access import Access
from mlids.cloudwatch.downloading import default_path
from tests.cloudwatch.server import Record

GROUP = "/ecs/app"
DAY = 1_736_726_400_000  # 2025-01-13
HOUR = 3_600_000
HELD = {
    "web/1": [Record(DAY + n * HOUR, f"line {n}") for n in range(48)],
    "web/2": [Record(DAY + n * HOUR, f"other {n}") for n in range(5)],
}
FLOOD = [Record(DAY, f"{n}") for n in range(9)]  # of one ms: where AWS stops there, is no way round


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def download(typed, here):
    """`download("web/1", at=server.url)`, of the group of these tests."""

    def run(*arguments, at):
        return typed("download", *arguments, "--log-group", GROUP, at=at)

    return run


@pytest.fixture
def url(server):
    return server({GROUP: HELD}).url


@pytest.fixture
def impatient(monkeypatch):
    """What fails for now is not tried again for minutes."""
    monkeypatch.setitem(Access.__init__.__kwdefaults__, "attempts", 1)
    monkeypatch.setattr(extractor, "PATIENCE_S", 0)


def lines(path):
    return [line.split("] ")[1] for line in Path(path).read_text().splitlines()]


def files(folder):
    return sorted(
        str(path.relative_to(folder))
        for path in Path(folder).rglob("*")
        if path.is_file() and "home" not in path.parts
    )


def test_a_stream_is_a_file_in_logs_and_cron_hears_nothing(download, url, here):
    done = download("web/1", at=url)
    assert done == (0, "", "")
    path = default_path("web/1", "text")
    assert path.read_text().startswith("[2025-01-13 00:00:00] line 0\n")
    assert lines(path) == [f"line {n}" for n in range(48)]
    assert files(here) == [str(path), f"{path}.manifest"]


def test_output_names_the_file(download, url, here):
    assert download("web/2", "--output", "deep/er/x.txt", at=url) == (0, "", "")
    assert files(here) == ["deep/er/x.txt", "deep/er/x.txt.manifest"]


def test_of_several_streams_output_names_the_folder(download, url, here):
    assert download("web/1", "web/2", "web/1", "--output", "all", at=url) == (0, "", "")
    paths = [default_path(stream, "text", Path("all")) for stream in HELD]
    assert files(here) == sorted([*map(str, paths), *(f"{path}.manifest" for path in paths)])
    assert [len(lines(path)) for path in paths] == [48, 5]


@pytest.mark.parametrize(
    ("period", "found"),
    [
        (("--start-date", "2025-01-14"), range(24, 48)),
        (("--end-date", "2025-01-13"), range(24)),
        (("--start-date", "2025-01-13T02:00", "--end-date", "2025-01-13T04:00"), range(2, 5)),
        (("--start-date", "2025-01-13T02:00+02:00", "--end-date", "2025-01-13T00:00"), range(1)),
        (("--days", "1", "--end-date", "2025-01-14T12:00"), range(12, 37)),
        (("--days", "0.125", "--end-date", "2025-01-13T03:00"), range(4)),
        (("--start-date", "1h"), range(0)),
    ],
    ids=str,
)
def test_a_period(download, url, period, found):
    assert download("web/1", "--output", "x", *period, at=url).returncode == 0
    assert lines("x") == [f"line {n}" for n in found]


def test_json_is_what_is_written_and_what_is_printed(download, url):
    done = download("web/2", "--json", "--output", "x.json", at=url)
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads(Path("x.json").read_bytes())
    assert [one["message"] for one in written["events"]] == [f"other {n}" for n in range(5)]
    told = json.loads(done.stdout)
    manifest = json.loads(Path("x.json.manifest").read_bytes())
    assert told == {
        "logStreamName": "web/2",
        "file": "x.json",
        "manifest": "x.json.manifest",
        "totalEvents": 5,
        "bytes": os.path.getsize("x.json"),
        "sha256": manifest["sha256"],
        "complete": True,
        "gaps": [],
        "exitStatus": 0,
    }


def test_several_are_one_document(download, url):
    done = download("web/2", "nobody", "web/1", "--json", at=url)
    assert done.returncode == 3
    first, second, third = json.loads(done.stdout)
    assert (first["totalEvents"], third["totalEvents"]) == (5, 48)
    assert second == {
        "logStreamName": "nobody",
        "error": "E204",
        "message": f"no log stream nobody in the group {GROUP} in the region us-east-1",
        "exitStatus": 3,
    }
    assert done.stderr.startswith("E204 no log stream nobody")


def test_one_that_is_unknown_does_not_hinder_the_others(download, url):
    done = download("nobody", "web/2", "web/1", at=url)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[0] == (
        f"E204 no log stream nobody in the group {GROUP} in the region us-east-1"
    )
    assert [len(lines(default_path(stream, "text"))) for stream in HELD] == [48, 5]


@pytest.mark.parametrize("streams", [["web/1"], ["web/1", "web/2"]], ids=["one", "two"])
def test_as_many_at_once_as_said(download, server, streams):
    running = server({GROUP: HELD}, latency_ms=50, page_events=20)
    assert download(*streams, "--parallel", "1", at=running.url).returncode == 0
    moments = [call.moment for call in running.calls]
    assert all(later - sooner > 0.045 for sooner, later in itertools.pairwise(moments))


def test_what_is_missing_is_said_also_to_cron(download, server):
    held = {"a": [Record(DAY - HOUR, "before"), *FLOOD], "b": HELD["web/2"]}
    url = server({GROUP: held}, page_events=4, stuck_after=1).url
    done = download("a", "b", "--json", at=url)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("a: 2025-01-13 00:00:00 to ")
    assert line.endswith("is missing: AWS repeats a token")
    first, second = json.loads(done.stdout)
    assert (first["complete"], first["exitStatus"], len(first["gaps"])) == (False, 1, 1)
    assert (second["complete"], second["exitStatus"]) == (True, 0)


def test_a_denial_names_the_action(download, server):
    denied = frozenset({"FilterLogEvents", "GetLogEvents"})
    done = download("web/1", at=server({GROUP: HELD}, denied=denied).url)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(
        "E203 permission denied: needs logs:FilterLogEvents"
        f" on arn:aws:logs:us-east-1:*:log-group:{GROUP}:*"
    )


def test_either_call_will_do(download, server):
    url = server({GROUP: HELD}, denied=frozenset({"FilterLogEvents"})).url
    assert download("web/1", "--output", "x", at=url) == (0, "", "")
    assert len(lines("x")) == 48


def test_what_another_time_may_do_is_75(download, server, free_port, impatient, url):
    done = download("web/1", at=f"http://127.0.0.1:{free_port}")
    assert done.returncode == 75 and done.stderr.startswith("E206")
    done = download("web/1", at=server({GROUP: HELD}, throttle=1).url)
    assert done.returncode == 75 and done.stderr.startswith("E207")
    with open("x.part", "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = download("web/1", "--output", "x", at=url)
    assert done.returncode == 75 and done.stderr.startswith("E210 x.part is being written")
    assert not os.path.exists("x")


def test_what_somebody_must_see_to_outweighs_what_time_heals(download, url, here):
    part = Path(f"{default_path('web/1', 'text')}.part")
    part.parent.mkdir()
    with part.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = download("web/1", "nobody", at=url)
        assert done.returncode == 3
        assert download("web/1", "web/2", at=url).returncode == 75


def test_a_folder_is_no_file(download, server, here):
    running = server({GROUP: HELD})
    (here / "folder").mkdir()
    done = download("web/1", "--output", "folder", at=running.url)
    assert done.returncode == 3
    assert done.stderr.startswith("E106 folder: Is a directory")
    assert running.count("FilterLogEvents") == 0
    assert files(here) == []


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_interrupted_one_goes_on(download, server, monkeypatch, impatient, here, form):
    monkeypatch.setattr(gathering, "MOST_EVENTS", 8)
    running = server({GROUP: HELD}, page_events=4, unavailable_from=12, unavailable=1)
    done = download("web/1", "--output", "x", *form, at=running.url)
    assert done.returncode == 75 and done.stderr.startswith("E207")
    assert files(here) == ["x.part", "x.part.manifest"]
    before = len(running.calls)
    assert download("web/1", "--output", "x", *form, at=running.url).returncode == 0
    assert files(here) == ["x", "x.manifest"]
    asked = [call.parameters.get("startTime", DAY + 1) for call in running.calls[before:]]
    assert min(asked) > DAY  # what was there already
    whole = json.loads(Path("x").read_bytes())["totalEvents"] if form else len(lines("x"))
    assert whole == 48


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("web/1", "--parallel", "0"),
        ("web/1", "--parallel", "33"),
        ("web/1", "--days", "-1"),
        ("web/1", "--days", "1", "--start-date", "2025-01-13"),
        ("web/1", "--start-date", "soon"),
        ("web/1", "--start-date", "2025-01-14", "--end-date", "2025-01-13"),
        ("web/1", "--form", "xml"),
    ],
    ids=" ".join,
)
def test_wrong_use(download, url, wrong, here):
    done = download(*wrong, at=url)
    assert done.returncode == 2 and "Error:" in done.stderr
    assert files(here) == []


def test_names_of_streams_cannot_act(download, server, here):
    name = "\x1b[31m../x\n\u202e"
    url = server({GROUP: {name: FLOOD}}, page_events=4, stuck_after=1).url
    for streams in ((name,), (name, f"{name}/none")):
        done = download(*streams, "--json", at=url)
        shown = done.stdout + done.stderr
        assert "\x1b" not in shown and "\u202e" not in shown
        assert "\\x1b[31m../x\\x0a" in done.stderr
    assert set(os.listdir(here)) == {"home", "logs"}
