"""How one batch is offered to a sink, and what became of it.

The sink says what it did not take (`SinkError.refused`) and what it never will (`rejected`). An
event that a sink which knows no `rejected` refuses again and again while it takes the next one is
put aside too, so that one event cannot hold up the others for ever.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable
from typing import NamedTuple

from mlids.errors import MLIDSError, SinkError
from mlids.events import Event, EventSink

FIRST_WAIT_S = 0.5
PATIENCE = 5  # refusals of the same first event before the next one is tried
STRIKES = 3  # times that the next one was taken and the first one was not


class Outcome(NamedTuple):
    """What became of a batch: `left` is to be offered again, `rejected` never; `wait_s` seconds."""

    taken: int
    left: list[Event]
    rejected: list[Event]
    error: MLIDSError | None = None
    wait_s: float = 0.0


class Courier:
    """Offers batches to one sink: opens it, closes it after a failure, waits longer each time."""

    def __init__(self, sink: EventSink) -> None:
        self.sink = sink
        self.longest_s = max(0.0, sink.retry_seconds)
        self._open = False
        self._failures = 0  # offers in a row of which nothing was taken
        self._strikes = 0

    @property
    def stuck(self) -> bool:
        """True where nothing was taken so often that the next events may tell who is to blame."""
        return self._failures >= PATIENCE

    def open(self) -> Outcome | None:
        """Open the sink where it is not; None: it is open."""
        if self._open:
            return None
        try:
            self.sink.open()
        except Exception as error:
            self.close()
            return Outcome(0, [], [], _as_told(error), self._backoff(error))
        self._open = True
        return None

    def offer(self, events: list[Event]) -> Outcome:
        """Offer a batch once."""
        outcome = self._sent(events)
        if outcome.left:
            self.close()
        if outcome.taken or outcome.rejected or not events:
            self._failures = self._strikes = 0
            return outcome._replace(wait_s=self._pause(outcome) if outcome.left else 0.0)
        outcome = outcome._replace(wait_s=self._backoff(outcome.error))
        return self._passed_by(outcome) if self.stuck else outcome

    def close(self) -> None:
        """Close the sink; what it raises then changes nothing."""
        self._open = False
        with contextlib.suppress(Exception):
            self.sink.close()

    def _sent(self, events: list[Event]) -> Outcome:
        try:
            self.sink.send_batch(events)
        except Exception as error:
            told = _as_told(error)
            rejected = _positions(getattr(error, "rejected", ()), len(events), set())
            refused = set(range(len(events))) - rejected
            if isinstance(error, SinkError) and error.refused is not None:
                refused = _positions(error.refused, len(events), refused) - rejected
            left = [events[n] for n in sorted(refused)]
            aside = [events[n] for n in sorted(rejected)]
            return Outcome(len(events) - len(left) - len(aside), left, aside, told)
        return Outcome(len(events), [], [])

    def _passed_by(self, outcome: Outcome) -> Outcome:
        """Offer the first event alone, then the second; if only that is taken, blame the first."""
        first, *others = outcome.left
        alone = self._alone(first)
        if alone is None or not alone.left or not others:
            return outcome if alone is None else _with_rest(alone, outcome, others)
        second = self._alone(others[0])
        if second is None or second.left:
            return outcome
        self._strikes += 1
        if self._strikes < STRIKES:
            return _with_rest(second, outcome, [first, *others[1:]])
        self._failures = self._strikes = 0
        aside = [first, *second.rejected]
        return Outcome(second.taken, others[1:], aside, outcome.error)

    def _alone(self, event: Event) -> Outcome | None:
        """Offer one event; None where the sink does not even open."""
        if self.open() is not None:
            return None
        outcome = self._sent([event])
        if outcome.left:
            self.close()
        return outcome

    def _pause(self, outcome: Outcome) -> float:
        """After a partial refusal: a short wait, or the one that the peer asked for."""
        asked = getattr(outcome.error, "wait_s", None)
        return min(FIRST_WAIT_S if asked is None else asked, self.longest_s)

    def _backoff(self, error: Exception | None) -> float:
        asked: float | None = getattr(error, "wait_s", None)
        longest: float = min(self.longest_s, FIRST_WAIT_S * 2.0 ** min(self._failures, 30))
        self._failures += 1
        if asked is not None:
            return min(max(asked, longest), self.longest_s)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, no secret


def _with_rest(alone: Outcome, outcome: Outcome, rest: list[Event]) -> Outcome:
    """What became of one event, and of the others that were not offered; no wait after progress."""
    wait_s = outcome.wait_s if alone.left else 0.0
    return Outcome(alone.taken, [*alone.left, *rest], alone.rejected, outcome.error, wait_s)


def _as_told(error: Exception) -> MLIDSError:
    return error if isinstance(error, MLIDSError) else SinkError(_line(error))


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _positions(named: Iterable[object], count: int, otherwise: set[int]) -> set[int]:
    """The positions that a sink named; `otherwise` where it named something else."""
    try:
        return {n for n in named if isinstance(n, int) and 0 <= n < count}
    except TypeError:
        return otherwise
