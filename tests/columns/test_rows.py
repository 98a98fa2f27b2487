import pytest

from mlids.columns.rows import COLUMNS, row
from mlids.query.nodes import SEPARATOR
from mlids.records import read
from mlids.testing import START_NS, event

LOGIN = event(details={"ip": "10.1.2.3", "user": "admin", "suppressed": 3}, tags=["a", "b"])


def test_an_ordinary_event_fills_the_columns():
    made = row(LOGIN.stamped().encoded() + b"\n", 7)
    assert (made.line, made.time, made.severity, made.odd) == (7, START_NS, 1, False)
    assert (made.type, made.ip, made.ip_key, made.user) == (
        *("Failed Login", "10.1.2.3", "40a010203", "admin"),
    )
    assert made.tags == f"{SEPARATOR}a{SEPARATOR}b{SEPARATOR}"
    assert (made.techniques, made.path, made.confidence, made.suppressed) == (None, None, 1.0, 3)
    assert made.event.encode() == LOGIN.stamped().replace(id=made_id(made)).encoded()
    assert set(COLUMNS) == set(made.__struct_fields__)


def made_id(made):
    return read(made.event.encode())["id"]


def test_the_proof_is_left_out():
    proved = LOGIN.encoded()[:-1] + b',"seq":7,"chain":"' + b"0" * 32 + b'"}'
    assert row(proved + b"\n", 1).event.encode() == LOGIN.encoded()
    assert "seq" not in read(proved)


@pytest.mark.parametrize(
    "line",
    [
        LOGIN.encoded().replace(b"admin", "ädmin".encode()),
        LOGIN.encoded().replace(b"admin", b"\\u0061dmin"),
        LOGIN.encoded().replace(b'"ip":', b'"ip": '),
        LOGIN.encoded().replace(b'"user":"admin"', b'"user":"guest","user":"admin"'),
        LOGIN.encoded().replace(b'"admin"', b"5"),
        LOGIN.encoded().replace(b'"10.1.2.3"', b"null"),
        LOGIN.encoded().replace(b'"suppressed":3', b'"suppressed":true'),
        LOGIN.encoded().replace(b'["a","b"]', b'["a",1]'),
        LOGIN.encoded().replace(b'"confidence":1.0', b'"confidence":1'),
        LOGIN.replace(more=1).encoded(),
    ],
)
def test_everything_else_is_odd(line):
    made = row(line, 1)
    assert made.odd
    assert made.event.encode() == line
    assert made.type is made.user is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"{}",
        b"[" * 9999,
        LOGIN.encoded()[:-1],
        b"\xff",
        LOGIN.replace(timestamp="2262-04-12T00:00:00Z").encoded(),
    ],
)
def test_what_is_no_event(line):
    assert read(line) is None
    assert row(line, 1) is None
