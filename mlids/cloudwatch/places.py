"""How far a source of events was read: what came late is still found, and nothing given twice.

Events come late, so the last stretch of time is asked for again and again. Of that stretch, and
only of it, each event that was given is remembered by a digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

MOST = 200_000  # events that are remembered, of all sources of a group together
DIGEST = 16  # bytes; shorter ones could be made to collide by who chooses the text


class Reached(msgspec.Struct, frozen=True):
    """A place as it is kept over restarts.

    closed: ms since 1970; nothing before it is asked for again. given: by second since 1970 the
    digests of the events from then on that were given, one after the other.
    """

    closed: int
    given: dict[int, bytes] = {}


def identity(parts: Sequence[str | int]) -> bytes:
    """A digest of what an event is known by."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=DIGEST).digest()


class Place:
    """The place in one source: a stream, or all streams of a group.

    most: events that are remembered. Where there are more the oldest are forgotten (`evicted`
    counts them), and what comes late to before them is lost: it could be one of them.
    """

    def __init__(self, closed: int, most: int = MOST) -> None:
        self.closed = closed
        self.most = most
        self.evicted = 0
        self.tries = 0  # how often a gap was asked for again
        self._given: dict[int, set[bytes]] = {}
        self._count = 0
        self._floor = closed  # what is before it is not remembered any more

    @classmethod
    def restored(cls, reached: Reached) -> Place:
        """The place that was kept."""
        place = cls(reached.closed)
        for second, joined in reached.given.items():
            known = {joined[at : at + DIGEST] for at in range(0, len(joined), DIGEST)}
            place._given[second] = known
            place._count += len(known)
        return place

    def state(self) -> Reached:
        """The place, to be kept; to be asked for between two windows only."""
        given = {second: b"".join(sorted(known)) for second, known in self._given.items()}
        return Reached(self.closed, given)

    def is_new(self, timestamp: int, known_by: bytes) -> bool:
        """Whether an event was not given before; from now on it was.

        timestamp: ms since 1970; within a window no earlier than that of the event before.
        """
        second = timestamp // 1000
        if known_by in self._given.get(second, ()):
            return False
        if self._count >= self.most:
            self._evict(second)
        if self._count >= self.most:  # all within this second: what it holds cannot be forgotten
            self._floor = max(self._floor, timestamp + 1)
            self.evicted += 1
            return True
        self._given.setdefault(second, set()).add(known_by)
        self._count += 1
        return True

    def _evict(self, before: int) -> None:
        """Forget the oldest tenth, but only seconds that the window has passed already."""
        for second in sorted(one for one in self._given if one < before):
            if self._count <= 0.9 * self.most:
                return
            self._floor = max(self._floor, (second + 1) * 1000)
            self.evicted += self._forget(second)

    def _forget(self, second: int) -> int:
        count = len(self._given.pop(second))
        self._count -= count
        return count

    def settle(self, until: int) -> None:
        """Ask for nothing before `until` (ms) any more, nor for what is not remembered."""
        self.closed = max(self.closed, self._floor, until)
        for second in [one for one in self._given if (one + 1) * 1000 <= self.closed]:
            self._forget(second)
