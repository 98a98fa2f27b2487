"""Lines that only count: how many of one source came within a window, and what was told of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

import msgspec

from mlids.events import Event, detection_id
from mlids.volume import NS, Repeats, Telling
from mlids.windows import Windows, distinct, within

DAY_NS = 86_400 * NS
PLACES = 10  # of evidence
Place = tuple[Any, ...]


class Count(NamedTuple):
    """What a source has come to: lines (or different values), and where the latest stand."""

    seen: int
    places: list[Place]


class Counting:
    """Windows by key, and by key the event that tells of it; repeats obey the volume law.

    keys: sources remembered; the ones longest without a line go first (`evicted` counts them).
    """

    def __init__(self, keys: int) -> None:
        self.keys = keys
        self._windows = Windows(PLACES, DAY_NS, keys)
        self._repeats: dict[int, Repeats] = {}  # by seconds after which an episode ends
        self._last: dict[str, list[Any]] = {}  # by key: what was said last, and those seconds

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
        if seen < least and self._of(window_s).first_seen(key) is None:
            return None
        return Count(seen, [mark[2] for mark in reversed(recent)][:PLACES])

    def tell(self, key: str, event: Event, window_s: int) -> Iterator[Event]:
        """Take an event about a source that counted enough; yields what is to be told now."""
        self._last[key] = [msgspec.to_builtins(dict(event)), window_s]
        yield from map(self._telling, self._of(window_s).trigger(key, event.time_ns))
        if len(self._last) > 2 * self.keys:
            self._forget()

    def close(self, now_ns: int) -> Iterator[Event]:
        """What the sources that are quiet by now held back."""
        for repeats in self._repeats.values():
            yield from map(self._telling, repeats.close(now_ns))

    def flush(self) -> Iterator[Event]:
        """What is held back."""
        for repeats in self._repeats.values():
            yield from map(self._telling, repeats.flush())

    def _of(self, window_s: int) -> Repeats:
        if window_s not in self._repeats:
            self._repeats[window_s] = Repeats(window_s, self.keys)
        return self._repeats[window_s]

    def _telling(self, telling: Telling) -> Event:
        said = self._last[cast(str, telling.key)][0]
        metadata = {**said["details"].get("metadata", {}), "triggers": telling.total}
        details = {**said["details"], "metadata": metadata, "suppressed": telling.suppressed}
        same = ("rule", "tags", "techniques", "confidence", "evidence", "explanation")
        return Event.new(
            said["type"],
            said["severity"],
            said["source"],
            details,
            time_ns=telling.last_ns,
            correlation_id=detection_id(said["rule"], telling.key, telling.first_ns),
            **{name: said[name] for name in same},
        )

    def _forget(self) -> None:
        known = self._last.items()
        self._last = {
            key: said for key, said in known if self._of(said[1]).first_seen(key) is not None
        }

    @property
    def evicted(self) -> int:
        """Sources that were forgotten before their time."""
        return self._windows.evicted + sum(one.evicted for one in self._repeats.values())

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        self._forget()
        return {
            "windows": self._windows.save(),
            "keep": self._windows.keep,
            "repeats": [[quiet, repeats.save()] for quiet, repeats in self._repeats.items()],
            "last": self._last,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._windows.keep = state["keep"]
        self._windows.restore(state["windows"])
        for quiet, saved in state["repeats"]:
            self._of(quiet).restore(saved)
        self._last = {key: list(said) for key, said in state["last"].items()}


def evidence(names: Iterable[str], places: Iterable[Place]) -> list[dict[str, Any]]:
    """Places as events carry them."""
    return [dict(zip(names, place, strict=True)) for place in places]
