import pytest

from mlids import segments
from mlids.columns.asking import Columns
from mlids.columns.building import build_missing
from mlids.columns.gathering import Counts, Sums
from mlids.columns.keys import key
from mlids.columns.questions import Question
from mlids.records import read
from mlids.testing import event


@pytest.fixture
def paths(logs):
    build_missing(logs)
    return segments.sealed(logs)


def both(empty, paths, question):
    in_sql, in_python = empty.fresh(), empty.fresh()
    in_sql.ask(Columns(), paths, question)
    for path in paths:
        for found in filter(question.meets, map(read, segments.lines(path))):
            in_python.add(found)
    return in_sql, in_python


def test_sql_and_python_count_alike(paths):
    in_sql, in_python = both(Counts([key("ip"), key("type")]), paths, Question("ip:*.1"))
    assert (
        in_sql.counts
        == in_python.counts
        == {
            ("10.0.0.1", "Failed Login"): 10,
            ("10.0.1.1", "Failed Login"): 10,
        }
    )
    in_sql, in_python = both(Sums(), paths, Question("ip:10.0.1.0/24"))
    assert in_sql.tally == in_python.tally
    assert in_sql.tally.total == 50


def test_sums_of_sums():
    one, other = Counts([key("tags")]), Counts([key("tags")])
    one.add(event(tags=["a", "b"]))
    other.add(event(tags=["a"]))
    one.merge(other)
    assert one.counts == {("a",): 2, ("b",): 1}
    assert one.in_sql and not Counts([key("details.n")]).in_sql
