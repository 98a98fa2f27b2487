"""Windows of time in which something came unusually often or seldom, by robust statistics.

What is usual is learned for each hour of the week, where the log reaches back far enough, since
what is usual on a Monday morning is not at night.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mlids.errors import MLIDSError
from mlids.events import format_time

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NS = 1_000_000_000
HOUR_S, WEEK_H = 3600, 168
LEARNED = 12  # windows: fewer say nothing about what is usual
WEEKS = 3  # an hour of the week must have come so often to be judged by itself
MAD_TO_SIGMA = 1.4826  # of a normal distribution (Iglewicz and Hoaglin, 1993)
TREES, SAMPLES = 100, 4096  # of a forest; with fewer samples its answers are unstable
METHODS = ("mad", "zscore", "isolation_forest")

Rate = tuple[int, str, int]  # start of a window (ns since 1970), value, count


class Judging(msgspec.Struct, frozen=True):
    """How windows are judged.

    window_s: their length; method: of `METHODS`; threshold: deviations from the usual value above
    which one is unusual (mad, zscore); quantile: share of windows that a forest takes as normal.
    """

    window_s: int = 300
    method: str = "mad"
    threshold: float = 3.5
    quantile: float = 0.95


class Anomaly(msgspec.Struct):
    """One or more windows in a row that were unusual.

    by, value: what was counted: a type of event, or the events of an entity; since, until: UTC;
    usual, observed: counts in that time; score: of its oddest window, negative where too little
    came; threshold: what the score was held against; basis: what "usual" was learned from; events:
    ids of some of the events behind it.
    """

    by: str
    value: str
    since: str
    until: str
    usual: float
    observed: int
    score: float
    threshold: float
    method: str
    basis: str
    events: list[str] = []


class _Expected(NamedTuple):
    """Per window: the usual count and the deviation that is to be expected."""

    usual: NDArray[np.float64]
    scale: NDArray[np.float64]


def detect(
    rates: Iterable[Rate],
    *,
    by: str,
    begin_ns: int,
    since_ns: int,
    until_ns: int,
    judging: Judging,
    known_only: bool = False,
) -> list[Anomaly]:
    """What was unusual in [since_ns, until_ns), the oddest first.

    rates: counts of windows that begin at multiples of their length, those without events left
    out; by: what their values are; begin_ns: where the log begins, from when a window without
    events is one with the count 0; known_only: pass over values that came in few windows, which
    nothing is known of. Raises `MLIDSError` E105 for an unknown method, ImportError where
    scikit-learn is missing.
    """
    if judging.method not in METHODS:
        hint = f"use {', '.join(METHODS)}"
        raise MLIDSError("E105", f"unknown method {judging.method!r}", hint)
    width = judging.window_s * NS
    first, last = -(-begin_ns // width), until_ns // width  # whole windows only
    if last - first < LEARNED:
        return []
    series: dict[str, dict[int, int]] = {}
    for start, value, count in rates:
        if first <= start // width < last:
            series.setdefault(value, {})[start // width - first] = count
    basis = _Basis(first, last - first, judging)
    inspected = max(0, since_ns // width - first)
    found = [
        anomaly
        for value, counts in series.items()
        if not known_only or len(counts) >= LEARNED
        for anomaly in basis.judge(by, value, counts, inspected)
    ]
    return sorted(found, key=lambda anomaly: -abs(anomaly.score))


class _Basis:
    """The windows that all series share; first: the number of the first one since 1970."""

    def __init__(self, first: int, count: int, judging: Judging) -> None:
        import numpy as np

        self.first, self.count, self.judging = first, count, judging
        hours = (np.arange(first, first + count) * judging.window_s) // HOUR_S
        span_h = count * judging.window_s / HOUR_S
        self.weekly = span_h >= WEEKS * WEEK_H
        groups = hours % WEEK_H if self.weekly else np.zeros(count, dtype=np.int64)
        order = np.argsort(groups, kind="stable")
        cuts = np.flatnonzero(np.diff(groups[order])) + 1
        self._groups = np.split(order, cuts)

    def judge(
        self, by: str, value: str, counted: dict[int, int], inspected: int
    ) -> Iterator[Anomaly]:
        """The anomalies of one series from the window `inspected` on."""
        import numpy as np

        counts = np.zeros(self.count)
        counts[list(counted)] = list(counted.values())
        expected = self._expected(counts)
        scores, limit = self._scores(counts, expected)
        odd = np.flatnonzero(np.abs(scores) > limit)
        for run in _runs(odd[odd >= inspected], scores):
            worst = max((float(scores[at]) for at in run), key=abs)
            yield Anomaly(
                by,
                value,
                self._moment(run[0]),
                self._moment(run[-1] + 1),
                round(float(expected.usual[run].sum()), 3),
                int(counts[run].sum()),
                round(worst, 3),
                round(limit, 3),
                self.judging.method,
                "this hour of the week" if self.weekly else "all windows",
            )

    def _moment(self, at: int) -> str:
        return format_time((self.first + at) * self.judging.window_s * NS)

    def _expected(self, counts: NDArray[np.float64]) -> _Expected:
        import numpy as np

        usual, scale = np.empty(self.count), np.empty(self.count)
        for group in self._groups:
            some = counts[group]
            if self.judging.method == "zscore":
                centre, spread = float(some.mean()), float(some.std())
            else:
                centre = float(np.median(some))
                spread = MAD_TO_SIGMA * float(np.median(np.abs(some - centre)))
            usual[group] = centre
            # The floor is a Poisson count's spread: plain MAD is 0 where most windows are empty.
            scale[group] = max(spread, max(centre, 1.0) ** 0.5)
        return _Expected(usual, scale)

    def _scores(
        self, counts: NDArray[np.float64], expected: _Expected
    ) -> tuple[NDArray[np.float64], float]:
        """Of each window how odd it is, and the score above which it is an anomaly."""
        import numpy as np

        deviations = (counts - expected.usual) / expected.scale
        if self.judging.method != "isolation_forest":
            return deviations, self.judging.threshold
        from sklearn.ensemble import IsolationForest

        forest = IsolationForest(
            n_estimators=TREES, max_samples=min(SAMPLES, self.count), random_state=0
        )
        rows = np.column_stack([counts, deviations])
        isolation = -forest.fit(rows).score_samples(rows)  # 0 to 1, higher is odder
        limit = max(float(np.quantile(isolation, self.judging.quantile)), 0.5)
        # A forest finds the rarest counts odd; what is within the usual spread is not.
        odd = np.where(np.abs(deviations) <= 1, 0.0, isolation)
        return odd * np.sign(deviations), limit


def _runs(odd: NDArray[np.int64], scores: NDArray[np.float64]) -> Iterator[list[int]]:
    """Windows next to each other that are odd in the same direction."""
    run: list[int] = []
    for at in odd.tolist():
        if run and (at != run[-1] + 1 or (scores[at] > 0) != (scores[run[-1]] > 0)):
            yield run
            run = []
        run.append(at)
    if run:
        yield run
