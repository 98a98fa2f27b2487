import pytest

from mlids import records
from mlids.events import Event
from mlids.proofs import Link, extend
from mlids.testing import event

WHOLE = event(details={"ip": "192.0.2.7", "n": 1}).encoded()


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b'{"a": 1}',
        WHOLE.replace(b'"severity":"MEDIUM"', b'"severity":"WEIRD"'),
        WHOLE.replace(b'"severity":"MEDIUM"', b'"severity":["MEDIUM"]'),
        WHOLE.replace(b'"source":"application"', b'"source":null'),
        WHOLE.replace(b'"timestamp":"', b'"timestamp":"x'),
    ],
)
def test_a_line_that_is_no_event_is_none(line):
    assert line != WHOLE
    assert records.read(line + b"\n") is None


def test_an_event_is_read_without_its_proof():
    _, line = extend(Link(), [WHOLE])
    assert records.read(line) == Event.decode(WHOLE)
    assert records.read(WHOLE + b"\n").encoded() == WHOLE


@pytest.mark.parametrize("stamp", ["1969-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "2025-01-13Tx"])
def test_times_that_do_not_fit_are_no_events(stamp):
    assert records.read(event(timestamp=stamp).encoded()) is None


def test_a_key_that_looks_like_a_proof_is_none():
    made = event(seq=7).encoded()
    assert records.read(made)["seq"] == 7
    nested = event(details={"seq": 7}).encoded()
    assert records.read(nested).details == {"seq": 7}


def test_hostile_depth_is_no_event():
    assert records.read(b'{"a":' * 100_000) is None


@pytest.mark.parametrize("key", ["correlation_id", "tags", "timestamp", "type", "details"])
def test_an_event_has_all_that_every_event_has(key):
    made = dict(event().stamped())
    assert records.read(Event(made).encoded())
    for wrong in (None, 7, {"a": 1} if key != "details" else []):
        assert records.read(Event({**made, key: wrong}).encoded()) is None
    del made[key]
    assert records.read(Event(made).encoded()) is None
