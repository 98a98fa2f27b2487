from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from mlids.volume import NS, Repeats


def told(repeats, moments, key="k"):
    found = [t for moment in moments for t in repeats.trigger(key, moment * NS)]
    return found + list(repeats.flush())


def test_ten_thousand_triggers_are_told_at_most_six_times_and_add_up():
    tellings = told(Repeats(60), range(10_000))
    assert [t.total for t in tellings] == [1, 10, 100, 1000, 10_000]
    assert sum(t.suppressed + 1 for t in tellings) == 10_000


def test_what_is_left_over_is_told_when_the_episode_ends():
    repeats = Repeats(60)
    assert len(list(repeats.trigger("k", 0))) == 1
    assert list(repeats.trigger("k", 5 * NS)) == []
    assert list(repeats.close(30 * NS)) == []
    (rest,) = repeats.close(66 * NS)
    assert (rest.total, rest.suppressed, rest.last_ns) == (2, 0, 5 * NS)
    assert list(repeats.close(1000 * NS)) == []


def test_a_quiet_time_begins_a_new_episode():
    repeats = Repeats(60)
    list(repeats.trigger("k", 0))
    (again,) = repeats.trigger("k", 61 * NS)
    assert (again.total, again.first_ns) == (1, 61 * NS)


def test_keys_do_not_hide_one_another():
    repeats = Repeats(60)
    assert all(len(list(repeats.trigger(n, 0))) == 1 for n in range(100))


def test_memory_is_bounded_and_what_is_evicted_is_told():
    repeats = Repeats(60, keys=2)
    list(repeats.trigger("a", 0, times=3))
    list(repeats.trigger("b", 1))
    tellings = list(repeats.trigger("c", 2))
    assert [(t.key, t.total) for t in tellings] == [("a", 3), ("c", 1)]
    assert repeats.evicted == 1


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(1, 30))),
    st.lists(st.integers(0, 1)),
)
def test_the_counts_always_add_up_and_survive_a_restart(triggers, restarts):
    repeats, now, tellings, count = Repeats(20, keys=2), 0, [], 0
    for n, (key, step, times) in enumerate(triggers):
        now += step * NS
        count += times
        tellings += repeats.trigger(key, now, times)
        if restarts and restarts[n % len(restarts)]:
            state, repeats = repeats.save(), Repeats(20, keys=2)
            repeats.restore(state)
        tellings += repeats.close(now)
    tellings += repeats.flush()
    assert sum(t.suppressed + 1 for t in tellings) == count


@given(st.lists(st.integers(0, 25), max_size=60), st.integers(1, 40))
def test_many_triggers_at_once_say_what_each_alone_says(pauses: list[int], piece: int) -> None:
    times = list(accumulate(pauses))
    one, other = Repeats(10 / NS), Repeats(10 / NS)
    apart = [telling for time in times for telling in one.trigger("x", time)]
    together = [
        telling
        for at in range(0, len(times), piece)
        for _, telling in other.trigger_each("x", times[at : at + piece])
    ]
    assert together == apart
    assert list(one.flush()) == list(other.flush())


def test_which_of_many_triggers_told():
    repeats = Repeats(60)
    assert [n for n, _ in repeats.trigger_each("x", [n * NS for n in range(12)])] == [0, 9]
    assert [n for n, _ in repeats.trigger_each("x", [100 * NS])] == [0, 0]  # the rest, and anew
