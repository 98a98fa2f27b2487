from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest

from mlids.detectors.login import Login
from mlids.errors import MLIDSError
from mlids.monitors.journal import Journal

SCRIPT = """#!{python}
import json, os, sys, time
entries = json.load(open({entries!r}))
after = [a.split("=", 1)[1] for a in sys.argv if a.startswith("--after-cursor=")]
if "--lines=1" in sys.argv:
    print(json.dumps(entries[-1]) if entries else "")
    sys.exit()
known = [e["__CURSOR"] if isinstance(e, dict) else "" for e in entries]
begin = known.index(after[0]) + 1 if after else (0 if "--lines=all" in sys.argv else len(entries))
open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
for entry in entries[begin:]:
    sys.stdout.write(entry if isinstance(entry, str) else json.dumps(entry) + "\\n")
    sys.stdout.flush()
{end}
"""


def entry(n: int, message: object, **fields: object) -> dict[str, object]:
    base = {
        "__CURSOR": f"c{n}",
        "__REALTIME_TIMESTAMP": str(1_736_764_245_123_456 + n * 1_000_000),
        "_HOSTNAME": "gate",
        "SYSLOG_IDENTIFIER": "sshd",
        "_PID": "123",
        "MESSAGE": message,
    }
    return {key: value for key, value in {**base, **fields}.items() if value is not None}


