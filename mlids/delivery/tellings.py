"""What people are told of the events: the volume law for notifiers.

Repeats of one thing are told at 1, 10, 100, 1000 …; each telling carries ``details.count``, how
many events it stands for, itself included, and ``details.suppressed``, one less. The counts add up.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

from mlids.events import Event
from mlids.volume import Repeats, Telling

QUIET_S = 3600.0
KEYS = 10_000  # episodes held, with the last event of each


class Tellings:
    """Turns events into those to be told. Repeats are equal in rule, type, severity and entity.

    Type and severity belong to it so that a success after failures is not held back with them.
    """

    def __init__(self, quiet_s: float = QUIET_S, keys: int = KEYS) -> None:
        self._repeats = Repeats(quiet_s, keys)
        self._keys = keys
        self._last: dict[Hashable, Event] = {}  # in the order of their episodes: by last trigger

    def put(self, event: Event) -> Iterator[Event]:
        """Count an event; yields what is to be told now, often nothing."""
        key = (event.get("rule"), event.get("type"), event.get("severity"), event.entity)
        time_ns = event.time_ns
        yield from self.close(time_ns)
        last = self._last.pop(key, event)
        for telling in self._repeats.trigger(key, time_ns):
            if telling.key == key:
                yield _told(event if telling.last_ns >= time_ns else last, telling)
            elif telling.key in self._last:
                yield _told(self._last[telling.key], telling)
        if len(self._last) >= self._keys:
            del self._last[next(iter(self._last))]
        self._last[key] = event

    def close(self, now_ns: int) -> Iterator[Event]:
        """What the episodes that are over by now held back."""
        return self._events(self._repeats.close(now_ns))

    def flush(self) -> Iterator[Event]:
        """What is held back at the end."""
        return self._events(self._repeats.flush())

    def _events(self, tellings: Iterable[Telling]) -> Iterator[Event]:
        for telling in tellings:
            if telling.key in self._last:
                yield _told(self._last[telling.key], telling)


def _told(event: Event, telling: Telling) -> Event:
    details = event.get("details")
    kept = details if isinstance(details, Mapping) else {}
    counts = {"suppressed": telling.suppressed, "count": telling.suppressed + 1}
    return event.replace(details={**kept, **counts})
