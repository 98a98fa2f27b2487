import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.cloudwatch.pacing import Pace


class Time:
    """A clock that only sleeping moves, and never quite as far as was asked for at once."""

    def __init__(self):
        self.now = 100.0
        self.slept = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        part = seconds if seconds < 1e-3 else seconds * 0.9
        self.now += part
        self.slept += part


def most_in_a_span(times, span):
    return max(sum(1 for t in times if start <= t < start + span - 1e-9) for start in times)


@given(
    st.floats(0.05, 50),
    st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_never_more_in_any_sliding_second(rate, pauses):
    watch = Time()
    pace = Pace(rate, clock=watch.clock, sleep=watch.sleep)
    went = []
    for pause in pauses:
        watch.now += pause
        pace.wait("X")
        went.append(watch.now)
    assert most_in_a_span(went, 1.0) <= max(1, rate)
    assert rate >= 1 or most_in_a_span(went, 1 / rate) == 1
    assert pace.waited == pytest.approx(watch.slept)


def test_a_burst_goes_at_once_and_the_next_waits_no_longer_than_it_must():
    watch = Time()
    pace = Pace(5, clock=watch.clock, sleep=watch.sleep)
    went = []
    for _ in range(11):
        pace.wait("X")
        went.append(watch.now - 100)
    assert went == pytest.approx([0] * 5 + [1] * 5 + [2])
    assert pace.waited == pytest.approx(2)


def test_half_a_request_a_second_is_one_in_two():
    watch = Time()
    pace = Pace(0.5, clock=watch.clock, sleep=watch.sleep)
    for _ in range(3):
        pace.wait("X")
    assert watch.now == pytest.approx(104)


def test_kinds_do_not_wait_for_one_another():
    watch = Time()
    pace = Pace(1, clock=watch.clock, sleep=watch.sleep)
    for kind in "ABC":
        pace.wait(kind)
    assert watch.slept == 0


def test_zero_sets_no_bound():
    watch = Time()
    pace = Pace(0, clock=watch.clock, sleep=watch.sleep)
    for _ in range(1000):
        pace.wait("X")
    assert (watch.slept, pace.waited) == (0, 0)


@pytest.mark.parametrize("rate", [-1, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match="requests per second"):
        Pace(rate)


def test_threads_share_the_pace():
    pace, went = Pace(10), []

    def work():
        for _ in range(4):
            pace.wait("X")
            went.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(went) == 24
    assert most_in_a_span(sorted(went), 0.95) <= 10  # they note the time a little later
    assert 2 <= max(went) - min(went) < 4
    assert pace.waited > 2
