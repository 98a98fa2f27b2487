import pytest

from mlids import segments
from mlids.columns import companions
from mlids.columns.answers import Answers
from mlids.columns.asking import UnansweredError
from mlids.columns.building import build_missing
from mlids.columns.gathering import Counts
from mlids.columns.questions import Part, Question


@pytest.fixture
def parts(logs):
    build_missing(logs)
    return [Part(path, companions.head(path)) for path in segments.sealed(logs)]


def numbers(found):
    return [event.details["n"] for event in found]


@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("stop", [0, 1, 49, 50, 51, 99])
def test_columns_that_fail_half_way_are_read_on_from_the_lines(parts, stop, newest, monkeypatch):
    answers = Answers()
    whole, told = answers._columns.rows, [0]

    def failing(*args):
        for row in whole(*args):
            if told[0] == stop:
                told[0] += 1
                raise UnansweredError("gone")
            told[0] += 1
            yield row

    monkeypatch.setattr(answers._columns, "rows", failing)
    expected = list(range(100))
    assert numbers(answers.events(parts, Question(""), newest)) == (
        expected[::-1] if newest else expected
    )


def test_parts_with_and_without_columns_keep_their_order(parts):
    mixed = [parts[0], Part(parts[1].path, None)]
    answers = Answers()
    assert numbers(answers.events(mixed, Question(""))) == list(range(100))
    counts = Counts([])
    answers.gather(mixed, Question("ip:10.0.0.0/16"), counts)
    assert counts.counts.total() == 100


def test_unsound_columns_are_put_aside(parts):
    path = companions.columns_path(parts[0].path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert numbers(Answers().events(parts, Question(""))) == list(range(100))
    assert not path.exists()
