"""Monitoring Gap: an input that fell silent for longer than it ever is.

Silence is judged by when lines *arrive* (`LineBatch.written`), not by the time they tell. That
costs nothing a line, where the stamp of each would cost microseconds; it works for lines without a
stamp; and nobody who writes to a log can forge it. A recording arrives all at once, so nothing is
said of its holes: a file that just ends is no input that fell silent.

Arrivals less than a second apart are one. An input is judged once it has made `min_gaps` pauses
over an hour: it is silent beyond `factor` times the pause that 99 % of them do not exceed, and
beyond half as much again as the longest of a week, for nights and weekends (`mlids.lines.pauses`).
The price: an input that rests each night is told after most of a day, one that rests each weekend
after four days. What must be known sooner should write a mark now and then, as syslog can.
Only time in which MLIDS looked counts: a heartbeat comes each second, so a step of more than a
minute means that MLIDS was off, the machine asleep or its clock set, and is no silence of anybody.
Logs that are named after their day are one input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from mlids.batches import Detector, LineBatch
from mlids.events import Event, detection_id, format_time
from mlids.lines.pauses import Pauses
from mlids.lines.recognition import chosen_for
from mlids.volume import NS

LEARNT_NS = 3600 * NS  # from an input's first line on, before it is judged
UNWATCHED_NS = 60 * NS  # a longer step is time in which nobody looked
_DATE = re.compile(r"(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:[-_.T]?\d{2,6})?(?!\d)")


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the silence detector."""

    inputs: Annotated[
        list[str], msgspec.Meta(description="Globs of the inputs that are watched; empty: all")
    ] = []
    ignore: Annotated[
        list[str], msgspec.Meta(description="Globs of inputs that may fall silent unheard")
    ] = []
    factor: Annotated[
        float,
        msgspec.Meta(
            ge=1, le=100, description="Times the pause that 99 % do not exceed, which is told"
        ),
    ] = 2.0
    min_silence_s: Annotated[
        float, msgspec.Meta(ge=10, le=86_400, description="A shorter silence is never told")
    ] = 300.0
    min_gaps: Annotated[
        int, msgspec.Meta(ge=10, description="Pauses that are known before an input is judged")
    ] = 100
    max_inputs: Annotated[
        int, msgspec.Meta(ge=10, description="Inputs remembered, learned ones and others each")
    ] = 10_000


class _Input(msgspec.Struct, array_like=True):
    """One input. Of its latest line: `written`, and `source`, `line`, `offset` where it stands.

    first, last: watched ns of its first and latest arrival; heard_ns: since 1970, of the latest;
    limit_ns: how long it may be silent now, 0 where that was not asked yet.
    """

    source: str
    line: int
    offset: int
    written: int
    first: int
    last: int
    heard_ns: int
    told: bool = False
    limit_ns: int = 0
    pauses: Pauses = msgspec.field(default_factory=Pauses)


