import csv
import io

from mlids.documents import Document, Section, Table
from mlids.renderings.tables import render
from tests.renderings.hostile import document, payloads


def read(text):
    return list(csv.reader(io.StringIO(text)))


def test_every_table_is_there():
    tables = [Table("One", ["a", "n"], [["x", 3], ["y", -1]]), Table("", ["b"], [])]
    found = read(render(Document("d", "", "", [Section("Two", [], tables)])))
    assert found == [["One"], ["a", "n"], ["x", "3"], ["y", "-1"], [], ["Two"], ["b"], []]


def test_no_text_is_a_formula_or_a_row_of_its_own():
    usual = [len(row) for row in read(render(document("x")))]
    for text in payloads(5000):
        rows = read(render(document(text)))
        assert [len(row) for row in rows] == usual
        for cell in (cell for row in rows for cell in row):
            assert cell.lstrip()[:1] not in "=+-@|\t" or not cell or cell == "3"
            assert cell.isprintable()
