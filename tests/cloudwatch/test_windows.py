from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.cloudwatch import gathering
from mlids.cloudwatch import windows as module
from mlids.cloudwatch.answers import Answer
from mlids.cloudwatch.reading import TokenLost
from mlids.cloudwatch.windows import windows
from tests.cloudwatch.pages import Pages, event, numbered

END = 1000


def read(pages: Pages, start: int = 0, end: int = END, folder=None):
    """All windows, the messages in them, and the gaps."""
    found = list(windows(pages, "s", start, end, folder))
    assert found[0].start == start
    assert found[-1].end == end
    for one, other in pairwise(found):
        assert one.end == other.start
    lines = [(e.timestamp, e.message) for one in found for e in one.events()]
    return found, lines, [one.gap for one in found if one.gap]


def truth(pages: Pages) -> list[tuple[int, str]]:
    return [(e.timestamp, e.message) for e in pages.events]


@pytest.fixture
def small(monkeypatch):
    """Windows of ten events."""
    monkeypatch.setattr(gathering, "MOST_EVENTS", 10)


@pytest.mark.parametrize("has_ids", [True, False])
def test_pages_are_followed_to_the_end(has_ids):
    pages = Pages(numbered(range(20)), has_ids=has_ids)
    if not has_ids:
        for one in pages.events:
            one.event_id = ""
    found, lines, gaps = read(pages)
    assert lines == truth(pages)
    assert (len(found), gaps, found[0].duplicates) == (1, [], 0)
    assert found[0].pages == (7 if has_ids else 8)  # the last one says that there is no more


def test_an_empty_period_is_one_window():
    found, lines, _ = read(Pages([]))
    assert (len(found), found[0].pages, lines) == (1, 1, [])
    assert list(windows(Pages([]), "s", 5, 5)) == []


def test_empty_pages_in_between_are_no_end():
    empties = {2, 3, 4, 7}

    def fault(number, answer, token):
        return Answer([], token or "0:0") if number in empties else answer

    pages = Pages(numbered(range(10)), fault=fault)
    _found, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])


def test_a_page_that_comes_twice_is_dropped():
    held = []

    def fault(number, answer, token):
        held.append(answer)
        return held[-2] if number == 3 else answer

    pages = Pages(numbered(range(10)), fault=fault)
    found, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])
    assert found[0].duplicates == 3


def test_a_token_that_leads_nowhere_is_left_for_a_new_beginning():
    def fault(number, answer, token):
        if token and token.startswith("0:") and int(token[2:]) >= 6:
            return Answer(numbered(range(3)), token)  # the first page, and no way on
        return answer

    pages = Pages(numbered(range(12)), fault=fault)
    found, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])
    assert [one.start for one in found] == [0, 5]  # begun again at the last time seen


def test_tokens_in_a_circle_end():
    def fault(number, answer, token):
        if token == "0:6":
            return Answer(answer.events, "0:3")
        return answer

    pages = Pages(numbered(range(12)), fault=fault)
    _, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])


def test_what_cannot_be_had_is_a_gap():
    stuck = Pages([event(7, str(n), n) for n in range(9)])  # one millisecond: nothing to cut at
    stuck.fault = lambda number, answer, token: Answer(answer.events[:3], "7:0" if token else "0:0")
    pages = Pages([event(7, str(n), n) for n in range(9)])
    pages.fault = lambda number, answer, token: Answer(pages.events[:3], "same")
    pages.page = lambda stream, start, end, token: Answer(pages.events[:3], "same")  # type: ignore
    found, lines, gaps = read(pages)
    assert lines == truth(pages)[:3]
    assert gaps == ["AWS repeats a token"]
    assert found[-1].start == 7


def test_empty_pages_with_one_token_are_no_end():
    """There may be more, as AWS documents it; that it never comes is not for us to guess."""
    there = numbered([0, 1, 1, 1])

    class Stuck(Pages):
        def page(self, stream, start, end, token):
            answer = super().page(stream, start, end, token)
            return Answer([], token) if token else answer

    pages = Stuck(there, size=2)
    _, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages)[:3], ["AWS repeats a token"])


