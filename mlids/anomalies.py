"""Windows in which a type of event came unusually often or seldom, by robust statistics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mlids.errors import MLIDSError
from mlids.events import format_time

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NS = 1_000_000_000
LEARNED = 12  # windows: fewer say nothing about what is usual
SHOWN = 20  # event ids named per anomaly
MAD_TO_SIGMA = 1.4826  # of a normal distribution (Iglewicz and Hoaglin, 1993)
METHODS = ("mad", "zscore", "isolation_forest")

Moment = tuple[int, str, str]  # ns since 1970, type, event id


def detect(
    moments: Iterable[Moment],
    *,
    since_ns: int,
    until_ns: int,
    window_s: int,
    method: str,
    threshold: float,
    quantile: float,
) -> list[dict[str, Any]]:
    """The unusual windows that begin in [since_ns, until_ns), the most unusual first.

    Usual is what all windows up to `until_ns` say, from the first event on. threshold: deviations
    (mad, zscore); quantile: share of windows that a forest takes as normal. Raises `MLIDSError`
    E105 for an unknown method, ImportError where scikit-learn is missing.
    """
    if method not in METHODS:
        raise MLIDSError("E105", f"unknown method {method!r}", f"use {', '.join(METHODS)}")
    seen = [moment for moment in moments if moment[0] < until_ns]
    if not seen:
        return []
    begin = min(moment[0] for moment in seen)
    width = window_s * NS
    count = (until_ns - begin) // width  # whole windows only, the last one ends at until_ns
    begin = until_ns - count * width
    if count < LEARNED:
        return []
    found = [
        anomaly
        for type, windows in _windows(seen, begin, width).items()
        for anomaly in _unusual(type, windows, int(count), method, threshold, quantile)
        if begin + anomaly["window"] * width >= since_ns
    ]
    for anomaly in found:
        at = begin + int(anomaly.pop("window")) * width
        anomaly |= {"since": format_time(at), "until": format_time(at + width), "method": method}
    return sorted(found, key=lambda anomaly: -abs(anomaly["score"]))


def _windows(seen: Iterable[Moment], begin: int, width: int) -> dict[str, dict[int, list[str]]]:
    """Per type, per window: the ids of its events."""
    windows: dict[str, dict[int, list[str]]] = {}
    for moment, type, identity in seen:
        if moment >= begin:
            at = (moment - begin) // width
            windows.setdefault(type, {}).setdefault(at, []).append(identity)
    return windows


def _unusual(
    type: str,
    windows: dict[int, list[str]],
    count: int,
    method: str,
    threshold: float,
    quantile: float,
) -> Iterator[dict[str, Any]]:
    import numpy as np

    counts = np.zeros(count)
    for at, identities in windows.items():
        counts[at] = len(identities)
    usual, scores, limit = _scores(counts, method, threshold, quantile)
    for odd in np.flatnonzero(np.abs(scores) > limit).tolist():
        identities = windows.get(odd, [])
        yield {
            "type": type,
            "window": odd,
            "usual": round(float(usual), 3),
            "observed": int(counts[odd]),
            "score": round(float(scores[odd]), 3),
            "threshold": round(float(limit), 3),
            "events": identities[:SHOWN],
        }


def _scores(
    counts: NDArray[np.float64], method: str, threshold: float, quantile: float
) -> tuple[float, NDArray[np.float64], float]:
    """Usual value, score of each window, and the score above which one is unusual."""
    import numpy as np

    median = float(np.median(counts))
    if method == "isolation_forest":
        return median, *_forest(counts, median, quantile)
    usual = median if method == "mad" else float(counts.mean())
    spread = np.abs(counts - median)
    measured = MAD_TO_SIGMA * np.median(spread) if method == "mad" else counts.std()
    # The floor is the spread of a Poisson count: plain MAD is zero where most windows are empty.
    scale = max(float(measured), max(usual, 1.0) ** 0.5)
    return usual, (counts - usual) / scale, threshold


def _forest(
    counts: NDArray[np.float64], median: float, quantile: float
) -> tuple[NDArray[np.float64], float]:
    import numpy as np
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=100, max_samples=min(4096, len(counts)), random_state=0)
    column = counts.reshape(-1, 1)
    isolation = -forest.fit(column).score_samples(column)  # 0 to 1, higher is odder
    limit = float(np.quantile(isolation, quantile))
    near = np.abs(counts - median) <= max(median, 1.0) ** 0.5  # within a Poisson count's spread
    return np.where(near, 0.0, isolation), max(limit, 0.5)
