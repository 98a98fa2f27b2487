"""The fragments of a batch: which datagram each belongs to, and which of its bytes it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlids.capture import links
from mlids.capture.decoding import Fault
from mlids.capture.headers import number
from mlids.capture.mixing import endpoint, pair_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch

    Places = NDArray[np.int64]

WAIT_NS = 30_000_000_000  # how long Linux waits for the rest of a datagram (ipfrag_time)
READABLE = (Fault.NONE, Fault.TRANSPORT, Fault.TRANSPORT_LENGTH)


class Fragments(NamedTuple):
    """Fragments whose network header could be read."""

    row: NDArray[np.int64]  # of the batch
    key: NDArray[np.uint64]  # the datagram: addresses, protocol and identification
    offset: Places  # of its first byte in the datagram
    more: NDArray[np.bool_]  # further ones follow
    network: Places  # offset of its network header in batch.data
    begin: Places  # offset of its data in batch.data
    end: Places  # where its data ends, captured or not

    def take(self, chosen: NDArray[np.bool_]) -> Fragments:
        """Some of them."""
        return Fragments(*(column[chosen] for column in self))  # type: ignore[arg-type]


def fragments(batch: PacketBatch) -> Fragments:
    """The fragments of a batch, in order."""
    rows = np.flatnonzero(batch.fragment)
    rows = rows[np.isin(batch.fault[rows], READABLE)]
    six = batch.ethertype[rows] == links.IPV6
    network = batch.start[rows] + batch.network[rows]
    length = number(batch.data, network + np.where(six, 4, 2), ">u2").astype(np.int64)
    there = batch.transport[rows] > 0
    begin = np.where(there, batch.start[rows] + batch.transport[rows], batch.payload_start[rows])
    ident = np.where(
        six, number(batch.data, begin - 4, ">u4"), number(batch.data, network + 4, ">u2")
    )
    source = endpoint(batch.src_hi[rows], batch.src_lo[rows], ident)
    target = endpoint(batch.dst_hi[rows], batch.dst_lo[rows], batch.protocol[rows])
    bits = batch.fragment[rows]
    return Fragments(
        rows.astype(np.int64),
        pair_key(source, target),
        (bits & 0xFFF8).astype(np.int64),
        bits & 1 > 0,
        network,
        begin,
        np.maximum(network + length + 40 * six, begin),
    )
