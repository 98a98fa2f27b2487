from mlids.anomalies import detect
from mlids.volume import NS


def found(counts, method="mad", threshold=3.5, quantile=0.95):
    moments = [
        (n * 60 * NS + i, "t", f"{n}-{i}") for n, count in enumerate(counts) for i in range(count)
    ]
    return detect(
        moments,
        since_ns=0,
        until_ns=len(counts) * 60 * NS,
        window_s=60,
        method=method,
        threshold=threshold,
        quantile=quantile,
    )


def test_even_counts_are_usual():
    for method in ("mad", "zscore", "isolation_forest"):
        assert found([5] * 50, method) == []


def test_rare_single_events_are_no_anomaly():
    # Plain MAD is zero here and would call each of them infinitely odd.
    counts = [1] + [0] * 40 + [1] + [0] * 20
    assert found(counts) == []


def test_a_sudden_silence_is_an_anomaly():
    (gap,) = found([100] * 30 + [0] + [100] * 10)
    assert (gap["observed"], gap["usual"]) == (0, 100)
    assert gap["score"] < 0


def test_too_few_windows_say_nothing():
    assert found([1] * 5 + [100]) == []


def test_the_threshold_is_what_decides():
    counts = [10, 11, 9, 10] * 10 + [25]
    assert len(found(counts, threshold=3)) == 1
    assert found(counts, threshold=30) == []
