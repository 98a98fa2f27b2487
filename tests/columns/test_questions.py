import msgspec
import pytest

from mlids import segments
from mlids.columns import companions
from mlids.columns.building import build_missing
from mlids.columns.questions import Question
from mlids.testing import START_NS, event
from mlids.volume import NS


@pytest.fixture
def head(logs):
    build_missing(logs)
    return companions.head(segments.sealed(logs)[0])  # 50 s from START_NS


def test_periods(head):
    last = START_NS + 49 * NS
    assert Question("", START_NS, last + 1).covers(head)
    assert not Question("", START_NS, last).covers(head)
    assert not Question("x", START_NS, last + 1).covers(head)
    assert Question("", last, None).may_meet(head)
    assert not Question("", last + 1, None).may_meet(head)
    assert not Question("", 0, START_NS).may_meet(head)
    assert Question("", 5, -(10**30)).last == 0


def test_types_and_severities(head):
    assert not Question("type:xss").may_meet(head)
    assert not Question("severity:LOW").may_meet(head)
    assert Question("type:failed*").may_meet(head)
    assert Question("type:xss").may_meet(msgspec.structs.replace(head, types=()))
    assert not Question("").may_meet(msgspec.structs.replace(head, rows=0))


def test_an_event_belongs_by_time_and_query():
    question = Question("user:admin", START_NS, START_NS + NS)
    assert question.meets(event())
    assert not question.meets(event(seconds=1))
    assert not question.meets(event(details={}))
