import re

from mlids.documents import Document, Section, Table
from mlids.renderings.markdown import render
from tests.renderings.hostile import document, payloads


def test_tables_and_headings():
    table = Table("By type", ["type", "events"], [["Failed Login", 1234]], "of 2")
    lines = render(Document("Summary", "host", "now", [Section("All", ["p"], [table])]))
    assert "# Summary\n" in lines
    assert "## All\n\np\n" in lines
    assert "| type | events |\n| --- | ---: |\n| Failed Login | 1,234 |\n\nof 2\n" in lines


def test_an_empty_table_says_so():
    assert "(none)" in render(Document("t", "", "", [Section("s", [], [Table("", ["a"], [])])]))


def test_no_text_is_markup():
    harmless = structure(render(document("x")))
    for text in payloads(5000):
        shown = render(document(text))
        assert structure(shown) == harmless, text
        assert "\x1b" not in shown


def structure(shown):
    """What is left of a text without escaped signs and without what means nothing."""
    bare = re.sub(r"\\.", "", shown)
    return [re.sub(r"[^\\`*_{}\[\]<>()#+!|~&$@]", "", line) for line in bare.splitlines()]
