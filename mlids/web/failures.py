"""Requests that fail, by source: who looks for what is not there.

A failing request is a mark in its source's window, and carries how many requests of that source
went well since its last failure; so the share of failures in any window is known, although what
goes well is only counted, a whole batch at a time, and only for sources that had a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.layouts.access import wrapped
from mlids.lines import chunks
from mlids.logins.records import source, text
from mlids.web.logged import Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import LineBatch

    Rows = NDArray[np.intp]
    Hashes = NDArray[np.uint64]

# What says that there is nothing to be had here: not found, forbidden, no such method, malformed.
# 401 is a question for a password, 408 and 499 are clients that gave up, 429 is our own limit.
FAILING = frozenset(
    (400, 403, 404, 405, 406, 410, 411, 413, 414, 416, 417, 421, 444, 494, 495, 501, 505)
)
ASSETS = (
    *(b".png", b".jpg", b".jpeg", b".gif", b".svg", b".ico", b".webp", b".avif", b".css", b".js"),
    *(b".map", b".woff", b".woff2", b".ttf", b".otf", b".eot", b".mp4", b".webm"),
)
LONGEST = 256  # bytes of a name in the place of an address
WORD = 48  # bytes of a client that are looked at: an IPv6 address has 45
BLANK = 32
_ODD = 0x9E37_79B9_7F4A_7C15


class Failure(NamedTuple):
    """One failing request. well: requests of the source that went well since its last failure."""

    row: int
    time_ns: int
    source: str
    path: bytes
    status: int
    method: str
    host: str
    well: int

    @property
    def counts(self) -> bool:
        """Whether it tells of somebody looking around: pages with missing pictures are common."""
        return not self.path.lower().endswith(ASSETS)


class Failures:
    """Finds failing requests, and counts what goes well in between; `most` sources are followed."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        # By hash of the source, ascending: what went well since its last failure, and its time.
        self._keys: NDArray[Any] = np.zeros(0, np.uint64)
        self._well: NDArray[Any] = np.zeros(0, np.int64)
        self._last: NDArray[Any] = np.zeros(0, np.int64)

    def of(self, batch: LineBatch) -> Iterator[Failure]:
        """The failing requests of a batch, in order."""
        rows, columns = _failing(batch)
        if not len(rows) and not len(self._keys):
            return
        times = columns.times
        well = self._counted(_sources(batch), rows, np.array(times, dtype=np.int64))
        for at, row in enumerate(rows.tolist()):
            address, peer, _ = source(columns["src"][at] or b"")
            if address or peer:
                yield Failure(
                    row,
                    times[at],
                    address or peer,
                    (columns["target"][at] or b"").partition(b"?")[0],
                    int(columns["status"][at]),
                    text(columns["method"][at]),
                    text(columns["vhost"][at] or columns["host"][at]),
                    well[at],
                )

    def _counted(self, hashes: Hashes, rows: Rows, times: NDArray[np.int64]) -> list[int]:
        """For each failing row how many rows of its source lie between it and the failure before.

        What lies behind the last failure is kept for the next batch; of a source that was not
        followed yet nothing is known before its first.
        """
        fails = np.zeros(len(hashes), dtype=np.bool_)
        fails[rows] = True
        self._follow(hashes[rows])
        place = np.searchsorted(self._keys, hashes)
        place[place == len(self._keys)] = 0
        mine = np.flatnonzero(self._keys[place] == hashes)
        order = np.argsort(place[mine], kind="stable")
        lines, groups = mine[order], place[mine][order]  # of one source together, in order
        at = np.flatnonzero(fails[lines])
        group = groups[at]
        begin = np.searchsorted(groups, group)
        first = np.diff(group, prepend=-1) != 0
        before = np.where(first, begin - 1, np.concatenate(([-1], at[:-1])))
        known = self._well[group]
        gaps = at - before - 1 + np.where(first, np.maximum(known, 0), 0)
        gaps[first & (known < 0)] = 0
        self._keep(groups, at, group, times[np.searchsorted(rows, lines[at])])
        well = np.zeros(len(hashes), dtype=np.int64)
        well[lines[at]] = gaps
        return well[rows].tolist()  # type: ignore[no-any-return]  # a list of int

    def _follow(self, hashes: Hashes) -> None:
        """Make room for these sources too; what was well before them is unknown (-1)."""
        new = np.setdiff1d(hashes, self._keys)
        keys = np.concatenate((self._keys, new))
        order = np.argsort(keys)
        self._keys = keys[order]
        self._well = np.concatenate((self._well, np.full(len(new), -1)))[order]
        self._last = np.concatenate((self._last, np.zeros(len(new), np.int64)))[order]

    def _keep(self, groups: Rows, at: Rows, group: Rows, times: NDArray[np.int64]) -> None:
        """Note what went well behind each source's last failure, and let the quiet ones go."""
        total = np.bincount(groups, minlength=len(self._keys))
        ends = np.searchsorted(groups, np.arange(len(self._keys)), "right")
        last = np.diff(group, append=-1) != 0
        self._well += total
        self._well[group[last]] = ends[group[last]] - at[last] - 1
        self._last[group[last]] = times[last]
        if len(self._keys) > self.most:
            self.evicted += len(self._keys) - self.most
            kept = np.sort(np.argsort(self._last, kind="stable")[-self.most :])
            self._keys, self._well = self._keys[kept], self._well[kept]
            self._last = self._last[kept]

    def save(self) -> list[list[int]]:
        """The state, as plain data."""
        return [column.tolist() for column in (self._keys, self._well, self._last)]

    def restore(self, state: Sequence[Sequence[int]]) -> None:
        """Take up a state that `save` gave."""
        keys, well, last = state
        self._keys = np.array(keys, dtype=np.uint64)
        self._well, self._last = np.array(well, dtype=np.int64), np.array(last, dtype=np.int64)


