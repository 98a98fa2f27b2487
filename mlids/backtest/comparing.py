"""Two replays of the same evidence, held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlids.archive import Archive
from mlids.backtest import changes, verdicts
from mlids.backtest.differing import Differing
from mlids.backtest.planning import Period, planned, surveyed
from mlids.backtest.progress import Progress
from mlids.backtest.recorded import Judge
from mlids.backtest.replay import Replay
from mlids.backtest.report import BacktestReport
from mlids.config import ConfigManager
from mlids.errors import MLIDSError
from mlids.suppression.thresholding import Counters

MOST_BYTES = 1 << 30  # of files that are read again, each twice: minutes, not hours
MOST_ERRORS = 20


def backtest(
    archive: Archive,
    manager: ConfigManager,
    texts: Sequence[str],
    since_ns: int,
    until_ns: int,
    now_ns: int,
    progress: Progress | None = None,
    most_bytes: int = MOST_BYTES,
) -> BacktestReport:
    """What the settings, changed by texts such as ``brute_force_threshold=8``, would have told.

    since_ns, until_ns: the period, ns since 1970, the latter exclusive; now_ns: when the report is
    made; progress: shows how far it is; most_bytes: of files that are read again. Nothing is
    changed or stored. Raises `ConfigError` E002 for keys and values that the configuration does not
    take, `MLIDSError` E002 for a text that is no KEY=VALUE, E004 where the store cannot be read.
    """
    progress = progress or Progress()
    before, after, changed = changes.read(manager, texts)
    differences = changes.differences(before, after)
    survey = surveyed(archive, Period(since_ns, until_ns), differences, progress)
    plan = planned(survey, differences, most_bytes)
    judge, tell = Judge(differences), _Teller()
    thresholds = _thresholds(before, after)
    old = new = survey.stored
    if differences or thresholds.counters:
        whole = survey.stored.events
        old = Replay(archive, plan, before, tell).outcome(progress, "as it is", whole)
        replay = Replay(archive, plan, after, tell, judge, thresholds)
        new = replay.outcome(progress, "as it might be", whole)
    found = Differing(plan, differences, judge, survey.stored, old, new)
    return verdicts.report(archive, changed, found, survey, tell.errors, now_ns)


class _Teller:
    """Keeps the first errors as texts, each once."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def __call__(self, error: MLIDSError) -> None:
        text = str(error)
        if text not in self.errors and len(self.errors) < MOST_ERRORS:
            self.errors.append(text)


def _thresholds(before: Any, after: Any) -> Counters:
    """The rules by which stored events would be held back; none where they stay as they are."""
    rules = after.logging.thresholding
    return Counters() if rules == before.logging.thresholding else Counters(rules)
