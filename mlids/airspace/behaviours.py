"""What happens in the air whoever it concerns: floods of frames and names, and karma.

Each takes one frame after the other and says when there is enough of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from mlids.airspace.inventory import unrelated

NS = 1_000_000_000
MOST_POINTS = 4096
MOST_NAMES = 64


class Frame(NamedTuple):
    """One frame: when, where to look it up, and a name in it."""

    time: int
    capture: int
    frame: int
    name: str = ""


Frames = list[Frame]


class Rings:
    """The latest frames of each access point; at most `keep` each, of `MOST_POINTS`."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.evicted = 0
        self._rings: dict[int, Frames] = {}

    def add(self, key: int, frame: Frame) -> Frames:
        """Add a frame; returns the ring, oldest first."""
        ring = self._rings.pop(key, None) or []
        self._rings[key] = ring
        ring.append(frame)
        if len(ring) > self.keep:
            del ring[0]
        if len(self._rings) > MOST_POINTS:
            del self._rings[next(iter(self._rings))]
            self.evicted += 1
        return ring

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [[key, [list(frame) for frame in ring]] for key, ring in self._rings.items()]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._rings = {key: msgspec.convert(ring, Frames) for key, ring in state}


class Burst(NamedTuple):
    """So many frames within so long."""

    frames: int
    span_ns: int


def bursting(ring: Frames, bursts: tuple[Burst, ...]) -> Burst | None:
    """The first burst that the latest frame completes; windows are half open."""
    for burst in bursts:
        if len(ring) >= burst.frames and ring[-1].time - ring[-burst.frames].time < burst.span_ns:
            return burst
    return None


def answered(ring: Frames, home: str, limit: Burst) -> Frames:
    """The frames of the last answers for each name, if these are unrelated; else none.

    home: the name that the access point had first.
    """
    since = ring[-1].time - limit.span_ns
    latest: dict[str, Frame] = {}
    for frame in ring:
        if frame.time > since:
            latest.pop(frame.name, None)
            latest[frame.name] = frame
    return list(latest.values()) if unrelated([home, *latest]) >= limit.frames else []
