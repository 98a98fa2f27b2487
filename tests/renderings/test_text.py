from mlids.documents import Document, Section, Table
from mlids.encoders import cells
from mlids.renderings.text import WIDTH, render
from tests.renderings.hostile import document, payloads

COUNTS = Table("By type", ["type", "events"], [["Failed Login", 1234], ["XSS", 1]], "of 2")
LONG = Table("Controls", ["id", "why"], [["10.2", "word " * 60], ["日本" * 40, "short"]])
MADE = Document("Summary", "host a", "2025-01-13", [Section("Counts", ["p " * 90], [COUNTS, LONG])])


def test_it_reads_well():
    lines = render(MADE).splitlines()
    assert lines[:4] == ["Summary", "=======", "host a", "Written 2025-01-13"]
    assert "  Failed Login   1,234  ████████████████████" in lines
    assert "  XSS                1  █" in lines
    assert "  of 2" in lines
    assert max(map(cells, lines)) <= WIDTH


def test_long_cells_are_wrapped_and_nothing_of_them_is_lost():
    assert render(MADE).count("word") == 60


def test_an_empty_table_says_so():
    made = Document("t", "", "", [Section("s", [], [Table("x", ["a"], [])])])
    assert "(none)" in render(made)


def test_no_text_can_act_on_a_terminal():
    usual = render(document("x")).count("\n")
    for text in payloads(5000):
        shown = render(document(text))
        assert all(char.isprintable() or char == "\n" for char in shown)
        assert "\u202e" not in shown
        assert shown.count("\n") < usual + 80
