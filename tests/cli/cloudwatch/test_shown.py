import json

import pytest

from mlids.cli.cloudwatch import shown
from mlids.encoders import cells
from mlids.errors import MLIDSError

HOSTILE = "\x1b[31mred\u202e \ud800 名前\n"


def test_a_table_is_aligned_and_numbers_stand_right():
    lines = shown.table(("A", "BYTES", "NAME"), [("x", 5, "one"), ("long", 12345, None)])
    assert lines == ["A      BYTES  NAME", "x          5  one", "long  12,345  -"]


@pytest.mark.parametrize("room", [20, 40, 80])
def test_a_table_fits(room):
    rows = [("x" * 500, "y" * 30, "z"), ("名" * 300, "b", "c")]
    lines = shown.table(("FIRST", "SECOND", "T"), rows, room)
    assert max(map(cells, lines)) <= room
    assert lines[1].endswith("z") and "…" in lines[1]


def test_nothing_is_cut_where_there_is_room_or_no_terminal():
    rows = [("x" * 50, "y")]
    assert shown.table(("A", "B"), rows) == shown.table(("A", "B"), rows, 53)
    assert "…" not in shown.table(("A", "B"), rows)[1]


def test_what_is_shown_cannot_act(capsys):
    shown.tell(("A",), [(HOSTILE,)])
    shown.facts({"name": HOSTILE})
    shown.document({"name": HOSTILE, "other": "\u202eé\x7f"})
    shown.document({"other": "\u202eé\x7f\u2028"})
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\u202e\ud800\x7f\u2028")
    assert "é" in out


def test_a_document_is_json(capsys):
    value = {"a": [1, None, True, "é", "\u202e"], "b": {}}
    shown.document(value)
    assert json.loads(capsys.readouterr().out) == value
    shown.document([HOSTILE])
    assert json.loads(capsys.readouterr().out) == [HOSTILE]


def test_no_rows_no_heading(capsys):
    shown.tell(("A", "B"), [])
    assert capsys.readouterr().out == ""


def test_a_table_for_a_terminal_is_as_wide_as_it(capsys, monkeypatch):
    monkeypatch.setattr(shown, "width", lambda: 20)
    shown.tell(("A",), [("x" * 99,)])
    assert max(map(len, capsys.readouterr().out.splitlines())) == 20


def test_how_long_events_are_kept():
    assert [shown.kept(days) for days in (None, 1, 3653)] == ["ever", "1 day", "3,653 days"]


def test_the_worst_of_what_was_told_is_the_status(capsys):
    told = shown.Told()
    assert told.exit_status == 0
    told(MLIDSError("E208", "a gap"))
    assert told.exit_status == 1
    told(MLIDSError("E206", "no network"))
    assert told.exit_status == 75
    assert "a gap" in capsys.readouterr().err
