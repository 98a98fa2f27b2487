from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time

import pytest
from botocore.config import Config

from mlids.cloudwatch.access import Access
from mlids.detectors.login import Login
from mlids.errors import MLIDSError
from mlids.lines.confluence import Confluence
from mlids.monitors.cloudwatch import Cloudwatch
from tests.cloudwatch.conftest import aws_env, server
from tests.cloudwatch.server import Record

__all__ = ["aws_env", "server"]

GROUP, OTHER = "/ecs/app", "/ecs/other"
LINE = "gate sshd[%d]: Failed password for root from 203.0.113.7 port 40 ssh2"


def now() -> int:
    return time.time_ns() // 1_000_000


class Watching:
    """A monitor in a thread, and what it gave."""

    def __init__(self, there, *groups, **options) -> None:
        usual = {"poll_s": 0.1, "requests_per_second": 0, "endpoint_url": there.url}
        self.there, self.told, self.batches = there, [], []
        self.monitor = Cloudwatch(log_groups=list(groups or [GROUP]), **(usual | options))
        self.monitor.tell = self.told.append
        self.stop, self.stopped_s = threading.Event(), 0.0
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for batch in self.monitor.batches(self.stop):
            self.batches.append(batch)

    def __enter__(self) -> Watching:
        self.monitor.open()
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        began = time.monotonic()
        self.stop.set()
        self.thread.join(5)
        self.stopped_s = time.monotonic() - began
        if error == (None, None, None):
            self.monitor.delivered(self.monitor.reached())
        self.monitor.close()

    @property
    def lines(self) -> list[bytes]:
        return [batch.line(row) for batch in list(self.batches) for row in range(len(batch))]

    def wait(self, until, seconds: float = 8.0) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, (self.lines[-3:], self.monitor.inputs(), self.told)
            time.sleep(0.01)

    def input(self, number: int = 0):
        found = self.monitor.inputs()[number]
        counts = found.counts
        assert counts["read"] == counts["matched"] + counts["unmatched"] + counts["rejected"]
        return found


def put(there, *texts, stream="a", group=GROUP, back=0):
    there.add(group, stream, *(Record(now() - back, text) for text in texts))


def test_events_become_lines_and_logins(server):
    there = server({GROUP: {"a": [Record(now() - 60_000, "from before")]}})
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00 ", time.gmtime())
    texts = [stamp + LINE % n for n in range(20)]
    with Watching(there) as here:
        here.wait(lambda: here.input().state == "ok")
        put(there, *texts)
        here.wait(lambda: len(here.lines) == 20)
    assert here.lines == [text.encode() for text in texts]
    assert here.input().name == f"cloudwatch {GROUP}"
    assert here.input().counts["matched"] == 20
    events = [event for batch in here.batches for event in Login().inspect(batch)]
    assert [event["details"]["ip"] for event in events] == ["203.0.113.7"] * 20
    assert events[0]["evidence"][0] == {"source": f"cloudwatch {GROUP}/a", "line": 1, "offset": 0}


def test_a_line_that_tells_no_time_has_that_of_its_event(server):
    there = server({GROUP: {"a": []}})
    with Watching(there, since_hours=1) as here:
        put(there, "listening", back=100_000)
        here.wait(lambda: here.lines)
    (batch,) = (one for one in here.batches if len(one))
    assert batch.column("time")[0] / 1e9 == pytest.approx(time.time() - 100, abs=5)
    assert batch.written / 1e9 == pytest.approx(time.time(), abs=5)  # when it came


def test_late_events_and_new_streams(server):
    there = server({GROUP: {"a": []}})
    with Watching(there, overlap_s=60, since_hours=1) as here:
        here.wait(lambda: here.input().state == "ok")
        put(there, "late", back=30_000)
        put(there, "elsewhere", stream="b")
        here.wait(lambda: sorted(here.lines) == [b"elsewhere", b"late"])
        time.sleep(0.4)
    assert len(here.lines) == 2


def test_several_groups_with_a_ledger_each(server):
    there = server({GROUP: {}, OTHER: {}})
    there.add(GROUP, "a", Record(now(), "1"), Record(now(), "x" * 1000))
    there.add(OTHER, "a", Record(now(), "2"), Record(now(), "3"))
    with Watching(there, GROUP, OTHER, since_hours=1, max_line=500) as here:
        here.wait(lambda: len(here.lines) == 3)
    assert [here.input(n).counts["read"] for n in (0, 1)] == [2, 2]
    assert here.input(0).counts["rejected"] == 1


