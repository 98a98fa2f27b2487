"""Frames to columns: decodes link, network and transport headers of many frames at once.

`decode` is the one way to a `PacketBatch`. A frame that is cut or contradicts itself keeps its row
and gets a `Fault`; what was read before the fault stays, the columns behind it are 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import PacketBatch
from mlids.capture.addresses import address, words
from mlids.capture.decoding import Columns, Fault
from mlids.capture.headers import PAD
from mlids.capture.tunnels import unwrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.int64]

__all__ = ["PAD", "Fault", "address", "decode", "padded", "words"]


def padded(data: bytes) -> NDArray[np.uint8]:
    """Bytes as an array that `decode` may read a little beyond."""
    return np.frombuffer(data + bytes(PAD), np.uint8)


def decode(
    data: NDArray[np.uint8],
    start: Times,
    captured: NDArray[Any],
    length: NDArray[Any],
    *,
    time: Times,
    frame: Times,
    kinds: int | NDArray[np.int64],
    source: str,
    now: int = 0,
) -> PacketBatch:
    """Decode the frames that begin at `start`, in the order given.

    data: should hold `PAD` bytes behind the last frame; captured, length: bytes there and on the
    wire; time: ns since 1970, ascending; kinds: link type of all or of each; now: see
    `PacketBatch.now` (at least the last time).
    """
    columns = Columns(data, start, captured, length)
    columns.read_links(kinds)
    columns.read_network()
    columns.read_transport()
    unwrap(columns)
    link_type = np.broadcast_to(np.asarray(kinds).astype(np.uint32), start.shape)
    last = int(time[-1]) if len(time) else 0
    columns.out["fault"] = columns.fault
    columns.out["transport"] = columns.at.astype(np.uint16)
    columns.out["payload_start"] = start + columns.at
    columns.out["payload_start"] += columns.skip
    columns.out["payload_length"] = np.maximum(columns.rest - columns.skip, 0).astype(np.uint32)
    columns.out["payload_length"][columns.fault > 0] = 0
    columns.out["transport"][~columns.has_transport] = 0
    return PacketBatch(
        data=data,
        now=max(now, last),
        source=source,
        time=time,
        frame=frame,
        start=start,
        captured=columns.captured.astype(np.uint32),
        length=columns.length.astype(np.uint32),
        link_type=link_type,
        **columns.out,
    )