class Silence(Detector[LineBatch]):
    """Tells inputs that fell silent, each once, and when they speak again."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._now = 0  # ns since 1970: the latest that is known
        self._watched = 0  # ns in which MLIDS looked
        self._judged = 0
        # One that has learned gives way only to others that have: a flood of new names, each of
        # which speaks once, must not push out the input that just fell silent.
        self._learned: dict[str, _Input] = {}  # ordered by last arrival
        self._learning: dict[str, _Input] = {}
        self._evicted = 0
        self._name = lru_cache(maxsize=16_384)(self._named)

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """The inputs that have been silent too long by now, and the one that speaks again."""
        told = self._passed(batch.written if len(batch) else batch.now, bool(len(batch)))
        if len(batch) and (name := self._name(batch.source)):
            return [*told, *self._heard(name, batch)]
        return told

    def _passed(self, now_ns: int, arrived: bool) -> list[Event]:
        """Time passes. Of heartbeats the slowest input's may lag; only lines set it back."""
        step = now_ns - self._now
        if not now_ns or (step < 0 and not (arrived and step < -UNWATCHED_NS)):
            return []
        self._now = now_ns
        if not 0 < step <= UNWATCHED_NS:
            return []
        self._watched += step
        if self._watched - self._judged < NS:
            return []
        self._judged = self._watched
        return list(self._silent())

    def _silent(self) -> Iterator[Event]:
        least_ns = int(self.settings.min_silence_s * NS)
        for name, one in self._learned.items():
            silent_ns = self._watched - one.last
            if silent_ns <= least_ns:
                return  # nor are those that spoke later
            if one.told:
                continue
            if not one.limit_ns:
                chosen = self.settings
                began_s = one.heard_ns / NS
                limit_s = one.pauses.limit(began_s, chosen.factor, chosen.min_silence_s)
                one.limit_ns = int(limit_s * NS)
            if silent_ns > one.limit_ns:
                one.told = True
                yield self._event(name, one, silent_ns / NS)

    def _heard(self, name: str, batch: LineBatch) -> Iterator[Event]:
        written, row = batch.written or self._now, len(batch) - 1
        place = batch.source, int(batch.numbers[row]), batch.base + int(batch.starts[row])
        one = self._learned.get(name) or self._learning.get(name)
        if one is None:
            self._make_room(self._learning)
            now = self._watched
            self._learning[name] = _Input(*place, written, now, now, written)
            return
        gap_ns = self._watched - one.last
        # What was read at once makes no pause, however it is cut; a recording is read at once.
        if gap_ns >= NS and written != one.written:
            if one.told:
                yield self._event(name, one, gap_ns / NS, again=True)
                one.pauses.resumed(gap_ns / NS, self._now / NS)
            else:
                one.pauses.add(gap_ns / NS, self._now / NS)
            one.last, one.heard_ns, one.told, one.limit_ns = self._watched, written, False, 0
            self._file(name, one)
        one.source, one.line, one.offset = place
        one.written = written

    def _file(self, name: str, one: _Input) -> None:
        """Put an input behind those that spoke before, once it has learned among those."""
        if self._learned.pop(name, None) is None:
            del self._learning[name]
            spoken_ns = one.last - one.first
            if one.pauses.count < self.settings.min_gaps or spoken_ns < LEARNT_NS:
                self._learning[name] = one
                return
            self._make_room(self._learned)
        self._learned[name] = one

    def _make_room(self, known: dict[str, _Input]) -> None:
        if len(known) >= self.settings.max_inputs:
            del known[next(iter(known))]
            self._evicted += 1

    def _named(self, source: str) -> str:
        """What an input is told apart by; "" where it is not watched."""
        chosen = self.settings
        if chosen.inputs and not chosen_for(source, dict.fromkeys(chosen.inputs, "x"), ""):
            return ""
        if chosen_for(source, dict.fromkeys(chosen.ignore, "x"), ""):
            return ""
        return source if source.startswith("syslog ") else _DATE.sub("DATE", source)

    def _event(self, name: str, one: _Input, seconds: float, again: bool = False) -> Event:
        """What is told of a silence, when it has lasted too long and when it ends."""
        pauses, chosen = one.pauses, self.settings
        usual, longest = pauses.usual(), pauses.longest(one.heard_ns / NS)
        text = f"{one.source} has been silent for {seconds:,.0f} s"
        if again:
            text = f"{one.source} speaks again after {seconds:,.0f} s of silence"
        metadata = {
            "input": one.source,
            "what": "resumed" if again else "silent",
            "amount": round(seconds, 3),
            "from": format_time(one.heard_ns),
            "to": format_time(self._now),
            "usual_s": round(usual, 1),
            "longest_s": round(longest, 1),
            "limit_s": round(one.limit_ns / NS, 1),
            "gaps": pauses.count,
        }
        return Event.new(
            "Monitoring Gap",
            "LOW" if again else "MEDIUM",
            "system",
            {"description": text, "metadata": metadata},
            time_ns=self._now,
            rule=f"silence/{metadata['what']}",
            tags=("blind", "silence"),
            evidence=[{"source": one.source, "line": one.line, "offset": one.offset}],
            explanation=f"silent for {seconds:,.0f} s; threshold {one.limit_ns / NS:,.0f} s: more"
            f" than {chosen.factor:g} times the {usual:,.0f} s that 99 % of {pauses.count:,}"
            f" pauses do not exceed, and than 1.5 times {longest:,.0f} s, the longest of 7 days",
            correlation_id=detection_id("silence", name, one.heard_ns),
        )

    def save(self) -> dict[str, Any]:
        """What was learned of each input."""
        known = {"learned": self._learned, "learning": self._learning}
        state = {key: [_saved(*pair) for pair in found.items()] for key, found in known.items()}
        return {"now": self._now, "watched": self._watched, **state}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._now, self._watched = state["now"], state["watched"]
        for key, found in (("learned", self._learned), ("learning", self._learning)):
            found.update((name, msgspec.convert(rest, _Input)) for name, *rest in state[key])

    def counts(self) -> dict[str, int]:
        """Inputs that gave way to others."""
        return {"evicted_inputs": self._evicted}


def _saved(name: str, one: _Input) -> list[Any]:
    return [name, *msgspec.structs.astuple(one)[:-1], one.pauses.saved()]