def test_one_that_is_not_there_is_told_once_and_the_other_goes_on(server):
    there = server({GROUP: {}})
    there.add(GROUP, "a", Record(now(), "1"))
    with Watching(there, "/missing", GROUP, since_hours=1) as here:
        here.wait(lambda: here.lines == [b"1"] and here.told)
        assert [error.code for error in here.told] == ["E204"]
        assert "/missing" in here.told[0].message
        assert (here.input(0).state, here.input(1).state) == ("failed", "ok")
        there.add("/missing", "a", Record(now(), "2"))
        here.wait(lambda: b"2" in here.lines)
        here.wait(lambda: here.input(0).state == "ok")
    assert len(here.told) == 1


def test_without_credentials_it_says_so_and_goes_on_trying(server, monkeypatch):
    there = server({GROUP: {}})
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with Watching(there) as here:
        here.wait(lambda: here.told)
        assert here.told[0].code == "E201"
        assert here.input().state == "failed"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        here.wait(lambda: here.input().state == "ok")


def test_the_heartbeat_tells_what_cannot_come_any_more(server):
    there = server({GROUP: {}, OTHER: {}})
    with Watching(there, GROUP, OTHER, overlap_s=30, since_hours=1) as here:
        here.wait(lambda: here.batches and here.batches[-1].now > 0)
        beat = here.batches[-1].now / 1e9
        assert time.time() - 33 < beat <= time.time() - 30
        assert len(here.batches[-1]) == 0


def test_where_all_fail_the_heartbeat_goes_on(server):
    with Watching(server({}), "/missing") as here:
        here.wait(lambda: here.told and here.batches and here.batches[-1].now > 0)
        assert here.batches[-1].now / 1e9 == pytest.approx(time.time() - 120, abs=3)


def test_the_checkpoint_moves_over_what_is_delivered(server, tmp_path):
    there, path = server({GROUP: {"a": []}}), tmp_path / "state" / "cloudwatch.json"
    with Watching(there, checkpoint=str(path), since_hours=1) as here:
        assert path.exists()  # from the begin on: nothing that comes after it is lost
        put(there, "one", "two")
        here.wait(lambda: len(here.lines) == 2)
    put(there, "three")
    with Watching(there, checkpoint=str(path)) as again:
        again.wait(lambda: again.lines)
        time.sleep(0.3)
    assert again.lines == [b"three"]
    with Watching(there, checkpoint=str(path)) as again:
        time.sleep(0.3)
        put(there, "four", back=20_000)  # late, over a restart
        again.wait(lambda: again.lines)
    assert again.lines == [b"four"]


def test_what_was_not_delivered_comes_again(server, tmp_path):
    there, path = server({GROUP: {"a": []}}), str(tmp_path / "cloudwatch.json")
    with pytest.raises(KeyError), Watching(there, checkpoint=path) as here:
        put(there, "one")
        here.wait(lambda: here.lines)
        raise KeyError  # it ends without a word of delivery
    here.thread.join(5)
    with Watching(there, checkpoint=path) as again:
        again.wait(lambda: again.lines == [b"one"])


def test_a_checkpoint_that_cannot_be_written_is_told(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MLIDSError, match="E103"):
        Cloudwatch(log_groups=[GROUP], checkpoint=str(tmp_path / "file" / "x")).open()


def test_a_stop_is_noticed_though_aws_does_not_answer(server):
    there = server({GROUP: {}}, stall_every=1, stall_s=4)
    with Watching(there) as here:
        here.wait(lambda: there.calls)
    assert here.stopped_s < 0.5


def test_it_can_be_opened_again_with_its_ledger(server):
    there = server({GROUP: {"a": []}})
    here = Watching(there, since_hours=1)
    for number in range(3):
        with here:
            put(there, str(number))
            here.wait(lambda number=number: len(here.lines) == number + 1)
        here.stop.clear()
        here.thread = threading.Thread(target=here._run)
    assert here.lines == [b"0", b"1", b"2"]
    assert here.input().counts["read"] == 3


