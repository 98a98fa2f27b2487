"""Frames as a live capture hands them over, and several captures merged into one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlids.capture.packets import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch


class Live(NamedTuple):
    """Frames as they came: buffer, where they are, when, and the VLAN tag the card took off."""

    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    captured: NDArray[np.int64]
    length: NDArray[np.int64]
    time: NDArray[np.int64]
    kind: int
    tag: NDArray[np.uint16]  # VLAN id, 0 where there is none

    @classmethod
    def none(cls) -> Live:
        """No frames."""
        nothing = np.zeros(0, np.int64)
        data, tags = np.zeros(0, np.uint8), np.zeros(0, np.uint16)
        return cls(data, nothing, nothing, nothing, nothing, 1, tags)


def merged(
    parts: Sequence[Live], source: str, frame: int, now: int
) -> tuple[PacketBatch, NDArray[np.int64]]:
    """One batch of the frames of several captures, by time, and of which part each row is.

    frame: number of the first one; now: no batch says an earlier time.
    """
    live = parts[0] if len(parts) == 1 else _joined(parts)
    owner = np.repeat(np.arange(len(parts)), [len(part.start) for part in parts])
    kinds: int | NDArray[np.int64] = live.kind
    if len({part.kind for part in parts}) > 1:
        kinds = np.array([part.kind for part in parts], dtype=np.int64)[owner]
    if (live.time[1:] < live.time[:-1]).any():
        order = np.argsort(live.time, kind="stable")
        start, captured, length, time, tag = (
            live.start[order],
            live.captured[order],
            live.length[order],
            live.time[order],
            live.tag[order],
        )
        live = Live(live.data, start, captured, length, time, live.kind, tag)
        owner = owner[order]
        kinds = kinds if isinstance(kinds, int) else kinds[order]
    batch = decode(
        live.data,
        live.start,
        live.captured,
        live.length,
        time=live.time,
        frame=np.arange(frame, frame + len(owner), dtype=np.int64),
        kinds=kinds,
        source=source,
        now=now,
    )
    if live.tag.any():
        np.copyto(batch.vlan, live.tag, where=live.tag > 0)
    return batch, owner


def _joined(parts: Sequence[Live]) -> Live:
    """All frames one after the other, in one buffer."""
    bases = np.cumsum([0, *(len(part.data) for part in parts)])
    starts = [part.start + base for part, base in zip(parts, bases, strict=False)]
    return Live(
        np.concatenate([part.data for part in parts]),
        np.concatenate(starts),
        np.concatenate([part.captured for part in parts]),
        np.concatenate([part.length for part in parts]),
        np.concatenate([part.time for part in parts]),
        parts[0].kind,
        np.concatenate([part.tag for part in parts]),
    )
