import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.encoders import csv_safe
from mlids.exports.csv import render
from mlids.exports.facts import stored, text
from mlids.testing import event
from tests.exports.examples import EXAMPLES, hostile

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def read(events):
    content = b"".join(render(events)).decode()
    assert content.count("\n") == content.count("\r\n") == len(events) + 1
    return list(csv.DictReader(io.StringIO(content, newline=""), strict=True))


def test_rows_have_a_heading_and_no_formulas():
    (row,) = read([event(details={"ip": "192.0.2.1", "user": "@SUM(A1)", "description": "a\nb"})])
    assert list(row)[:3] == ["timestamp", "severity", "type"]
    assert (row["ip"], row["user"], row["description"]) == ("192.0.2.1", "'@SUM(A1)", "a\\x0ab")


def test_lists_are_words_and_objects_json():
    (row,) = read([event(tags=["a", "b"], details={"ip": {"a": 1}, "path": "/x"})])
    assert (row["tags"], row["ip"], row["path"]) == ("a b", '{"a":1}', "/x")


def test_every_type_has_its_row():
    rows = read(EXAMPLES)
    assert [row["type"] for row in rows] == [one["type"] for one in EXAMPLES]
    assert [row["port"] for row in rows] == [
        str(one["details"].get("port", "")) for one in EXAMPLES
    ]


@settings(deadline=None)
@given(st.lists(hostile(), max_size=3))
def test_hostile_events_stay_in_their_cells(events):
    for row, made in zip(read(events), map(stored, events), strict=True):
        assert None not in row
        assert not any(cell.lstrip().startswith(FORMULAS) for cell in row.values())
        assert row["host"] == csv_safe(made["host"])
        assert row["user"] == csv_safe(text(made["details"].get("user")))