def test_in_a_storm_all_comes_once(server, monkeypatch):
    impatient = Config(retries={"mode": "standard", "total_max_attempts": 1})
    monkeypatch.setattr(Access, "_config", lambda self: impatient)
    monkeypatch.setattr("mlids.cloudwatch.polling.LONGEST_PAUSE_S", 0.05)
    storm = {"throttle": 0.1, "breaks": 0.1, "repeat": 1, "empty_pages": 1, "double": 0.2}
    there = server({GROUP: {}}, seed=5, page_events=50, repeat_chance=0.3, **storm)
    there.add(GROUP, "s0")
    chance = random.Random(5)
    with Watching(there, since_hours=1) as here:
        for number in range(200):
            put(there, f"m{number}", stream=f"s{number % 3}", back=chance.choice((0, 0, 5000)))
            time.sleep(0.003)
        here.wait(lambda: len(here.lines) >= 200, 60)
        time.sleep(0.3)
    assert sorted(here.lines) == sorted(f"m{number}".encode() for number in range(200))


def test_one_lane_with_others(server):
    """Through the confluence, as `start` runs it: the place goes with the batches."""
    there, kept = server({GROUP: {"a": []}}), []
    monitor = Cloudwatch(log_groups=[GROUP], endpoint_url=there.url, poll_s=0.1, since_hours=1)
    monitor._bookmarks.delivered = kept.append
    lane, stop, found = Confluence([monitor]), threading.Event(), []
    put(there, *map(str, range(10)))
    lane.open()
    threading.Timer(10, stop.set).start()
    for batch in lane.batches(stop):
        found += [batch.line(row) for row in range(len(batch))]
        if len(found) == 10:
            stop.set()
    lane.delivered()
    lane.close()
    assert len(found) == 10
    assert kept[-1] == monitor.reached() > 0


# -- a period, read once


def scanned(there, *groups, **options):
    chosen = {"endpoint_url": there.url, "follow": False, "requests_per_second": 0} | options
    monitor = Cloudwatch(log_groups=list(groups or [GROUP]), **chosen)
    told = []
    monitor.tell = told.append
    monitor.open()
    batches = list(monitor.batches(threading.Event()))
    monitor.close()
    return monitor, [b.line(row) for b in batches for row in range(len(b))], told, batches


@pytest.mark.parametrize("denied", [(), ("FilterLogEvents",)])
def test_a_period_is_read_to_its_end(server, denied):
    begin = now() - 500_000
    streams = {s: [Record(begin + n * 1000, f"{s}{n}") for n in range(100)] for s in "abc"}
    there = server({GROUP: streams}, page_events=30, denied=frozenset(denied))
    start, end = begin + 10_000, begin + 20_000
    monitor, lines, told, batches = scanned(there, start_ms=start, end_ms=end, streams=["a", "[b]"])
    assert sorted(lines) == sorted(f"{s}{n}".encode() for s in "ab" for n in range(10, 20))
    counts = monitor.inputs()[0].counts
    assert counts["read"] == 20 and counts["bytes"] == 80
    assert told == []
    assert batches[-1].written == (begin + 19_000) * 1_000_000


def test_a_period_that_cannot_be_read_raises(server):
    with pytest.raises(MLIDSError, match="E204"):
        scanned(server({}), start_ms=1, end_ms=2)
    expired = server({GROUP: {}}, expire_after=0)
    with pytest.raises(MLIDSError, match="E202"):
        scanned(expired, start_ms=1, end_ms=2)


def test_a_gap_in_a_period_is_told(server):
    there = server({GROUP: {"a": [Record(5000, "x")] * 30}}, page_events=10, stuck_after=1)
    monitor, lines, told, _ = scanned(there, start_ms=1000, end_ms=9000)
    assert len(lines) == 10
    assert {error.code for error in told} == {"E208"}
    assert monitor.inputs()[0].counts["gaps"] == len(told)


def test_settings_are_checked():
    with pytest.raises(MLIDSError, match="no log format"):
        Cloudwatch(log_groups=[GROUP], format="nothing")
    for wrong in (
        {"poll_s": 0.01},
        {"overlap_s": -1},
        {"requests_per_second": -1},
        {"endpoint_url": "logs.eu-west-1.amazonaws.com"},
    ):
        with pytest.raises(ValueError):
            Cloudwatch(log_groups=[GROUP], **wrong)


def test_without_groups_there_is_nothing():
    assert list(Cloudwatch().batches(threading.Event())) == []
    assert Cloudwatch().inputs() == []


def test_boto3_is_imported_only_where_groups_are_followed(tmp_path):
    code = """
import sys
from pathlib import Path
from mlids import assembly
from mlids.config import ConfigManager
assembly.live_monitors(ConfigManager("none.yaml").settings, Path(), [])
print([name for name in ("boto3", "botocore", "mlids.cloudwatch") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert json.loads(done.stdout) == []
