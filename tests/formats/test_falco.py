from __future__ import annotations

import json

import pytest

from mlids.events import format_time
from mlids.formats.falco import Falco
from mlids.testing import lines

ALERT = {
    "hostname": "node1", "output": "a shell was run", "priority": "Notice", "rule": "Some shell",
    "source": "syscall", "tags": ["T1059"], "time": "2025-01-13T10:30:45.123456789Z",
    "output_fields": {"user.name": "root", "evt.time": 1736764245000000000},
}  # fmt: skip


def test_columns():
    batch = lines(json.dumps(ALERT), format=Falco())
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.123456Z"
    assert [batch.column(n)[0] for n in ("host", "message", "user")] == [
        b"node1", b"a shell was run", b"root",
    ]  # fmt: skip
    assert batch.records() == [ALERT]


def test_the_time_may_stand_among_the_fields():
    batch = lines(json.dumps({**ALERT, "time": None}), format=Falco())
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.000000Z"


def test_sniff_and_recognised():
    text = json.dumps(ALERT)
    batch = lines(text, f"Jan 13 10:30:45 node1 falco[7]: {text}", "x", '{"priority": "high"}')
    assert Falco().sniff(batch.data) == pytest.approx(0.97 / 2)
    assert Falco().recognised(batch).tolist() == [True, True, False, True]


def test_garbage_is_unknown():
    rubbish = ["", "{", '{"time": {}, "output_fields": []}', '{"output_fields": {"evt.time": "x"}}']
    batch = lines(*rubbish, b"\xff", format=Falco())
    assert not any(batch.column("time"))
    assert not any(batch.column("user"))
