"""When MLIDS does not see everything: lost packets, state given up, interfaces that fell silent.

Looked at once a second on the wall clock, from the counts that inputs and detectors keep.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from mlids.batches import InputStatus
from mlids.volume import NS, Repeats, Telling

LOSS = 0.001  # share of the packets of the last second, or since it was told, that is told
QUIET_S = 300.0  # a loss that stops for so long is told anew when it comes back
LEARNT = 120  # pauses that must be known before a silence is judged
KEPT = 1000  # of the latest pauses the longest that 99 % do not exceed is taken
FACTOR = 2
LEAST_S = 10.0  # a shorter silence is never told
ENTRIES = 10_000


class Gap(NamedTuple):
    """Something that MLIDS did not see: in words and in figures."""

    text: str
    input: str
    what: str
    amount: float  # packets, entries or seconds
    suppressed: int = 0


class Gaps:
    """Compares counts with those of the second before."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}
        self._untold: dict[tuple[str, str], int] = {}  # lost since it was told
        self._offered: dict[str, int] = {}  # and offered since then
        self._repeats = Repeats(QUIET_S, ENTRIES)
        self._texts: dict[Hashable, str] = {}  # of what was told last
        self._silences: dict[str, _Silence] = {}

    def observe(
        self,
        inputs: Sequence[InputStatus],
        given_up: Mapping[tuple[str, str], int],
        now: float,
    ) -> Iterator[Gap]:
        """What is to be told now.

        inputs: with their counts; given_up: what detectors evicted or skipped since the start, by
        (detector, what); now: seconds of a clock that never goes back.
        """
        for one in inputs:
            yield from self._lost(one, now)
            given_up = {**given_up, (one.name, "evicted_fragments"): one.counts.get("given_up", 0)}
            if one.kind == "network":
                yield from self._silent(one, now)
        for key, count in given_up.items():
            if (more := self._grown(key, count)) > 0:
                yield from self._told(key, more, f"{key[0]}: {{count}} {_words(key[1])}", now)
        for telling in self._repeats.close(int(now * NS)):
            yield self._gap(telling, 0)

    def _grown(self, key: tuple[str, str], count: int) -> int:
        before = self._seen.get(key, 0)
        self._seen[key] = count
        return count - before

    def _lost(self, one: InputStatus, now: float) -> Iterator[Gap]:
        """Packets that the kernel had no room for, where they are a share that matters."""
        read = self._grown((one.name, "read"), one.counts.get("read", 0))
        lost = self._grown((one.name, "dropped"), one.counts.get("dropped", 0))
        self._offered[one.name] = self._offered.get(one.name, 0) + max(0, read) + max(0, lost)
        key = one.name, "dropped"
        self._untold[key] = self._untold.get(key, 0) + max(0, lost)
        if lost > 0 and (
            lost >= LOSS * (read + lost) or self._untold[key] >= LOSS * self._offered[one.name]
        ):
            text = f"{one.name}: {{count}} packets were lost; the machine is too slow for the link"
            self._untold[key] = self._offered[one.name] = 0
            yield from self._told(key, lost, text, now)

    def _told(self, key: tuple[str, str], more: int, text: str, now: float) -> Iterator[Gap]:
        self._texts[key] = text
        for telling in self._repeats.trigger(key, int(now * NS)):
            yield self._gap(telling, more)

    def _gap(self, telling: Telling, more: int) -> Gap:
        name, what = cast(tuple[str, str], telling.key)
        total = self._seen[name, what]
        shown = self._texts[telling.key].format(count=f"{total:,}")
        lately = f" ({more:,} in the last second)" if 0 < more < total else ""
        return Gap(shown + lately, name, what, total, telling.suppressed)

    def _silent(self, one: InputStatus, now: float) -> Iterator[Gap]:
        known = self._silences.setdefault(one.name, _Silence(now))
        if one.state != "ok":  # down or gone: that is told already
            known.heard(now, learn=False)
            return
        if one.counts.get("read", 0) != known.count:
            known.count = one.counts.get("read", 0)
            known.heard(now)
            return
        if (limit := known.exceeded(now)) > 0:
            seconds = now - known.last
            text = (
                f"{one.name} has been silent for {seconds:.0f} s; pauses of more than"
                f" {limit / FACTOR:.0f} s are rare here"
            )
            yield Gap(text, one.name, "silent", seconds)


class _Silence:
    """The pauses of one input, to the second."""

    def __init__(self, now: float) -> None:
        self.count = 0
        self.last = now
        self._pauses: deque[float] = deque(maxlen=KEPT)
        self._told = False

    def heard(self, now: float, learn: bool = True) -> None:
        """Something came."""
        if learn and not self._told:  # a failure is no example of what is usual
            self._pauses.append(now - self.last)
        self.last, self._told = now, False

    def exceeded(self, now: float) -> float:
        """The limit in seconds that this silence exceeds, told once; 0: it does not."""
        if self._told or len(self._pauses) < LEARNT or now - self.last < LEAST_S:
            return 0.0
        usual = sorted(self._pauses)[int(0.99 * (len(self._pauses) - 1))]
        limit = max(LEAST_S, FACTOR * usual)
        self._told = now - self.last > limit
        return limit if self._told else 0.0


def _words(what: str) -> str:
    """``evicted_sources`` in words."""
    verb, _, noun = what.partition("_")
    return f"{noun.replace('_', ' ')} were {verb} for want of room" if noun else f"{what}"
