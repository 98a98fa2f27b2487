"""Coverage: when MLIDS watched, when it did not and why, and which inputs it did not see.

What shows that it ran is asked in this order: its own words (Service Started, Service Stopped), and
where a run ended without one, the last sign of life: a seal of the log, or an event that cannot
have been told later. Events out of log lines and of files can: a run that starts reads what was
written while none ran, and they carry the time of the line. So behind a crash only network and
system events count, and only the last run, which no other follows, may show itself by any event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import msgspec

from mlids.events import Event
from mlids.inputgaps import InputGap, gaps, metadata
from mlids.moments import format_time
from mlids.tally import Tally

NS = 1_000_000_000
HOLE_S = 900  # three times the longest pause between two seals (`mlids.sealing`)
NAMED = 10  # events named as evidence
LATEST = 100  # events written last, of which one happened last: lines may be told late
STARTED, STOPPED, CHANGED = "Service Started", "Service Stopped", "Configuration Changed"
GAP, SUPPRESSED = "Monitoring Gap", "Events Suppressed"
_OWN = (
    f'type:"{STARTED}" OR type:"{STOPPED}" OR type:"{CHANGED}"'
    f' OR type:"{GAP}" OR type:"{SUPPRESSED}"'
)
_LIVE = "source:network OR source:system"


class Stored(Protocol):
    """The stored events, as reports ask for them: a `mlids.archive.Archive`, or a list in tests.

    query: in the query language, "" for all; since_ns, until_ns: ns since 1970, inclusive and
    exclusive; newest: what was written last comes first.
    """

    def search(
        self,
        query: str,
        since_ns: int = 0,
        until_ns: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> Iterator[Event]:
        """The events that match."""

    def tally(self, query: str, since_ns: int = 0, until_ns: int | None = None) -> Tally:
        """Their counts."""


class Period(msgspec.Struct, frozen=True):
    """Part of the time asked about (UTC); reason: why MLIDS did not watch, "" where it did."""

    since: str
    until: str
    seconds: float
    reason: str = ""


class Coverage(msgspec.Struct):
    """When MLIDS watched in a period.

    share: of the period, 0 to 1; inputs: what the runs said they watch ("network eth0"); lanes: the
    share by the first word of these; crashes: runs that ended without a word; begins: of the whole
    log, "" for none; events: ids of starts and stops.
    """

    since: str
    until: str
    share: float = 0.0
    watched: list[Period] = []
    unwatched: list[Period] = []
    gaps: list[InputGap] = []
    inputs: list[str] = []
    lanes: dict[str, float] = {}
    starts: int = 0
    stops: int = 0
    crashes: int = 0
    begins: str = ""
    events: list[str] = []


class Stretch(NamedTuple):
    """A time in which MLIDS ran, and what came after it."""

    since_ns: int
    until_ns: int
    then: str
    inputs: list[str]  # that it said it watches


STOP = "MLIDS was stopped"
CRASH = "MLIDS ended without a word (crash, power cut or kill)"
SLEEP = "no sign of life: the machine slept, or MLIDS hung"
EMPTY = "the log holds no events"


class Diary:
    """What MLIDS told of itself up to a moment, read at once: it is little, and asked for often.

    first: the log's first event, None for an empty one; service: starts, stops and changes of the
    configuration by time; gaps, suppressed: the events that tell of them.
    """

    def __init__(self, stored: Stored, until_ns: int) -> None:
        self.first = next(stored.search("", limit=1), None)
        own = sorted(stored.search(_OWN, 0, until_ns), key=lambda event: event.time_ns)
        self.service = [
            one
            for one in own
            if one.type in (STARTED, STOPPED, CHANGED) and one.get("rule") == "service"
        ]
        self.gaps = [one for one in own if one.type == GAP]
        self.suppressed = [one for one in own if one.type == SUPPRESSED]


def within(events: Sequence[Event], since_ns: int, until_ns: int) -> list[Event]:
    """Those of a period."""
    return [event for event in events if since_ns <= event.time_ns < until_ns]


def coverage(
    stored: Stored,
    since_ns: int,
    until_ns: int,
    now_ns: int,
    signs_ns: Sequence[int] = (),
    diary: Diary | None = None,
) -> Coverage:
    """When MLIDS watched between two moments; what lies ahead of `now_ns` is not judged.

    signs_ns: moments at which a process is known to have run: those of the seals, and now where one
    runs; diary: where it is known already.
    """
    until_ns = max(since_ns, min(until_ns, now_ns))
    diary = diary or Diary(stored, until_ns)
    signs = sorted(sign for sign in signs_ns if sign <= until_ns)
    first = diary.first
    before = next(iter(within(diary.service, 0, since_ns)[::-1]), None)
    told = within(diary.service, since_ns, until_ns)
    runs = _Runs(stored, since_ns, until_ns, signs)
    stretches = [part for run in runs.of(first, before, told) for part in _awake(run, signs)]
    result = Coverage(format_time(since_ns), format_time(until_ns))
    result.begins = first.timestamp if first else ""
    ends = [event for event in told if event.type != CHANGED]
    result.starts = sum(event.type == STARTED for event in ends)
    result.stops = len(ends) - result.starts
    result.crashes = sum(one.then == CRASH for one in stretches)
    result.events = [str(event.get("id", "")) for event in ends[:NAMED]]
    _shares(result, stretches, until_ns - since_ns)
    unseen = EMPTY if first is None else f"the log shows no run before; it begins {_short(first)}"
    result.unwatched = list(_between(stretches, since_ns, until_ns, STOP if before else unseen))
    result.gaps = gaps(within(diary.gaps, since_ns, until_ns), until_ns)
    return result


def _shares(result: Coverage, stretches: list[Stretch], whole_ns: int) -> None:
    """How much was watched, in all and by lane; what a run watched that did not say it is open."""
    watched = [one for one in stretches if one.until_ns > one.since_ns]
    result.watched = [_period(one.since_ns, one.until_ns) for one in watched]
    result.inputs = list(dict.fromkeys(name for one in stretches for name in one.inputs))
    for one in watched:
        share = (one.until_ns - one.since_ns) / whole_ns
        result.share += share
        for lane in dict.fromkeys(name.split(" ", 1)[0] for name in one.inputs):
            result.lanes[lane] = result.lanes.get(lane, 0.0) + share
    result.share = min(1.0, result.share)  # sums of fractions


class _Runs:
    """The runs of MLIDS in a period."""

    def __init__(self, stored: Stored, since_ns: int, until_ns: int, signs: list[int]) -> None:
        self.stored, self.signs = stored, signs
        self.since_ns, self.until_ns = since_ns, until_ns

    def of(self, first: Event | None, before: Event | None, told: list[Event]) -> Iterator[Stretch]:
        """first: of the log; before: the last start, change or stop before the period; told: those
        in it.

        A log whose begin was deleted may lack the start of its first run.
        """
        begin: int | None = None
        inputs = _inputs(before)
        known = before is not None  # whether the run that goes on told its start
        if before is not None:
            begin = None if before.type == STOPPED else self.since_ns
        elif first is not None and first.time_ns < self.until_ns:
            begin = max(self.since_ns, first.time_ns)
        for event in told:
            if begin is not None:
                end, then = self._end(begin, event)
                if end > begin or known:
                    yield Stretch(begin, end, then, inputs)
            begin = None if event.type == STOPPED else event.time_ns
            inputs, known = _inputs(event) or (inputs if event.type == CHANGED else []), True
        if begin is not None:
            end = self._last_sign(begin, self.until_ns, "")
            recent = self.until_ns - end <= HOLE_S * NS
            yield Stretch(begin, self.until_ns if recent else end, "" if recent else CRASH, inputs)

    def _end(self, begin: int, event: Event) -> tuple[int, str]:
        """When a run ended that is followed by this start, stop or change, and how."""
        if event.type == STARTED:
            return self._last_sign(begin, event.time_ns, _LIVE), CRASH
        return event.time_ns, STOP if event.type == STOPPED else ""

    def _last_sign(self, begin: int, end: int, query: str) -> int:
        """When a run that said no end was last seen alive."""
        seen = [sign for sign in self.signs if begin <= sign <= end]
        if seen and end - seen[-1] <= HOLE_S * NS:
            return seen[-1]
        events = self.stored.search(query, begin, end, LATEST, True)
        return max([begin, *seen[-1:], *(event.time_ns for event in events)])


def _awake(run: Stretch, signs: list[int]) -> Iterator[Stretch]:
    """The parts of a run without those in which no seal was made, where there are seals."""
    begin = run.since_ns
    inside = [sign for sign in signs if run.since_ns <= sign <= run.until_ns]
    for earlier, later in pairwise(inside):
        if later - earlier > HOLE_S * NS:
            yield Stretch(begin, earlier, SLEEP, run.inputs)
            begin = later
    yield Stretch(begin, run.until_ns, run.then, run.inputs)


def _between(
    stretches: list[Stretch], since_ns: int, until_ns: int, reason: str
) -> Iterator[Period]:
    """What the stretches leave; reason: why the time before the first is not watched."""
    at = since_ns
    for one in stretches:
        if one.since_ns > at:
            yield _period(at, one.since_ns, reason)
        at, reason = max(at, one.until_ns), one.then
    if until_ns > at:
        yield _period(at, until_ns, reason)


def _period(since_ns: int, until_ns: int, reason: str = "") -> Period:
    seconds = round((until_ns - since_ns) / NS, 3)
    return Period(format_time(since_ns), format_time(until_ns), seconds, reason)


def _short(event: Event) -> str:
    return str(event.timestamp[:16]).replace("T", " ")


def _inputs(event: Event | None) -> list[str]:
    """What a start or a change of the configuration says is watched."""
    names = metadata(event).get("inputs") if event is not None else None
    return [str(name) for name in names] if isinstance(names, list) else []
