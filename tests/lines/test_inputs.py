from __future__ import annotations

import numpy as np
import pytest

from mlids.errors import MLIDSError
from mlids.formats.syslog import Syslog
from mlids.lines import inputs
from mlids.lines.cutting import Cut
from mlids.lines.following import Followed
from mlids.lines.inputs import Inputs
from mlids.lines.recognition import Formats


@pytest.fixture
def formats():
    return Formats(("syslog",), lambda name: Syslog())


LINE = b"Jan 13 10:30:45 host a: b\n"


def cut(text: bytes = LINE * 2 + b"?\n", rejected: int = 1) -> Cut:
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 10)
    starts = np.concatenate(([0], ends[:-1] + 1))
    return Cut(text, starts, ends, np.arange(1, len(ends) + 1), 0, rejected)


def test_a_batch_has_its_format_and_is_counted(formats):
    known = Inputs(formats).of("/a.log")
    batch = known.batch(cut(), 5)
    assert (batch.source, batch.written, batch.format.name) == ("/a.log", 5, "syslog")
    assert known.counts == {"read": 4, "matched": 2, "unmatched": 1, "rejected": 1}


def test_formats_are_checked_at_once(formats):
    for wrong in (("none", {}), ("", {"*.x": "none"})):
        with pytest.raises(MLIDSError, match="E002"):
            Inputs(formats, *wrong)
    assert Inputs(formats, by_path={"*.x": "syslog"}).of("/a.x").recognition.name == "syslog"


def test_many_files_are_one_sum_and_nothing_is_lost(formats, monkeypatch):
    monkeypatch.setattr(inputs, "SHOWN", 2)
    monkeypatch.setattr(inputs, "KEPT", 5)
    known = Inputs(formats)
    known.of("/plain.log").batch(cut(), 0)
    followed = {}
    for number in range(8):
        path = f"/logs/{number}.log"
        known.of(path, "/logs").batch(cut(), 0)
        followed[path] = Followed(path, "/logs")
    followed["/logs/7.log"].gone = True
    shown = known.statuses(followed, ("/logs", "/none"))
    assert [one.name for one in shown] == [
        "/plain.log",
        "/logs/4.log",
        "/logs/5.log",
        "/logs",
        "/none",
    ]
    assert sum(one.counts["read"] for one in shown) == 9 * 4
    assert (shown[3].note, shown[3].counts["read"]) == ("7 files", 6 * 4)
    assert (shown[4].state, shown[4].note) == ("waiting", "no log there yet")


def test_a_failed_input_says_why(formats):
    known = Inputs(formats).of("/a.log")
    known.fail(MLIDSError("E007", "not there"))
    assert (known.status(None).state, known.status(None).note) == ("failed", "not there")
