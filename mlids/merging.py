"""Several recordings as one lane: their batches merged by the time of the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mlids.batches import Batch, PacketBatch
from mlids.volume import NS

GRAIN_NS = NS
"""Inputs that overlap are interleaved in slices of this length: a second out of order is far below
every window, and slices of single rows would cost a batch each."""


def merged(inputs: Iterable[Iterator[Batch]]) -> Iterator[Batch]:
    """The batches of all inputs, each batch cut where another input goes on earlier."""
    heads = [head for one in inputs if (head := _Head(one)).batch is not None]
    while heads:
        first = min(heads, key=lambda head: head.time)
        others = [head.time for head in heads if head is not first]
        yield first.taken(min(others) + GRAIN_NS if others else None)
        if first.batch is None:
            heads.remove(first)


class _Head:
    """What comes next of one input."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.batches = batches
        self.batch: Any = None
        self.time = 0
        self._advance()

    def taken(self, before: int | None) -> Batch:
        """The rows before a time (all of them: None), at least one."""
        batch = self.batch
        if before is None or _last(batch, self.time) < before:
            self._advance()
            return batch  # type: ignore[no-any-return]
        times = _times(batch, self.time)
        cut = max(1, int(np.argmax(times >= before)))
        self.batch = batch.take(np.arange(cut, len(batch)))
        self.time = int(times[cut])
        head = batch.take(np.arange(cut))
        if isinstance(head, PacketBatch):
            object.__setattr__(head, "now", int(times[cut - 1]))
        return head  # type: ignore[no-any-return]

    def _advance(self) -> None:
        self.batch = next((b for b in self.batches if len(b)), None)
        if self.batch is not None:
            self.time = max(self.time, _first(self.batch, self.time))


def _first(batch: Any, default: int) -> int:
    return int(_some(batch, [0])[0]) or default


def _last(batch: Any, default: int) -> int:
    return int(_some(batch, [len(batch) - 1])[0]) or default


def _some(batch: Any, rows: list[int]) -> Any:
    if isinstance(batch, PacketBatch):
        return batch.time[rows]
    if batch.format is None:
        return np.zeros(len(rows), np.int64)
    return batch.take(np.array(rows)).column("time")


def _times(batch: Any, default: int) -> Any:
    """The time of each row, never going back; a row without one has that of the row before."""
    times = batch.time if isinstance(batch, PacketBatch) else _some(batch, list(range(len(batch))))
    return np.maximum.accumulate(np.maximum(times, default))
