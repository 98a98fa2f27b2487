"""Lines that only count: how many of one source came within a window, and what was told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from mlids.episodes import Account, Episodes
from mlids.events import Event
from mlids.volume import NS
from mlids.windows import Windows, distinct, within

DAY_NS = 86_400 * NS
PLACES = 10  # of evidence
Place = tuple[Any, ...]


class Count(NamedTuple):
    """What a source has come to: lines (or different values), and where the latest stand."""

    seen: int
    places: list[Place]


class Counting:
    """Windows by key; what a source that counts enough goes on to do is one episode.

    keys: sources remembered; the ones longest without a line go first (`evicted` counts them).
    """

    def __init__(self, keys: int) -> None:
        self.keys = keys
        self._windows = Windows(PLACES, DAY_NS, keys)
        self._episodes: dict[int, Episodes] = {}  # by seconds after which one ends

    def add(
        self,
        key: str,
        time_ns: int,
        place: Place,
        least: int,
        window_s: int,
        value: str | None = None,
    ) -> Count | None:
        """Count one line; None while fewer than `least` are within the window.

        value: different values are counted instead of lines.
        """
        self._windows.keep = max(self._windows.keep, least)
        ring = self._windows.add(key, (time_ns, value, place))
        now, window_ns = ring[-1][0], window_s * NS
        recent = within(ring, now, window_ns)
        seen = len(recent) if value is None else distinct(ring, now, window_ns, 1)
        if seen < least and ("count", key) not in self._of(window_s):
            return None
        return Count(seen, [mark[2] for mark in reversed(recent)][:PLACES])

    def tell(self, key: str, event: Event, window_s: int) -> Iterator[Event]:
        """Take an event about a source that counted enough; yields what is to be told now."""
        known = {name: event[name] for name in Account.__struct_fields__}
        episodes = self._of(window_s)
        yield from episodes.trigger(("count", key), event.time_ns, Account(**known))

    def close(self, now_ns: int) -> Iterator[Event]:
        """What the sources that are quiet by now held back."""
        for episodes in self._episodes.values():
            yield from episodes.close(now_ns)

    def flush(self) -> Iterator[Event]:
        """What is held back."""
        for episodes in self._episodes.values():
            yield from episodes.flush()

    def _of(self, window_s: int) -> Episodes:
        if window_s not in self._episodes:
            made = Episodes(window_s, self.keys, most=self.keys, source="application")
            self._episodes[window_s] = made
        return self._episodes[window_s]

    @property
    def evicted(self) -> int:
        """Sources that were forgotten before their time."""
        return self._windows.evicted + sum(one.evicted for one in self._episodes.values())

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "windows": self._windows.save(),
            "keep": self._windows.keep,
            "episodes": [[quiet, one.save()] for quiet, one in self._episodes.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._windows.keep = state["keep"]
        self._windows.restore(state["windows"])
        for quiet, saved in state["episodes"]:
            self._of(quiet).restore(saved)


def evidence(names: Iterable[str], places: Iterable[Place]) -> list[dict[str, Any]]:
    """Places as events carry them."""
    return [dict(zip(names, place, strict=True)) for place in places]
