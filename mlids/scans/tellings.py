"""What was found, told by the volume law: the 1st, 10th, 100th … round, and how many were not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from mlids.capture.addresses import Networks
from mlids.events import Event
from mlids.scans.events import Summary, event, summarise
from mlids.scans.findings import DAY_NS, NS, QUIET_NS, Finding, Key, Limits
from mlids.volume import Repeats, Telling

if TYPE_CHECKING:
    from mlids.scans.sources import Scans

EPISODES = 10_000
MOST_CAPTURES = 65_535  # a contact holds 16 bits of which one it is from


class Tellings:
    """Turns findings into events; those of slow scans belong together for a day."""

    def __init__(self, limits: Limits, home: Networks) -> None:
        self._limits = limits
        self._home = home
        self._repeats = Repeats(QUIET_NS / NS, EPISODES)
        self._slow = Repeats(DAY_NS / NS, EPISODES)
        self._summaries: dict[Key, Summary] = {}
        self._latest: dict[Key, Finding] = {}  # of this batch, not made into summaries yet
        self._captures: list[str] = []

    @property
    def evicted(self) -> int:
        """Episodes that were ended for lack of room."""
        return self._repeats.evicted + self._slow.evicted

    def capture(self, source: str) -> int:
        """The number of a capture, by which contacts know it."""
        if source not in self._captures:
            if len(self._captures) >= MOST_CAPTURES:
                self._captures[-1] = source
            else:
                self._captures.append(source)
        return self._captures.index(source)

    def told(self, finding: Finding, time: int) -> Iterator[Event]:
        """Count a finding; yields what is to be told now."""
        repeats = self._slow if finding.technique == "slow" else self._repeats
        for telling in repeats.trigger(finding.key, time):
            if telling.key == finding.key and telling.last_ns == time:
                yield event(self._summarised(finding), telling)
            else:
                yield self._event(telling)
        self._latest[finding.key] = finding

    def totals(self, ended: Iterable[tuple[Key, int]]) -> None:
        """Note what episodes that are over counted in all."""
        for key, total in ended:
            if (known := self._summary(key)) is not None:
                known.total = total

    def close(self, now: int, scans: Scans) -> Iterator[Event]:
        """What episodes that end by now held back."""
        yield from self._rest([*self._repeats.close(now), *self._slow.close(now)], scans)
        self._settle()

    def flush(self, scans: Scans) -> Iterator[Event]:
        """What is held back, without ending the episodes."""
        yield from self._rest([*self._repeats.flush(), *self._slow.flush()], scans)
        self._settle()

    def _rest(self, tellings: Iterable[Telling], scans: Scans) -> Iterator[Event]:
        for telling in tellings:
            total, known = scans.total(_key(telling)), self._summary(_key(telling))
            if total is not None and known is not None:
                known.total = total
            yield self._event(telling)

    def _event(self, telling: Telling) -> Event:
        summary = self._summary(_key(telling))
        assert summary is not None
        return event(summary, telling)

    def _summary(self, key: Key) -> Summary | None:
        finding = self._latest.pop(key, None)
        if finding is not None:
            self._summaries[key] = self._summarised(finding)
        return self._summaries.get(key)

    def _summarised(self, finding: Finding) -> Summary:
        return summarise(finding, self._home, self._captures, self._limits)

    def _settle(self) -> None:
        for key in list(self._latest):
            self._summary(key)
        if len(self._summaries) > 4 * EPISODES:
            known = {key: each for key, each in self._summaries.items() if self._alive(key)}
            self._summaries = known

    def _alive(self, key: Key) -> bool:
        return any(r.first_seen(key) is not None for r in (self._repeats, self._slow))

    def save(self) -> list[Any]:
        """The state, as plain data."""
        self._settle()
        summaries = [[list(k), msgspec.to_builtins(v)] for k, v in self._summaries.items()]
        return [self._repeats.save(), self._slow.save(), summaries, self._captures]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._repeats.restore(state[0])
        self._slow.restore(state[1])
        self._summaries = {tuple(key): msgspec.convert(values, Summary) for key, values in state[2]}
        self._captures = list(state[3])


def _key(telling: Telling) -> Key:
    assert isinstance(telling.key, tuple)
    return telling.key
