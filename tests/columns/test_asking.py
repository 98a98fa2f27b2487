import pytest

from mlids import segments
from mlids.columns import companions
from mlids.columns.asking import Columns, UnansweredError
from mlids.columns.building import build_missing
from mlids.columns.keys import key
from mlids.columns.questions import Question


@pytest.fixture
def paths(logs):
    build_missing(logs)
    return segments.sealed(logs)


def test_rows_come_in_order(paths):
    columns = Columns()
    found = list(columns.rows(paths, Question("ip:10.0.0.0/16")))
    assert [line for _, line, _, _ in found] == [*range(1, 51), *range(1, 51)]
    assert all(sure for _, _, sure, _ in found)
    backwards = columns.rows(paths[:1], Question("ip:10.0.0.1"), newest=True)
    assert [line for _, line, _, _ in backwards] == list(range(47, 0, -5))
    assert not any(sure for _, _, sure, _ in columns.rows(paths, Question("admin OR 10")))


def test_groups(paths):
    found = list(Columns().groups(paths, [key("ip").sql], Question("ip:*.1")))
    assert sorted(row[:2] for row in found) == [("10.0.0.1", 10), ("10.0.1.1", 10)]
    assert [row[0] for row in Columns().groups(paths, [], Question(""))] == [100]
    assert list(Columns().odd(paths, Question(""))) == []


def test_columns_that_cannot_be_read_raise(paths):
    companions.columns_path(paths[1]).write_bytes(b"PAR1 no")
    with pytest.raises(UnansweredError):
        list(Columns().groups(paths, [], Question("")))
