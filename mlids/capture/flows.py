"""Conversations within one batch: what was said each way between two endpoints.

A pure function of the batch, worked out once and shared by all detectors. Rows of one conversation
are brought together by one sort of their keys; everything after that is per conversation, of which
there are far fewer than packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from mlids.capture.mixing import endpoint

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

LOW, HIGH = 0xFFFF, 0xFFFF_FFFF_FFFF_0000  # where the row and the key stand in a sort key
PARTED = 1 << 16  # rows that a sort key has room for
WITH_PORTS = (6, 17, 132)


class Flows(NamedTuple):
    """Conversations of a batch, in order of their first row; all arrays but `of_row` as long.

    `ahead` is the direction of the first row's packet, `back` the other one. ICMP counts as a
    conversation of two addresses.
    """

    key: NDArray[np.uint64]  # the same for both directions; never 0
    row: NDArray[np.int64]  # first row
    last: NDArray[np.int64]  # last row
    ahead: NDArray[np.int64]  # packets
    back: NDArray[np.int64]
    ahead_bytes: NDArray[np.int64]  # bytes of payload, as the headers say
    back_bytes: NDArray[np.int64]
    ahead_flags: NDArray[np.uint8]  # all TCP flags that were set
    back_flags: NDArray[np.uint8]
    of_row: NDArray[np.int32]  # for each row of the batch its conversation, -1: none

    def __bool__(self) -> bool:
        return len(self.key) > 0


def flows(batch: PacketBatch) -> Flows:
    """The conversations of a batch: rows with a transport header, of both directions together."""
    if "flows" not in batch.memo:
        batch.memo["flows"] = _flows(batch)
    return cast(Flows, batch.memo["flows"])


def flow_key(
    a: NDArray[np.uint64], b: NDArray[np.uint64], protocol: NDArray[Any]
) -> NDArray[np.uint64]:
    """The key of conversations between two ends (see `mixing.endpoint`), alike both ways."""
    key = (a + b) * np.uint64(0x9E3779B97F4A7C15)
    key += protocol.astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93)
    found: NDArray[np.uint64] = np.maximum(key ^ key >> np.uint64(32), np.uint64(1))
    return found


def _flows(batch: PacketBatch) -> Flows:
    rows = np.flatnonzero(batch.transport)
    names = ("src_hi", "src_lo", "dst_hi", "dst_lo", "sport", "dport")
    columns: list[Any] = [getattr(batch, name) for name in names]
    if len(rows) < len(batch):
        columns = [column[rows] for column in columns]
    a, b = (
        endpoint(columns[0], columns[1], columns[4]),
        endpoint(columns[2], columns[3], columns[5]),
    )
    key = flow_key(a, b, batch.protocol[rows])
    order, first = _grouped(key)
    return _summed(batch, rows, key, a > b, order, first)


def _grouped(key: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows, those of one key together and in order, and where each key begins.

    The row fits into the low 16 bits of a number whose upper 48 are the key's: sorting numbers is
    five times faster than sorting by them. Two keys of one batch are alike in 48 bits once in
    100,000 batches; they count as one conversation then.
    """
    if len(key) > PARTED:
        order = np.argsort(key, kind="stable")
        grouped = key[order]
    else:
        marked = (key & np.uint64(HIGH)) | np.arange(len(key), dtype=np.uint64)
        marked.sort()
        order = (marked & np.uint64(LOW)).astype(np.int64)
        grouped = marked & np.uint64(HIGH)
    fresh = np.ones(len(order), bool)
    np.not_equal(grouped[1:], grouped[:-1], out=fresh[1:])
    return order, np.flatnonzero(fresh)


def _summed(
    batch: PacketBatch,
    rows: NDArray[np.int64],
    key: NDArray[np.uint64],
    side: NDArray[np.bool_],
    order: NDArray[np.int64],
    first: NDArray[np.int64],
) -> Flows:
    of_row = np.full(len(batch), -1, np.int32)
    if not len(rows):
        nothing, none = np.zeros(0, np.int64), np.zeros(0, np.uint8)
        empty: list[Any] = [nothing.astype(np.uint64), *[nothing] * 6, none, none, of_row]
        return Flows(*empty)
    size = np.diff(first, append=len(order))
    there = order if len(rows) == len(batch) else rows[order]  # rows of the batch
    side = side[order]
    ahead = side == np.repeat(side[first], size)
    payload, flags = batch.payload_length[there], batch.flags[there]
    every = np.add.reduceat(payload, first, dtype=np.int64)
    forward = np.add.reduceat(payload * ahead, first, dtype=np.int64)
    went = np.add.reduceat(ahead, first, dtype=np.int64)
    flags_ahead = np.bitwise_or.reduceat(flags * ahead, first)
    flags_back = np.bitwise_or.reduceat(flags * ~ahead, first)
    begin, end = there[first], there[first + size - 1]
    by_time = np.argsort(begin)
    place = np.empty(len(first), np.int32)
    place[by_time] = np.arange(len(first), dtype=np.int32)
    of_row[there] = np.repeat(place, size)
    columns: list[Any] = [key[order[first]], begin, end, went, size - went, forward]
    columns += [every - forward, flags_ahead, flags_back]
    return Flows(*[column[by_time] for column in columns] + [of_row])
