from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.events import Event
from mlids.exports.facts import stored
from mlids.exports.jsonl import render
from mlids.testing import event
from tests.exports.examples import hostile


def test_one_event_a_line():
    events = [event(seconds=n, details={"user": "a\nb"}) for n in range(3)]
    lines = b"".join(render(events)).splitlines()
    assert [Event.decode(line) for line in lines] == events


@settings(deadline=None)
@given(st.lists(hostile(), max_size=3))
def test_hostile_events_are_one_line_each_whatever_ends_lines(events):
    lines = b"".join(render(events)).decode().splitlines()
    assert [Event.decode(line) for line in lines] == [stored(made) for made in events]