def test_pages_without_end_are_a_gap(monkeypatch):
    monkeypatch.setattr(module, "IDLE", 20)

    class Endless(Pages):
        def page(self, stream, start, end, token):
            number = int(token or 0) + 1
            self.asked.append((start, end, token))
            return Answer(numbered([3, 4]) if number == 1 else [], str(number))

    pages = Endless([])
    _, lines, gaps = read(pages)
    assert len(lines) == 2
    assert gaps == ["AWS sends pages without end"]
    assert len(pages.asked) < 50


def test_a_full_window_is_cut_at_the_last_time_seen(small):
    pages = Pages(numbered([n // 2 for n in range(60)]), size=4)
    found, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])
    assert len(found) > 4
    assert max(len(one) for one in found) <= 14


def test_what_is_not_sorted_is_never_cut(small, tmp_path):
    pages = Pages(numbered(range(40)), size=5)
    shuffled = pages.events[:]
    random.Random(1).shuffle(shuffled)
    pages.page = (
        lambda stream, start, end, token: Answer(  # type: ignore[method-assign]
            [e for e in shuffled[int(token or 0) :][:5] if start <= e.timestamp < end],
            str(int(token or 0) + 5) if int(token or 0) + 5 < 40 else None,
        )
    )
    found, lines, gaps = read(pages, folder=tmp_path)
    assert lines == sorted(truth(pages))
    assert (len(found), gaps) == (1, [])
    assert list(tmp_path.iterdir()) == []  # the overflow has no name


def test_a_late_event_in_a_later_page_is_not_lost():
    pages = Pages(numbered(range(9)))
    late = event(2, "late", 99)

    def fault(number, answer, token):
        if number == 3:
            answer.events.append(late)
        return answer

    pages.fault = fault
    _, lines, _ = read(pages)
    assert lines == sorted([*truth(pages), (2, "late")], key=lambda one: one[0])


def test_a_flood_within_one_millisecond_is_whole_and_once(small, tmp_path):
    flood = [event(5, f"{n}", n) for n in range(200)]
    before, behind = [event(4, "before", 1000)], [event(6, "behind", 1001)]
    pages = Pages(before + flood + behind, size=7)
    found, lines, gaps = read(pages, folder=tmp_path)
    assert (lines, gaps) == (truth(pages), [])
    assert [one.start for one in found] == [0, 5]


def test_a_cut_behind_a_flood(small, tmp_path):
    flood = [event(5, f"{n}", n) for n in range(40)]
    pages = Pages(flood + [event(6 + n, f"x{n}", 100 + n) for n in range(30)], size=7)
    found, lines, _ = read(pages, start=5, folder=tmp_path)
    assert lines == truth(pages)
    assert len(found) > 1


def test_what_lies_outside_the_period_is_not_kept():
    pages = Pages(numbered(range(10)))

    def fault(number, answer, token):
        answer.events.insert(0, event(-5, "before", "a"))
        answer.events.append(event(END, "behind", "b"))
        return answer

    pages.fault = fault
    _, lines, _ = read(pages)
    assert lines == truth(pages)


def test_equal_lines_without_ids_are_kept():
    pages = Pages([event(n // 4, "same") for n in range(20)], has_ids=False)
    _, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])
    assert len(lines) == 20


def test_a_page_that_is_repeated_without_ids_counts_once():
    held = []

    def fault(number, answer, token):
        if number == 3:  # the page before once more, with the token that was sent
            return Answer(held[-1].events, None, token)
        held.append(answer)
        return answer

    pages = Pages([event(n, "same") for n in range(9)], has_ids=False, fault=fault)
    _, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])


