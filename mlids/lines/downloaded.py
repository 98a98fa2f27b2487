"""Log lines that were downloaded from elsewhere: ``[2025-01-01 10:00:00] line``, in UTC.

``cloudwatch download`` and ``sync`` write them so, with a manifest beside each file, by which it is
known as theirs: lines of the same look in other files are their program's own. What stands
behind the time is the line as its program wrote it, in whatever format.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlids.batches import LineBatch
from mlids.lines.chunks import heads
from mlids.lines.stamps import NS, days_since_1970

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

MANIFEST = ".manifest"
LINE_END = ord("\n")
LOOK = b"[0000-00-00 00:00:00] "
WIDTH = len(LOOK)


def is_download(path: str) -> bool:
    """Whether a file is one that was downloaded."""
    return path != "-" and Path(path + MANIFEST).is_file()


def as_written(batch: LineBatch) -> LineBatch:
    """The lines without the times in front of them, which become their stamps.

    A further line of the same event, which has none (it begins with a tab), has that of the line
    before it, or 0.
    """
    if not len(batch):
        return batch
    look = np.frombuffer(LOOK, dtype=np.uint8)
    head = heads(batch, WIDTH)
    digits = head - np.uint8(ord("0"))
    fits = np.where(look == ord("0"), digits <= 9, head == look).all(axis=1)
    rows = np.flatnonzero(fits)
    stamps = np.zeros(len(batch), dtype=np.int64)
    stamps[rows] = _times(digits[rows])
    before = np.maximum.accumulate(np.where(fits, np.arange(len(batch)), 0))
    data = np.frombuffer(batch.data, dtype=np.uint8).copy()
    data[batch.starts[rows][:, None] + np.arange(WIDTH)] = LINE_END  # nobody finds anything there
    return replace(
        batch,
        data=data.tobytes(),
        starts=batch.starts + WIDTH * fits,
        stamps=stamps[before],
        memo={},
    )


def _times(digits: NDArray[np.uint8]) -> Numbers:
    """Nanoseconds since 1970 of the digits of such times, one row each."""

    def number(begin: int, end: int) -> Numbers:
        places = 10 ** np.arange(end - begin - 1, -1, -1, dtype=np.int64)
        found: Numbers = digits[:, begin:end] @ places
        return found

    days = days_since_1970(number(1, 5), number(6, 8), number(9, 11))
    seconds = number(12, 14) * 3600 + number(15, 17) * 60 + number(18, 20)
    return (days * 86_400 + seconds) * NS
