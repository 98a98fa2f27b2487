"""The stage of the rail at which events are correlated: all correlators, and what outlives them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mlids.atomic import write_atomically
from mlids.errors import MLIDSError
from mlids.events import Correlator, Event
from mlids.metrics import Metrics

_log = logging.getLogger(__name__)
PREFIX = "correlator-"


class Correlation:
    """Hands events to every correlator; not thread-safe, the logger sees to that."""

    def __init__(
        self, correlators: Sequence[Correlator] = (), metrics: Metrics | None = None
    ) -> None:
        self.correlators: Sequence[Correlator] = correlators
        self.metrics = metrics or Metrics()
        self._broken: set[str] = set()

    def passed(self, event: Event) -> list[Event]:
        """The event, under the incident that it belongs to, and what it gave rise to.

        What correlators say is not correlated: there are no loops.
        """
        event = event.stamped()
        further: list[Event] = []
        for one in self.correlators:
            further += self._asked(one, one.correlate, [event])
        for one in self.correlators:
            if incident := one.joined(event):
                event = event.replace(correlation_id=incident)
        return [event, *(said.stamped() for said in further)]

    def settle(self) -> list[Event]:
        """What correlators hold back: MLIDS stops, or the recording ends."""
        return [said.stamped() for one in self.correlators for said in self._asked(one, one.flush)]

    def _asked(
        self, one: Correlator, ask: Callable[..., Iterable[Event]], *what: Any
    ) -> list[Event]:
        try:
            return list(ask(*what))
        except Exception:
            self.metrics.add(f"failures{{plugin={one.name}}}")
            if one.name not in self._broken:
                self._broken.add(one.name)
                _log.exception("correlator %s failed", one.name)
            return []

    def counts(self) -> dict[str, int]:
        """What correlators had no room for, by ``<correlator> <what>``."""
        return {
            f"{one.name} {what}": count
            for one in self.correlators
            for what, count in one.counts().items()
        }

    def saved(self) -> dict[str, bytes]:
        """The state of each correlator that has one, as bytes."""
        states = ((one, one.save()) for one in self.correlators)
        return {one.name: msgspec.msgpack.encode(state) for one, state in states if state}

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Take up states; a correlator whose state is broken begins anew, with a word."""
        self.correlators = [
            _restored(one, states[one.name]) if one.name in states else one
            for one in self.correlators
        ]


def _restored(one: Correlator, state: bytes) -> Correlator:
    try:
        one.restore(msgspec.msgpack.decode(state, strict=False))
    except Exception as error:
        _log.warning("the state of %s is not readable, so it begins anew: %s", one.name, error)
        return type(one)(**msgspec.structs.asdict(one.settings))
    return one


def read(folder: Path) -> dict[str, bytes]:
    """The states that `write` left, by the correlator's name."""
    found = {}
    for path in folder.glob(f"{PREFIX}*.msgpack"):
        try:
            found[path.stem.removeprefix(PREFIX)] = path.read_bytes()
        except OSError as error:
            _log.warning("%s is not readable: %s", path, error)
    return found


def write(states: Mapping[str, bytes], folder: Path) -> None:
    """Keep what `Correlation.saved` gave; call it once the events behind it are on the disk."""
    for name, state in states.items():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(folder / f"{PREFIX}{name}.msgpack", state, sync=False)
        except (OSError, MLIDSError) as error:
            _log.warning("the state of %s was not saved: %s", name, error)
