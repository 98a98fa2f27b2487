"""Several streams at once, and how far they are."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from mlids.cloudwatch.reading import Stopped

Item = TypeVar("Item")
Result = TypeVar("Result")
LOOK_S = 0.2  # how soon Ctrl-C is noticed
GRACE_S = 1.0  # for what runs then, to keep how far it is


class Progress:
    """How much was read, by any number of threads; the share of time periods that is done."""

    def __init__(self) -> None:
        self.events = 0
        self.streams = 0  # that are done
        self._lock = threading.Lock()
        self._spans: dict[str, tuple[float, float]] = {}  # by stream its begin and length, in ms
        self._done: dict[str, float] = {}

    def expect(self, stream: str, listed: Mapping[str, Any], start: int, end: int) -> None:
        """A stream of which [start, end) will be read, in ms; listed: what AWS says of it."""
        begin = max(start, listed.get("firstEventTimestamp") or 0)
        until = min(end, listed.get("lastEventTimestamp") or end)
        with self._lock:
            self._spans[stream] = begin, max(1, until - begin)

    def moved(self, stream: str, events: int, time: int) -> None:
        """So many events more; what comes before a time, in ms, is done."""
        with self._lock:
            self.events += events
            begin, length = self._spans.get(stream, (0, 0))
            self._done[stream] = min(max(0.0, time - begin), length)

    def ended(self, stream: str) -> None:
        """A stream is done, however it ended."""
        with self._lock:
            self.streams += 1
            self._done[stream] = self._spans.get(stream, (0, 0))[1]

    @property
    def share(self) -> float:
        """What is done of all, 0 to 1."""
        with self._lock:
            total = sum(length for _, length in self._spans.values())
            return sum(self._done.values()) / (total or 1.0)


def each(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int, stop: threading.Event
) -> list[Result | Exception]:
    """What `work` gives for each item, in their order, or the exception that it raised.

    Ctrl-C sets `stop`, so that what runs comes to an end, and is passed on; nothing new is begun,
    and what still waits for AWS is not waited for.
    """
    jobs: deque[tuple[Future[Result], Item]] = deque((Future(), item) for item in items)
    futures = [future for future, _ in jobs]

    def run() -> None:
        with contextlib.suppress(IndexError):  # none is left
            while True:
                _settle(work, *jobs.popleft(), stop)

    try:
        for number in range(min(max(1, at_once), len(futures))):
            # Daemons, as Python ends no sooner than all other threads: AWS may let them wait long.
            threading.Thread(target=run, name=f"cloudwatch-{number}", daemon=True).start()
        _waited(futures)
    except BaseException:
        stop.set()
        wait(futures, GRACE_S)
        raise
    return [_outcome(future) for future in futures]


def _settle(
    work: Callable[[Item], Result], future: Future[Result], item: Item, stop: threading.Event
) -> None:
    try:
        if stop.is_set():
            raise Stopped
        result = work(item)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _waited(futures: Sequence[Future[Any]]) -> None:
    left = set(futures)
    while left:  # in short waits, since a signal is not noticed in a long one
        _, left = wait(left, LOOK_S, FIRST_COMPLETED)


def _outcome(future: Future[Any]) -> Any:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, Exception):
        return error
    raise error
