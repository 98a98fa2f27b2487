import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mlids.errors import MLIDSError
from mlids.moments import format_time
from mlids.suppression.book import MOST, Book
from mlids.suppression.entries import DAY_NS, Suppression
from mlids.testing import START_NS

ROOT = Path(__file__).parents[2]


def entry(id="0f8e2d11", **keys):
    usual = {
        "type": "XSS",
        "created": format_time(START_NS),
        "until": format_time(START_NS + DAY_NS),
        "by": "root",
        "reason": "a test",
    }
    return Suppression(id=id, **{**usual, **keys})


def test_what_is_added_is_read_and_what_is_removed_stays_told(tmp_path):
    book = Book(tmp_path / "logs")
    assert (book.read(), book.stamp()) == ([], (0, 0, 0))
    book.add(entry())
    book.add(entry("1f8e2d11"))
    assert [one.id for one in book.read()] == ["0f8e2d11", "1f8e2d11"]
    assert stat.S_IMODE(book.path.stat().st_mode) == 0o640
    before = book.stamp()
    assert book.remove("0f", "eve", START_NS).removed_by == "eve"
    assert book.stamp() != before
    assert [one.state(START_NS) for one in book.read()] == ["removed", "active"]


@pytest.mark.parametrize("id", ["", "ff", "0"])
def test_only_one_that_is_in_force_can_be_removed(tmp_path, id):
    book = Book(tmp_path)
    for one in ("0f8e2d11", "0e8e2d11"):
        book.add(entry(one))
    with pytest.raises(KeyError):
        book.remove(id, "eve", START_NS)
    book.remove("0f8e2d11", "eve", START_NS)
    with pytest.raises(KeyError):
        book.remove("0f8e2d11", "eve", START_NS)


def test_what_has_been_over_for_a_month_goes_at_the_next_change(tmp_path):
    book = Book(tmp_path)
    book.add(entry())
    later = START_NS + 32 * DAY_NS
    book.add(entry("1f8e2d11", created=format_time(later), until=format_time(later + DAY_NS)))
    assert [one.id for one in book.read()] == ["1f8e2d11"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"suppressions": [{"id": "x"}]}', '{"sup": []}', "\xff", "null"],
)
def test_a_broken_book_is_e002_and_not_written_over(tmp_path, text):
    book = Book(tmp_path)
    book.path.write_text(text, encoding="latin-1")
    for action in (book.read, lambda: book.add(entry())):
        with pytest.raises(MLIDSError) as caught:
            action()
        assert caught.value.code == "E002"
    assert book.path.read_text(encoding="latin-1") == text


def test_an_id_that_comes_twice_is_told(tmp_path):
    book = Book(tmp_path)
    twice = {"version": 1, "suppressions": [entry(), entry()]}
    book.path.write_bytes(msgspec.json.encode(twice))
    with pytest.raises(MLIDSError, match="twice"):
        book.read()


def test_there_are_not_more_than_can_be_asked(tmp_path):
    book = Book(tmp_path)
    many = [entry(f"{n:08x}") for n in range(MOST)]
    book.path.write_bytes(msgspec.json.encode({"suppressions": many}))
    with pytest.raises(MLIDSError, match="10,000"):
        book.add(entry("ffffffff"))


WRITER = """
import sys
from pathlib import Path
from mlids.suppression.book import Book
from mlids.suppression.entries import Suppression
for n in range(20):
    Book(Path(sys.argv[1])).add(Suppression(id=f"{sys.argv[2]}{n:07x}", created="2025-01-13T00:00:00Z",
        until="2025-02-13T00:00:00Z", by="x", reason="y", type="XSS"))
"""


def test_two_writers_do_not_undo_each_other(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), digit], cwd=ROOT)
        for digit in "ab"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert len(Book(tmp_path).read()) == 40
