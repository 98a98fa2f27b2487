from mlids.documents import Document, Section, Table
from mlids.encoders import cells
from mlids.renderings.text import NARROWEST, WIDEST, WIDTH, render
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


def shown(columns, *rows, width=WIDTH):
    made = Document("t", "", "", [Section("s", [], [Table("", list(columns), list(rows))])])
    lines = render(made, width).splitlines()
    return lines[lines.index("s") + 2 :]


def test_each_cell_is_wrapped_in_its_column():
    lines = shown("abc", ["x", "left " * 15, "right " * 15])
    assert lines[1].startswith("  x  left left") and "  right right" in lines[1]
    assert lines[2].startswith("     left") and len(lines) == 3


def test_too_much_text_for_columns_stands_line_by_line():
    lines = shown(["id", "status", "asks", "seen"], ["1.5", "FAIL", "asks " * 40, "seen " * 60])
    assert lines[0] == "  id   status  asks · seen"
    assert lines[1].startswith("  1.5  FAIL    asks asks")
    assert all(line.startswith(" " * 15) for line in lines[2:])
    assert sum("seen" in line and "asks" in line for line in lines[1:]) == 0


def test_short_texts_behind_a_long_one_share_a_line():
    lines = shown("abcd", ["x", "long " * 60, "y", 7])
    assert lines[-1].strip() == "y · 7"


def test_where_nothing_has_room_beside_it_goes_below():
    lines = shown("abcd", ["a" * 19, "b" * 19, "c" * 18, "word " * 30], width=80)
    assert lines[2].startswith("  aaa") and lines[3].startswith("    word")
    assert max(map(len, lines)) <= 80


def test_it_is_as_wide_as_it_is_told_within_reason():
    made = Document("t", "", "", [Section("s", ["word " * 90])])
    for asked, width in ((80, 80), (10, NARROWEST), (1000, WIDEST)):
        assert width - 5 <= max(map(len, render(made, asked).splitlines())) <= width


def test_wide_letters_stay_in_their_column():
    lines = shown("ab", ["x", "日本語 " * 60])
    assert max(map(cells, lines)) <= WIDTH
    assert "".join(lines).count("語") == 60
