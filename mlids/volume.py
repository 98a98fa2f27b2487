"""The volume law: repeats of one thing are told at the 1st, 10th, 100th, 1000th …, never lost.

Each telling says how many it stands for beside itself (`suppressed`), and what is left over is told
when the episode ends, so that the counts always add up. Time comes from the data.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

NS = 1_000_000_000


class Telling(NamedTuple):
    """What is to be told: the count so far, how many were held back since the last telling."""

    key: Hashable
    first_ns: int
    last_ns: int
    total: int
    suppressed: int


class _Episode(msgspec.Struct):
    first_ns: int
    last_ns: int
    total: int = 0
    told: int = 0
    next: int = 1


class Repeats:
    """Episodes of repeated triggers by key; one ends when `quiet_s` seconds pass without a trigger.

    keys: at most so many episodes are kept; the one longest without a trigger goes first, and what
    it held back is told (`evicted` counts them).
    """

    def __init__(self, quiet_s: float, keys: int = 100_000) -> None:
        self.quiet_ns = int(quiet_s * NS)
        self.keys = keys
        self.evicted = 0
        self._episodes: dict[Hashable, _Episode] = {}  # ordered by last trigger

    def trigger(self, key: Hashable, time_ns: int, times: int = 1) -> Iterator[Telling]:
        """Count `times` triggers at one moment; yields what is to be told now, often nothing."""
        episode = self._episodes.pop(key, None)
        if episode is not None and time_ns - episode.last_ns > self.quiet_ns:
            yield from _rest(key, episode)
            episode = None
        if episode is None:
            episode = _Episode(time_ns, time_ns)
            yield from self._make_room()
        self._episodes[key] = episode
        episode.last_ns = max(time_ns, episode.last_ns)
        for _ in range(times):
            episode.total += 1
            if episode.total == episode.next:
                episode.next *= 10
                yield from _rest(key, episode)

    def trigger_each(self, key: Hashable, times: Sequence[int]) -> Iterator[tuple[int, Telling]]:
        """Count one trigger at each of these times, which ascend: `trigger` for each, but faster.

        Yields which of the triggers led to a telling, and the telling. Between two tellings nothing
        is looked at one by one, unless there was a pause.
        """
        at = 0
        while at < len(times):
            episode = self._episodes.get(key)
            count = 1
            if episode is not None:
                count = min(episode.next - episode.total, len(times) - at)
                if times[at + count - 1] - episode.last_ns > self.quiet_ns:
                    count = 1
            if count > 1:
                assert episode is not None
                episode.total += count - 1
                episode.last_ns = max(episode.last_ns, times[at + count - 2])
            for telling in self.trigger(key, times[at + count - 1]):
                yield at + count - 1, telling
            at += count

    def close(self, now_ns: int) -> Iterator[Telling]:
        """End the episodes that are quiet at `now_ns`; yields what they held back."""
        while self._episodes:
            key, episode = next(iter(self._episodes.items()))
            if now_ns - episode.last_ns <= self.quiet_ns:
                return
            del self._episodes[key]
            yield from _rest(key, episode)

    def flush(self) -> Iterator[Telling]:
        """Tell what is held back, without ending the episodes."""
        for key, episode in self._episodes.items():
            yield from _rest(key, episode)

    def first_seen(self, key: Hashable) -> int | None:
        """When the episode of a key began, None where there is none."""
        episode = self._episodes.get(key)
        return episode.first_ns if episode else None

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [[key, *msgspec.structs.astuple(e)] for key, e in self._episodes.items()]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave; keys that were tuples come back as tuples."""
        for key, *values in state:
            self._episodes[tuple(key) if isinstance(key, list) else key] = _Episode(*values)

    def _make_room(self) -> Iterator[Telling]:
        if len(self._episodes) >= self.keys:
            key, episode = next(iter(self._episodes.items()))
            del self._episodes[key]
            self.evicted += 1
            yield from _rest(key, episode)


def _rest(key: Hashable, episode: _Episode) -> Iterator[Telling]:
    """What was not told yet, if anything; the last of it is the one that tells."""
    untold = episode.total - episode.told
    if untold:
        episode.told = episode.total
        yield Telling(key, episode.first_ns, episode.last_ns, episode.total, untold - 1)
