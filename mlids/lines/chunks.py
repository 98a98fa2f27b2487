"""Cuts chunks of bytes into lines, and finds lines by their text, without a loop over lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import LineBatch


FEW = 32  # occurrences that are looked for one by one, since mostly there is none


def line_bounds(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each whole line begins, and where it ends without its line feed (and CR before it).

    Bytes behind the last newline are no whole line and are left out.
    """
    octets = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(octets == 10)
    starts = np.empty_like(ends)
    if len(ends):
        starts[0] = 0
        starts[1:] = ends[:-1] + 1
        returned = (ends > starts) & (octets[ends - 1] == 13)
        ends = ends - returned
    return starts, ends


def rows_with(batch: LineBatch, literal: bytes, followed: bytes = b"") -> NDArray[np.intp]:
    """The rows whose line holds the literal; its first four bytes are looked for in whole passes.

    followed: one of these bytes must stand behind it.

    The lines of the batch must lie in the order of their bytes, as monitors give them.
    """
    if len(literal) < 2:
        raise ValueError("a literal has at least two bytes")
    if not len(batch):
        return np.empty(0, dtype=np.intp)
    text, offset = batch.span()
    hits = _places(text, literal)
    if followed:
        hits = hits[hits + len(literal) < len(text)]
        octets = np.frombuffer(text, dtype=np.uint8)[hits + len(literal)]
        hits = hits[np.isin(octets, np.frombuffer(followed, dtype=np.uint8))]
    hits = hits + offset
    rows = np.searchsorted(batch.starts, hits, side="right") - 1
    inside = (rows >= 0) & (hits + len(literal) <= batch.ends[rows])
    rows = rows[inside]
    return rows[np.concatenate(([True], rows[1:] != rows[:-1]))] if len(rows) else rows


def _places(data: bytes, literal: bytes) -> NDArray[np.intp]:
    """Every offset of the literal in data."""
    few: list[int] = []
    at = data.find(literal)
    while at >= 0 and len(few) < FEW:
        few.append(at)
        at = data.find(literal, at + 1)
    if at < 0:
        return np.array(few, dtype=np.intp)
    count = len(data) - len(literal) + 1
    if count <= 0:
        return np.empty(0, dtype=np.intp)
    octets = np.frombuffer(data, dtype=np.uint8)
    # Passes over single bytes take less than one over words that are not aligned.
    hits = octets[:count] == literal[0]
    for position, octet in enumerate(literal[1:4], 1):
        hits &= octets[position : count + position] == octet
    places = np.flatnonzero(hits)
    for position, octet in enumerate(literal[4:], 4):
        places = places[octets[places + position] == octet]
    return places


def heads(batch: LineBatch, width: int, skip: int = 0) -> NDArray[np.uint8]:
    """The first `width` bytes of each line, one row a line; bytes behind its end are zero."""
    if not len(batch):
        return np.empty((0, width), dtype=np.uint8)
    data, starts = batch.data, batch.starts + skip
    bound = len(data) - width
    if bound < 0 or int(starts[-1]) > bound or int(starts.max()) > bound:
        data += bytes(width + skip)
    windows = np.ndarray((len(data) - width + 1,), f"V{width}", buffer=data, strides=(1,))
    head: NDArray[np.uint8] = windows[starts].view(np.uint8).reshape(len(starts), width)
    short = np.flatnonzero(batch.ends - starts < width)
    if len(short):
        beyond = np.arange(width) >= (batch.ends - starts)[short][:, None]
        head[short] = np.where(beyond, 0, head[short])
    return head
