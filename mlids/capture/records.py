"""Finds where the records of a capture begin.

A record says how long it is, so they form a chain; following it one by one in Python would be the
slowest part of reading. `walk` cuts the buffer into lanes, guesses a record start in each, follows
all lanes at once in numpy, and keeps a lane only if the one before it ends exactly where it begins.
Where a guess was wrong the rest is followed one by one (`walk_plainly`, the plain twin).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlids.capture.headers import gather

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Data = memoryview
    Places = NDArray[np.int64]
    Guess = Callable[[Data, Places], Places]  # where a record begins behind each place, -1: none
    Hits = Callable[[Places], Places]
    Good = Callable[[Places], NDArray[np.bool_]]

LANE = 32 * 1024
FEW = 8  # below so many lanes the plain way is as fast
MOST = 16 * 1024 * 1024  # bytes of the longest record that is believed
MOST_PLACES = 1 << 22  # positions that are held; where lanes have no heads the rest goes one by one
NEAR = 2048  # bytes in which the mark of a lane's first record is looked for
TRIES = 16  # marks looked at for it


class Shape(NamedTuple):
    """How a record says its length: `extra` + the 32-bit number at `field`."""

    order: str  # "<" or ">"
    field: int
    extra: int
    header: int  # bytes that must be there before the length is believed
    least: int  # the smallest length of a record
    step: int  # lengths are multiples of it


class Walked(NamedTuple):
    """Starts of whole records, where the next one begins, and whether that one is impossible."""

    starts: NDArray[np.int64]
    following: int
    broken: bool


def walk_plainly(data: Data, begin: int, end: int, shape: Shape) -> Walked:
    """Follow the chain record by record."""
    read = struct.Struct(shape.order + "I").unpack_from
    starts: list[int] = []
    at, broken = begin, False
    while at + shape.header <= end:
        size = read(data, at + shape.field)[0] + shape.extra
        if not shape.least <= size <= MOST or size % shape.step:
            broken = True
            break
        if at + size > end:
            break
        starts.append(at)
        at += size
    return Walked(np.array(starts, dtype=np.int64), at, broken)


def walk(data: Data, begin: int, end: int, shape: Shape, guess: Guess) -> Walked:
    """Follow the chain of records in ``data[begin:end]``."""
    if end - begin < FEW * LANE:
        return walk_plainly(data, begin, end, shape)
    places = np.unique(guess(data, np.arange(begin + LANE, end - LANE, LANE)))
    heads = np.append(begin, places[places > begin])
    if len(heads) < FEW:
        return walk_plainly(data, begin, end, shape)
    stops = np.append(heads[1:], end - shape.header + 1)
    table, reached = _follow(data, heads, stops, shape)
    wrong = np.flatnonzero(reached[:-1] != heads[1:])
    good = int(wrong[0]) if len(wrong) else len(heads) - 1
    # The last good lane may end in a record that is cut or broken, so it is followed plainly.
    lanes, limits = table[:, :good].T, stops[:good, None]
    starts = lanes[lanes < limits]
    sizes = np.diff(starts, append=heads[good])
    if (sizes > MOST).any() or (sizes % shape.step).any():
        return walk_plainly(data, begin, end, shape)
    rest = walk_plainly(data, int(heads[good]), end, shape)
    return Walked(np.concatenate((starts, rest.starts)), rest.following, rest.broken)


def _follow(
    data: Data, heads: NDArray[np.int64], stops: NDArray[np.int64], shape: Shape
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All lanes, one step at a time: a row of positions a step, and where each lane arrived."""
    last = len(data) - 4
    sizes = np.ndarray((last + 1,), dtype=shape.order + "u4", buffer=data, strides=(1,))
    rows, at = [], heads
    while True:
        rows.append(at)
        moving = at < stops
        # Going on for a few steps where all have arrived costs less than asking each time.
        if len(rows) % 8 == 0 and (not moving.any() or len(rows) * len(heads) > MOST_PLACES):
            break
        # A lane on a wrong track goes anywhere but backwards, and is noticed by its neighbour.
        size = sizes[np.minimum(at + shape.field, last)]
        if shape.extra < shape.least:
            size = np.maximum(size, shape.least)
        at = np.where(moving, at + shape.extra + size, at)
    return np.array(rows), at


def guessed(begins: Places, hits: Hits, good: Good, step: int) -> Places:
    """For each lane a place where a record begins, -1 where none is found.

    hits: for each place how far behind it a mark stands, -1 where none is near; good: whether a
    record begins at each place; step: records begin at multiples of it.
    """
    at, left = begins.copy(), np.arange(len(begins))
    found = np.full(len(begins), -1, np.int64)
    for _ in range(TRIES):
        far = hits(at[left])
        left, far = left[far >= 0], far[far >= 0]
        if not len(left):
            break
        at[left] += far
        fine = good(at[left])
        found[left[fine]] = at[left[fine]]
        left = left[~fine]
        at[left] += step
    return found


def pieces(data: NDArray[np.uint8], at: Places) -> NDArray[np.uint8]:
    """The `NEAR` bytes behind each place, a row each."""
    return gather(data, at, np.dtype(f"V{NEAR}")).view(np.uint8).reshape(len(at), NEAR)


def first_hit(hits: NDArray[np.bool_]) -> Places:
    """In each row the place of the first that is True, -1 where none is."""
    first = hits.argmax(axis=1)
    return np.where(hits[np.arange(len(hits)), first], first, -1)
