from __future__ import annotations

import numpy as np
import pytest

from mlids import registry
from mlids.batches import LogFormat
from mlids.errors import MLIDSError
from mlids.lines.recognition import (
    LOST,
    OFTEN,
    SMALL,
    Formats,
    Ledger,
    Recognition,
    chosen_for,
)
from mlids.testing import lines


class Beginning(LogFormat):
    """Knows lines that begin with a letter."""

    asked = 0

    def __init__(self, letter: str) -> None:
        self.letter = letter.encode()

    def sniff(self, chunk):
        Beginning.asked += 1
        found = [line for line in chunk.splitlines() if line]
        return sum(line.startswith(self.letter) for line in found) / max(1, len(found))

    def recognised(self, batch):
        return np.array([batch.line(n).startswith(self.letter) for n in range(len(batch))], bool)


class Broken(Beginning):
    def sniff(self, chunk):
        raise RuntimeError("bad plugin")

    def recognised(self, batch):
        raise RuntimeError("bad plugin")


@pytest.fixture
def formats():
    Beginning.asked = 0
    return Formats(("a", "b", "x"), lambda name: (Broken if name == "x" else Beginning)(name))


def test_the_likeliest_is_taken_and_kept(formats):
    known = Recognition(formats)
    batch, matched = known.recognised(lines("a1", "a2", "b1"))
    assert (known.name, matched, batch.format.letter) == ("a", 2, b"a")
    asked = Beginning.asked
    assert known.recognised(lines("a3", "b2"))[1] == 1
    assert Beginning.asked == asked  # half is enough


def test_another_one_is_taken_where_it_knows_more(formats):
    known = Recognition(formats)
    known.recognised(lines("a1", "a2"))
    batch, matched = known.recognised(lines("b1", "b2", "a3"))
    assert (known.name, matched, batch.format) == ("b", 2, known.format)


def test_what_nothing_knows_is_looked_at_ever_more_rarely(formats):
    known = Recognition(formats)
    for _ in range(1000):
        batch, matched = known.recognised(lines(*["?"] * (SMALL + 1)))
        assert (matched, batch.format) == (0, None)
    assert Beginning.asked <= 2 * (1000 // OFTEN)
    known.recognised(lines("b"))  # few lines are looked at in any case
    assert known.name == "b"
    before = Beginning.asked
    for _ in range(1000):
        known.recognised(lines(*["?"] * (SMALL + 1)))
    assert Beginning.asked - before < 2 * 15


def test_a_named_format_stays(formats):
    known = Recognition(formats, "a")
    assert known.recognised(lines("b1", "b2"))[1] == 0
    assert (known.name, Beginning.asked) == ("a", 0)
    with pytest.raises(MLIDSError, match="E002"):
        Recognition(formats, "none")


def test_a_likely_one_is_tried_without_asking(formats):
    known = Recognition(formats, likely="b")
    assert known.recognised(lines("b1"))[1] == 1
    assert Beginning.asked == 0


def test_a_broken_format_costs_nothing_but_its_own_lines(formats):
    known = Recognition(formats, "x")
    assert known.recognised(lines("x1"))[1] == 0
    assert Recognition(formats).recognised(lines("x1"))[1] == 0


def test_each_input_has_a_format_of_its_own(formats):
    one, two = Recognition(formats), Recognition(formats)
    one.recognised(lines("a"))
    two.recognised(lines("a"))
    assert one.format is not two.format


def test_the_ledger_adds_up():
    ledger, other = Ledger(), Ledger()
    ledger.add(10, 7, 2)
    other.add(1, 1)
    ledger.fold(other)
    counts = ledger.counts
    assert counts == {"read": 13, "matched": 8, "unmatched": 3, "rejected": 2}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/log/nginx/access.log", "web"),
        ("/var/log/nginx/deep/access.log", "web"),
        ("/srv/x.json", "json"),
        ("/srv/x.log", "plain"),
    ],
)
def test_formats_by_path(path, expected):
    by_path = {"/var/log/nginx/**/*.log": "web", "*.json": "json"}
    assert chosen_for(path, by_path, "plain") == expected


def test_a_last_resort_gives_way_to_whatever_knows_a_line():
    formats = real_formats()
    login = "Jan 13 10:30:45 gate sshd[7]: Invalid user eve from 203.0.113.7"
    known = Recognition(formats)
    assert known.recognised(lines("12:00:01 hello", "no time"))[0].format.name == "app"
    found, matched = known.recognised(lines(login))
    assert (found.format.name, matched) == ("auth", 1)
    assert known.recognised(lines("12:00:01 hello"))[0].format.name == "auth"
    mostly, _ = Recognition(formats).recognised(lines(login, "no stamp", "none"))
    assert mostly.format.name == "syslog"


def test_a_format_that_knows_nothing_any_more_is_given_up():
    known = Recognition(real_formats())
    known.recognised(lines("Jan 13 10:30:45 gate cron[7]: x"))
    for _ in range(LOST):
        found, _ = known.recognised(lines("12:00:01 hello", "12:00:02 hello"))
    assert found.format.name == "app"


def real_formats():
    return Formats(registry.names("formats"), lambda name: registry.plugin("formats", name)())


def test_a_line_after_much_garbage_is_understood():
    known = Recognition(real_formats())
    garbage = [bytes([n % 251, 0, 200, n % 7]) * 9 for n in range(500)]
    for _ in range(9):
        known.recognised(lines(*garbage))
    found, matched = known.recognised(lines("Jan 13 10:30:45 gate sshd[7]: Invalid user eve"))
    assert (matched, found.format.name) == (1, "auth")