def test_windows_without_ids_are_cut_too(small):
    pages = Pages([event(n // 3, str(n)) for n in range(50)], size=4, has_ids=False)
    found, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])
    assert len(found) > 3


@pytest.mark.parametrize("has_ids", [True, False])
def test_a_token_that_is_lost_costs_nothing(has_ids):
    lost = []

    def fault(number, answer, token):
        if token == "0:6" and not lost:
            lost.append(token)
            raise TokenLost
        return answer

    ids = range(12) if has_ids else [""] * 12
    pages = Pages([event(n, str(n), i) for n, i in enumerate(ids)], has_ids=has_ids, fault=fault)
    _, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])
    assert lost


def test_tokens_that_are_always_lost_are_a_gap():
    def fault(number, answer, token):
        if token:
            raise TokenLost
        return answer

    pages = Pages([event(5, str(n), n) for n in range(9)], fault=fault)
    _, lines, gaps = read(pages)
    assert gaps == ["a page could not be asked for any more"]
    assert lines == truth(pages)[:3]


@settings(max_examples=150, deadline=None)
@given(
    times=st.lists(st.integers(0, 60), max_size=80),
    size=st.integers(1, 9),
    seed=st.integers(0, 10**6),
    has_ids=st.booleans(),
)
def test_whatever_goes_wrong_the_truth_comes_out(times, size, seed, has_ids):
    """Repeats of the page before, empty pages, duplicates, events from elsewhere, lost tokens."""
    chance = random.Random(seed)
    events = numbered(sorted(times))
    if not has_ids:
        for one in events:
            one.event_id = ""
    held: list[Answer] = []

    def fault(number, answer, token):
        what = chance.randrange(8 if has_ids else 3)
        if what == 0 and token and chance.random() < 0.3:
            raise TokenLost
        if what == 1 and held and has_ids:
            return Answer(held[-1].events, token) if token else answer
        if what == 2 and has_ids and token:
            return Answer([], token)
        if what == 3 and held:
            answer.events = answer.events + held[-1].events
        if what == 4:
            answer.events = [event(-1, "no", "x"), *answer.events]
        held.append(answer)
        return answer

    pages = Pages(events, size=size, fault=fault, has_ids=has_ids)
    before, gathering.MOST_EVENTS = gathering.MOST_EVENTS, 10
    try:
        _, lines, gaps = read(pages)
    finally:
        gathering.MOST_EVENTS = before
    if not gaps:
        assert lines == truth(pages)
    else:  # bad luck several times in a row: told, and nothing made up
        assert set(lines) <= set(truth(pages))


def test_tokens_in_a_circle_without_ids_repeat_nothing():
    def fault(number, answer, token):
        return Answer(answer.events, None, "0:3") if token == "0:6" else answer

    pages = Pages([event(n, str(n)) for n in range(12)], has_ids=False, fault=fault)
    _, lines, gaps = read(pages)
    assert (lines, gaps) == (truth(pages), [])
    flood = Pages([event(0, str(n)) for n in range(12)], has_ids=False, fault=fault)
    _, lines, gaps = read(flood)
    assert (lines, gaps) == (truth(flood)[:9], ["AWS repeats a token"])


def test_tokens_without_ids_that_are_always_lost_are_a_gap():
    def fault(number, answer, token):
        if token:
            raise TokenLost
        return answer

    pages = Pages([event(5, str(n)) for n in range(9)], fault=fault, has_ids=False)
    _, lines, gaps = read(pages)
    assert gaps == ["a page could not be asked for any more"]
    assert lines == truth(pages)[:3]


def test_a_last_page_with_the_token_that_was_sent_is_no_circle():
    class Early(Pages):
        def page(self, stream, start, end, token):
            answer = super().page(stream, start, end, token)
            if answer.events and answer.events[-1].message == "8":
                answer.next_forward_token = token
                self.events, self.all = [], self.events  # and then nothing
            return answer

    pages = Early([event(3, str(n)) for n in range(9)], has_ids=False)
    _, lines, gaps = read(pages)
    pages.events = pages.all
    assert (lines, gaps) == (truth(pages), [])
