import random
from itertools import chain

import pytest

from mlids.anomalies import METHODS, Judging, detect
from mlids.errors import MLIDSError
from mlids.volume import NS

HOUR = 3600


def found(counts, window_s=60, since=0, known_only=False, value="t", **judging):
    """Anomalies in counts of windows from 1970 on, which was a Thursday."""
    width = window_s * NS
    rates = [(n * width, value, count) for n, count in enumerate(counts) if count]
    return detect(
        rates,
        by="type",
        begin_ns=0,
        since_ns=since * width,
        until_ns=len(counts) * width,
        judging=Judging(window_s=window_s, **judging),
        known_only=known_only,
    )


def test_even_counts_are_usual():
    for method in METHODS:
        assert found([5] * 50, method=method) == []


def test_rare_single_events_are_no_anomaly():
    # Plain MAD is zero here and would call each of them infinitely odd.
    counts = [1] + [0] * 40 + [1] + [0] * 20
    assert found(counts) == []


@pytest.mark.parametrize("method", METHODS)
def test_a_burst_is_found_with_what_is_usual_and_what_was_seen(method):
    rng = random.Random(3)
    counts = [rng.randint(8, 12) for _ in range(300)]
    counts[200:203] = [90, 95, 99]
    burst, *others = found(counts, method=method, quantile=0.98)
    assert (burst.since, burst.until) == (
        "1970-01-01T03:20:00.000000Z",
        "1970-01-01T03:23:00.000000Z",
    )
    assert burst.observed == 284
    assert 24 <= burst.usual <= 36
    assert burst.score > burst.threshold
    assert (burst.by, burst.value, burst.method) == ("type", "t", method)
    assert len(others) <= (3 if method == "isolation_forest" else 0)


def test_a_sudden_silence_is_an_anomaly():
    (gap,) = found([100] * 30 + [0] + [100] * 10)
    assert (gap.observed, gap.usual) == (0, 100)
    assert gap.score < 0


def test_what_is_usual_at_this_hour_of_the_week_is_no_anomaly():
    weeks = [[100 if hour == 50 else 2 for hour in range(168)] for _ in range(4)]
    counts = [count for week in weeks for count in week]
    assert found(counts, window_s=HOUR) == []
    weeks[3][51] = 100  # an hour late
    late = found([count for week in weeks for count in week], window_s=HOUR)
    assert [(one.observed, one.usual, one.basis) for one in late] == [
        (100, 2, "this hour of the week")
    ]
    # And where a backup did not run at its hour, its absence is.
    weeks[3][50] = 2
    assert {one.observed for one in found([*chain(*weeks)], window_s=HOUR)} == {100, 2}


def test_a_short_log_is_judged_as_a_whole():
    (burst,) = found([2] * 100 + [60], window_s=HOUR)
    assert burst.basis == "all windows"


def test_too_few_windows_say_nothing():
    assert found([1] * 5 + [100]) == []


def test_only_what_is_inspected_is_told():
    counts = [2] * 50 + [60] + [2] * 50
    assert len(found(counts, since=50)) == 1
    assert found(counts, since=51) == []


def test_what_nothing_is_known_of_can_be_passed_over():
    counts = [0] * 100 + [60]
    assert len(found(counts)) == 1
    assert found(counts, known_only=True) == []
    assert len(found([3] * 100 + [60], known_only=True)) == 1


def test_the_threshold_is_what_decides():
    counts = [10, 11, 9, 10] * 10 + [25]
    assert len(found(counts, threshold=3)) == 1
    assert found(counts, threshold=30) == []


def test_the_share_that_a_forest_takes_as_normal_is_what_decides():
    rng = random.Random(5)
    counts = [rng.randint(0, 60) for _ in range(400)]
    few = sum(one.observed for one in found(counts, method="isolation_forest", quantile=0.99))
    many = sum(one.observed for one in found(counts, method="isolation_forest", quantile=0.7))
    assert few < many


def test_the_windows_are_as_long_as_was_said():
    for window_s in (60, 900):
        (burst,) = found([2] * 100 + [60] + [2] * 10, window_s=window_s)
        assert burst.since.endswith("01:40:00.000000Z" if window_s == 60 else "01:00:00.000000Z")


def test_an_unknown_method_is_e105():
    with pytest.raises(MLIDSError, match="magic") as error:
        found([1] * 20, method="magic")
    assert (error.value.code, error.value.hint) == ("E105", "use mad, zscore, isolation_forest")
