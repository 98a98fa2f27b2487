from hypothesis import given
from hypothesis import strategies as st

from mlids.query import parse, quoted
from mlids.testing import event


@given(st.text(min_size=1, max_size=50))
def test_any_value_is_found_by_itself_and_finds_nothing_else(value):
    query = parse(f"type:{quoted(value)}")
    assert query.matches(event(value))
    assert not query.matches(event(value + "x"))
    assert not query.matches(event("x" + value))


def test_what_could_mean_something_means_itself():
    for value in ("*", "a?b", 'say "hi"', "back\\slash", "a OR b", "(x", "10.0.0.0/8"):
        query = parse(f"user:{quoted(value)}")
        assert query.matches(event(details={"user": value}))
        assert not query.matches(event(details={"user": "other"}))
