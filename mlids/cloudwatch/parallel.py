"""Several streams at once, and how far they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from mlids.cloudwatch.reading import Stopped

Item = TypeVar("Item")
Result = TypeVar("Result")
LOOK_S = 0.2  # how soon Ctrl-C is noticed


class Progress:
    """How much was read, by any number of threads; the share of time periods that is done."""

    def __init__(self) -> None:
        self.events = 0
        self.streams = 0  # that are done
        self._lock = threading.Lock()
        self._done: dict[str, float] = {}
        self._all: dict[str, float] = {}

    def expect(self, stream: str, length: float) -> None:
        """A stream that will be read, and how long a time its events span, in ms."""
        with self._lock:
            self._all[stream] = max(1.0, length)

    def moved(self, stream: str, events: int, length: float) -> None:
        """So many events more; so much of the time is done in all."""
        with self._lock:
            self.events += events
            self._done[stream] = min(max(0.0, length), self._all.get(stream, 0.0))

    def ended(self, stream: str) -> None:
        """A stream is done, however it ended."""
        with self._lock:
            self.streams += 1
            self._done[stream] = self._all.get(stream, 0.0)

    @property
    def share(self) -> float:
        """What is done of all, 0 to 1."""
        with self._lock:
            return sum(self._done.values()) / (sum(self._all.values()) or 1.0)


def each(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int, stop: threading.Event
) -> list[Result | Exception]:
    """What `work` gives for each item, in their order, or the exception that it raised.

    Ctrl-C sets `stop`, so that what runs comes to an end, and is passed on; nothing new is begun.
    """

    def one(item: Item) -> Result:
        if stop.is_set():
            raise Stopped
        return work(item)

    futures: list[Future[Result]] = []
    with ThreadPoolExecutor(max(1, at_once), "cloudwatch") as pool:
        try:
            futures = [pool.submit(one, item) for item in items]
            _waited(futures)
        except BaseException:
            stop.set()
            raise
    return [_outcome(future) for future in futures]


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
