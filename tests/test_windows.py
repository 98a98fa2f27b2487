from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlids.windows import Windows, count, distinct, within

KEEP, SPAN = 5, 100
marks = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 300), st.sampled_from("uvw")), max_size=60
)


@given(marks.map(lambda added: sorted(added, key=lambda mark: mark[1])))
def test_counts_are_those_of_all_marks_ever_seen(added):
    windows = Windows(KEEP, SPAN)
    seen: dict[str, list[tuple[int, str]]] = {}
    for key, time, value in added:
        known = seen.setdefault(key, [])
        time = max(time, known[-1][0]) if known else time
        known.append((time, value))
        ring = windows.add(key, (time, value))
        for span in (1, 30, SPAN):
            inside = [(t, v) for t, v in known if time - span < t <= time][-KEEP:]
            assert count(ring, time, span) == len(inside)
            assert distinct(ring, time, span, 1) == len({v for _, v in inside})
            assert list(within(ring, time, span)) == inside


@given(marks, marks)
def test_saved_and_restored_is_the_same(before, after):
    kept, other = Windows(KEEP, SPAN, keys=2), Windows(KEEP, SPAN, keys=2)
    for key, time, value in before:
        kept.add(key, (time, value))
    other.restore(kept.save())
    for key, time, value in after:
        assert kept.add(key, (time, value)) == other.add(key, (time, value))


def test_a_clock_that_steps_back_does_not_reorder():
    windows = Windows(KEEP, SPAN)
    windows.add("a", (50, "x"))
    assert windows.add("a", (10, "y")) == [(50, "x"), (50, "y")]


def test_the_key_longest_without_a_mark_goes_and_is_counted():
    windows = Windows(KEEP, SPAN, keys=2)
    for key, time in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        windows.add(key, (time,))
    assert [bool(windows.get(key)) for key in "abc"] == [True, False, True]
    assert windows.evicted == 1


def test_what_is_of_no_use_any_more_goes_uncounted():
    windows = Windows(KEEP, SPAN)
    windows.add("a", (1,))
    windows.add("b", (1 + SPAN,))
    assert (len(windows), windows.evicted) == (1, 0)


def test_marks_can_be_taken_back():
    windows = Windows(KEEP, SPAN)
    for time, value in ((1, "x"), (2, "y"), (3, "x")):
        windows.add("a", (time, value))
    windows.remove("a", 1, {"x"})
    assert windows.get("a") == [(2, "y")]
    windows.remove("a", 1, {"y"})
    assert not windows.get("a")