@pytest.fixture
def fake(tmp_path):
    """A program in place of journalctl; gives the options of the monitor."""

    def make(*entries: object, end: str = "time.sleep(60)") -> dict[str, object]:
        stored, log, script = (tmp_path / name for name in ("entries", "calls", "journalctl"))
        stored.write_text(json.dumps(entries))
        script.write_text(
            SCRIPT.format(python=sys.executable, entries=str(stored), log=str(log), end=end)
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return {"command": [str(script)], "from_start": True}

    return make


def read(monitor: Journal, count: int, seconds: float = 10.0) -> list:
    """Batches until so many lines have come."""
    monitor.open()
    stop, found, began = threading.Event(), [], time.monotonic()
    for batch in monitor.batches(stop):
        found.append(batch)
        monitor.delivered()
        if sum(map(len, found)) >= count or time.monotonic() - began > seconds:
            stop.set()
    monitor.close()
    return found


def text(batches: list) -> list[bytes]:
    return [batch.line(row) for batch in batches for row in range(len(batch))]


def test_entries_become_lines_that_detectors_know(fake):
    message = "Failed password for root from 203.0.113.7 port 40 ssh2"
    batches = read(Journal(**fake(entry(0, message))), 1)
    assert text(batches) == [
        b"2025-01-13T10:30:45.123456+00:00 gate sshd[123]: " + message.encode()
    ]
    (event,) = [e for batch in batches for e in Login().inspect(batch)]
    assert event.details["ip"] == "203.0.113.7"
    assert event.evidence[0]["source"] == "journal"


def test_odd_entries(fake):
    options = fake(
        entry(0, "two\nlines"),
        entry(1, list(b"raw \xff\n bytes")),
        entry(2, None),
        entry(3, ["first", "second"]),
        entry(4, "no program", SYSLOG_IDENTIFIER=None, _PID=None, _HOSTNAME=None),
        entry(5, "spaces", SYSLOG_IDENTIFIER="a b: c[1]", _HOSTNAME="x\ny"),
        "no json\n",
        '{"__REALTIME_TIMESTAMP": "x"}\n',
        "[1]\n",
        '{"__REALTIME_TIMESTAMP": "99999999999999999999999", "MESSAGE": "x"}\n',
        entry(6, "last"),
    )
    monitor = Journal(**options)
    lines = text(read(monitor, 7))
    assert [line.split(b" ", 1)[1] for line in lines] == [
        b"gate sshd[123]: two\\nlines",
        b"gate sshd[123]: raw \xff\\n bytes",
        b"gate sshd[123]: ",
        b"gate sshd[123]: first",
        b"localhost unknown: no program",
        b"x\\ny a_b__c_1][123]: spaces",
        b"gate sshd[123]: last",
    ]
    counts = monitor.inputs()[0].counts
    assert (counts["read"], counts["matched"], counts["rejected"]) == (11, 7, 4)


def test_it_goes_on_behind_the_cursor(fake, tmp_path):
    checkpoint = str(tmp_path / "state" / "cursor")
    options = fake(entry(0, "one"), entry(1, "two"))
    read(Journal(**options, checkpoint=checkpoint), 2)
    assert Path(checkpoint).read_text() == "c1"
    options = fake(entry(0, "one"), entry(1, "two"), entry(2, "three"))
    assert text(read(Journal(**options, checkpoint=checkpoint), 1))[0].endswith(b": three")


def test_without_a_cursor_it_begins_at_the_end(fake, tmp_path):
    options = {**fake(entry(0, "old")), "from_start": False}
    assert text(read(Journal(**options), 1, seconds=1.2)) == []
    assert (tmp_path / "calls").read_text() == "--after-cursor=c0\n"


def test_a_program_that_dies_is_started_again(fake, monkeypatch):
    monkeypatch.setattr("mlids.monitors.journal.RESTART_S", 0.05)
    monitor = Journal(
        **fake(entry(0, "one"), entry(1, "two"), end='sys.exit("No permission to read")')
    )
    told: list[MLIDSError] = []
    monitor.tell = told.append
    monitor.open()
    stop, found = threading.Event(), []
    for batch in monitor.batches(stop):
        found.append(batch)
        if monitor.inputs()[0].counts["restarts"] >= 2:
            stop.set()
    monitor.close()
    assert [line[-3:] for line in text(found)] == [b"one", b"two"]
    assert [error.code for error in told] == ["E004"]
    assert monitor.inputs()[0].state == "failed"


def test_a_missing_program(tmp_path):
    with pytest.raises(MLIDSError, match="E005"):
        Journal(command=[str(tmp_path / "none")]).open()
    (tmp_path / "no").write_text("")
    with pytest.raises(MLIDSError, match="E004"):
        Journal(command=[str(tmp_path / "no")]).open()


def test_heartbeats_and_a_quick_stop(fake):
    monitor = Journal(**fake())
    monitor.open()
    stop, beats = threading.Event(), []
    for batch in monitor.batches(stop):
        beats.append(batch.now)
        if len(beats) == 2:
            began = time.monotonic()
            stop.set()
    monitor.close()
    assert time.monotonic() - began < 1
    assert 0.5e9 < beats[1] - beats[0] < 1.5e9


def test_what_was_not_delivered_comes_again(fake, tmp_path):
    checkpoint = str(tmp_path / "cursor")
    options = fake(entry(0, "one"), entry(1, "two"))
    monitor = Journal(**options, checkpoint=checkpoint)
    monitor.open()
    for batch in monitor.batches(threading.Event()):
        if len(batch):
            break
    monitor.close()
    assert len(text(read(Journal(**options, checkpoint=checkpoint), 2))) == 2


def test_a_ctrl_c_at_the_terminal_does_not_end_the_program(fake):
    monitor = Journal(**fake())
    monitor.open()
    try:
        assert os.getpgid(monitor._process.pid) != os.getpgid(0)
    finally:
        monitor.close()


def test_what_comes_after_open_is_read_even_after_a_kill(fake, tmp_path):
    place = str(tmp_path / "cursor")
    options = fake(entry(0, "old")) | {"from_start": False, "checkpoint": place}
    first = Journal(**options)
    first.open()  # and then it is killed: nothing was yielded or delivered
    first.close()
    second = Journal(
        **fake(entry(0, "old"), entry(1, "new")) | {"from_start": False, "checkpoint": place}
    )
    second.open()
    assert [line.split(b": ")[1] for line in text(read(second, 1))] == [b"new"]
    second.close()
