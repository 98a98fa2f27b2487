import base64
import re
from hashlib import sha256
from html.parser import HTMLParser

from mlids.documents import Document, Section, Table
from mlids.renderings.html import render
from tests.renderings.hostile import document, payloads


class Structure(HTMLParser):
    """The tags of a page with their attributes' names; and its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag):
        self.found.append(tag)

    def handle_comment(self, data):
        self.found.append("comment")

    def handle_data(self, data):
        self.text.append(data)


def test_no_text_becomes_markup():
    harmless = Structure(render(document("x"))).found
    for text in payloads(5000):
        assert Structure(render(document(text))).found == harmless, text


def test_text_is_shown_as_it_is():
    assert "<b>&amp;" in "".join(Structure(render(document("<b>&amp;"))).text)


def test_the_page_needs_and_allows_nothing_else():
    page = render(document("x"))
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "@import" not in page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    assert (
        f"script-src &#39;sha256-{digest}&#39;" in page or f"script-src 'sha256-{digest}'" in page
    )
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page.split("script-src")[1].split(";")[0]


def test_numbers_sort_as_numbers_and_marks_are_marked():
    table = Table("t", ["control", "status", "n"], [["1", "FAIL", 1234567]])
    page = render(Document("d", "", "", [Section("s", [], [table])]))
    assert 'class="number" data-value="1234567">1,234,567<' in page
    assert 'class="mark fail">FAIL<' in page


def test_long_documents_have_contents():
    sections = [Section(f"s{n}") for n in range(4)]
    assert '<a href="#s4">s3</a>' in render(Document("d", "", "", sections))
    assert "<nav" not in render(Document("d", "", "", sections[:2]))


def test_headings_stand_where_their_cells_do_and_moments_on_one_line():
    table = Table("t", ["when", "n"], [["2025-01-13 10:30", 1], ["2025-01-13 10:30:45", 2]])
    page = render(Document("d", "", "", [Section("s", [], [table])]))
    assert '<th scope="col" class="number">n<' in page
    assert '<th scope="col">when<' in page
    assert page.count('class="moment"') == 2


def test_names_with_counts_stand_side_by_side():
    counts, others = Table("", ["a", "n"], [["x", 1]]), Table("", ["a", "b"], [["x", "y"]])
    page = render(Document("d", "", "", [Section("s", [], [counts, others])]))
    assert page.count('<div class="table counts">') == page.count('<div class="table">') == 1
