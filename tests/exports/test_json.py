import json

from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.exports.facts import stored
from mlids.exports.json import render
from mlids.testing import event
from tests.exports.examples import hostile


def test_any_number_of_events_is_one_array():
    for count in range(4):
        events = [event(seconds=n) for n in range(count)]
        assert json.loads(b"".join(render(events))) == events


def test_no_character_acts_on_who_looks_at_it():
    made = b"".join(render([event(details={"user": "\x9b31m\u202e"})]))
    assert b'"\\u009b31m\\u202e"' in made


@settings(deadline=None)
@given(st.lists(hostile(), max_size=3))
def test_hostile_events_are_read_as_they_were(events):
    assert json.loads(b"".join(render(events))) == [stored(made) for made in events]
