from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from mlids.cloudwatch.parallel import Progress, each
from mlids.cloudwatch.reading import Stopped


def test_results_come_in_order_and_errors_as_they_are():
    def work(number: int) -> int:
        time.sleep(0.01 * (5 - number))
        if number == 3:
            raise ValueError("three")
        return number * number

    found = each(work, range(5), 3, threading.Event())
    assert found[:3] + found[4:] == [0, 1, 4, 16]
    assert isinstance(found[3], ValueError)


def test_no_more_than_so_many_at_once():
    running, most, lock = [0], [0], threading.Lock()

    def work(_: int) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    each(work, range(20), 4, threading.Event())
    assert most[0] == 4


def test_an_interrupt_ends_what_runs_and_begins_nothing_more():
    stop, begun = threading.Event(), []

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(20)
        raise Stopped

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        each(work, range(50), 2, stop)
    assert time.monotonic() - began < 5
    assert len(begun) <= 3


def test_progress_is_a_share_of_the_time():
    progress = Progress()
    assert progress.share == 0
    progress.expect("a", {}, 1000, 1100)
    progress.expect("b", {"firstEventTimestamp": 500, "lastEventTimestamp": 800}, 0, 10**9)
    progress.moved("a", 7, 1050)
    assert (progress.events, progress.share) == (7, 50 / 400)
    progress.moved("a", 3, 9999)  # never more than there is
    assert (progress.events, progress.share) == (10, 100 / 400)
    progress.ended("b")
    assert (progress.streams, progress.share) == (1, 1.0)
    progress.moved("unknown", 1, 5)
    assert progress.share == 1.0


def test_an_interrupt_does_not_wait_for_what_waits_for_aws():
    begun, silent, done = threading.Event(), threading.Event(), []

    def work(number: int) -> None:
        if number == 0:
            assert begun.wait(20)
            os.kill(os.getpid(), signal.SIGINT)
            silent.wait(20)
        begun.set()
        time.sleep(0.3)  # is given the time to keep how far it is
        done.append(number)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        each(work, range(50), 2, threading.Event())
    assert time.monotonic() - began < 5
    assert 1 in done and len(done) < 5
    silent.set()