def _failing(batch: LineBatch) -> tuple[Rows, Columns]:
    """The rows of failing requests, and their columns."""
    likely = _likely(batch)
    columns = Columns(batch.take(likely))
    wanted = {str(status).encode() for status in FAILING}
    right = [at for at, status in enumerate(columns["status"]) if status in wanted]
    if len(right) == len(likely):
        return likely, columns
    rows = likely[np.array(right, dtype=np.intp)]
    return rows, Columns(batch.take(rows))


def _likely(batch: LineBatch) -> Rows:
    """Rows that may be failing requests: where requests stand in quotes, the status follows."""
    assert batch.format
    if not batch.format.client_leads:
        return np.arange(len(batch))
    return chunks.rows_with(batch, b'" ', followed=b"45")


def _sources(batch: LineBatch) -> Hashes:
    """A hash of each line's client."""
    assert batch.format
    if batch.format.client_leads:
        return _leading(batch)
    sources = Columns(batch)["src"]
    return np.array([_hash((value or b"")[:LONGEST]) for value in sources], dtype=np.uint64)


@lru_cache(maxsize=65536)
def _hash(value: bytes) -> int:
    return int.from_bytes(blake2b(value, digest_size=8).digest(), "little")


def _leading(batch: LineBatch) -> Hashes:
    """A hash of the word that each line begins with; of its second behind a virtual host.

    ``client - user`` or ``host client - user``: what is no ``-`` behind the first word follows a
    host.
    """
    head = chunks.heads(batch, WORD)
    first = (head == BLANK).argmax(axis=1)
    behind = np.minimum(batch.starts + first + 1, len(batch.data) - 2)
    octets = np.frombuffer(batch.data, dtype=np.uint8)
    hosted = np.flatnonzero((octets[behind] != ord("-")) | (octets[behind + 1] != BLANK))
    if len(hosted):
        second = batch.take(hosted)
        moved = replace(second, starts=np.minimum(behind[hosted], second.ends))
        head[hosted] = chunks.heads(moved, WORD)
        first[hosted] = (head[hosted] == BLANK).argmax(axis=1)
    behind_header = np.flatnonzero(wrapped(head))
    head[np.arange(WORD, dtype=np.uint8) >= first.astype(np.uint8)[:, None]] = 0
    parts = head.view(np.uint64)
    mixed = np.zeros(len(batch), dtype=np.uint64)
    for part in range(parts.shape[1]):
        mixed = (mixed ^ parts[:, part]) * np.uint64(_ODD)
        mixed ^= mixed >> np.uint64(29)
    if len(behind_header):
        sources = Columns(batch.take(behind_header))["src"]
        mixed[behind_header] = [_hash((value or b"")[:LONGEST]) for value in sources]
    return mixed
