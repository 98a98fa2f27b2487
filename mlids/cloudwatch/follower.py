"""Events of a log group as they come, each once, those that come late too.

AWS takes events in seconds after their time, sometimes minutes; so each look begins a stretch
(`overlap_ms`) before the last one, and what was given of it is known by its id. Where only
GetLogEvents is allowed there are no ids, and streams are read one by one: there the k-th of equal
events of a stream and millisecond is known by being the k-th, as each look reads all of them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from mlids.cloudwatch import catalog
from mlids.cloudwatch.answers import LogEvent
from mlids.cloudwatch.faults import DENIED, code_of
from mlids.cloudwatch.patterns import StreamPatterns
from mlids.cloudwatch.periods import formatted
from mlids.cloudwatch.places import MOST, Place, Reached, identity
from mlids.cloudwatch.reading import Reader
from mlids.cloudwatch.windows import Window, windows
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access

OVERLAP_MS = 120_000
TRIES = 5  # how often a gap is asked for again
LOOK_MS = 60_000  # how often streams are looked for, where they are read one by one
LATE_MS = 86_400_000  # so long after its first event AWS may list a stream
STREAMS = 10_000  # whose places are kept
LEAST = 1000  # events remembered of a stream, however many streams there are
_GROUP = ""  # the place of all streams together

Listed = Callable[[int], Iterable[str]]


class Following(msgspec.Struct, frozen=True):
    """How far a group was followed: since when (ms), and the place in each stream ("": in all)."""

    began: int
    places: dict[str, Reached] = {}


class Follower:
    """Follows the streams of one group.

    streams: names and patterns, none for all; since: ms since 1970 of the first event that is
    wanted; listed: gives the streams with events since a time, for where they must be read one by
    one (see `recent`); tell: hears of what could not be had.
    """

    def __init__(
        self,
        reader: Reader,
        streams: Iterable[str] = (),
        since: int = 0,
        overlap_ms: int = OVERLAP_MS,
        *,
        listed: Listed | None = None,
        tell: Callable[[MLIDSError], None] = lambda error: None,
    ) -> None:
        self.reader = reader
        self.overlap_ms = overlap_ms
        self._patterns = StreamPatterns(streams)
        self._listed = listed
        self._tell = tell
        self._began = since
        self._places = {self._patterns.only or _GROUP: Place(since)}
        self._recent: list[str] = []
        self._looked = 0
        self._denied: Exception | None = None  # why streams are read one by one
        self._told = 0  # of what was evicted

    def poll(self, now_ms: int) -> Iterator[Iterator[LogEvent]]:
        """What is new up to a time (ms), window by window, each sorted by time.

        Each must be read to its end before the next is asked for; between two, and at the end,
        `state` says what need not be asked for after a restart. Where streams are read one by one,
        the windows of each follow those of another. Raises what `Reader.page` does.
        """
        if self._denied is None:
            try:
                yield from self._source(self._patterns.only or _GROUP, now_ms)
                return
            except Exception as error:
                is_denied = code_of(error) in DENIED and self._patterns.only is None
                if not is_denied or self._listed is None:
                    raise
                self._denied = error
        yield from self._one_by_one(now_ms)

    @property
    def closed(self) -> int:
        """Ms since 1970: nothing before it will be given any more."""
        return min(self._places[name].closed for name in self._recent or [self._whole])

    @property
    def evicted(self) -> int:
        """Events that were forgotten for want of room, so that none before them can be late."""
        return sum(place.evicted for place in self._places.values())

    def state(self) -> Following:
        """How far it is, for `restore`."""
        return Following(self._began, {name: one.state() for name, one in self._places.items()})

    def restore(self, state: Following) -> None:
        """Go on where another one stopped."""
        self._began = state.began
        found = {name: Place.restored(one) for name, one in state.places.items()}
        if self._whole not in found:  # other streams are meant now
            closed = min((one.closed for one in found.values()), default=state.began)
            found[self._whole] = Place(closed)
        self._places = found

    @property
    def _whole(self) -> str:
        return self._patterns.only or _GROUP

    def _source(self, name: str, now_ms: int) -> Iterator[Iterator[LogEvent]]:
        """What is new in one stream, or in all."""
        place = self._places[name]
        held: int | None = None  # where the first gap begins
        for window in windows(self.reader, name or None, place.closed, now_ms):
            if window.gap and held is None:
                held = self._gap(name, place, window)
            until = min(window.end, self._settled(now_ms))
            yield self._fresh(place, window, until if held is None else min(until, held))
        place.tries = 0 if held is None else place.tries + 1
        self._tell_evicted()

    def _fresh(self, place: Place, window: Window, until: int) -> Iterator[LogEvent]:
        """What was not given before; then nothing before `until` is asked for again."""
        equal: Counter[tuple[str, str]] = Counter()
        at = -1
        for event in window.events():
            stream, time = event.log_stream_name, event.timestamp
            if not self._patterns.matches(stream):
                continue
            if event.event_id:
                known_by = identity((stream, event.event_id))
            else:
                if time != at:
                    equal.clear()
                    at = time
                same = stream, event.message
                equal[same] += 1
                known_by = identity((time, equal[same], *same))
            if place.is_new(time, known_by):
                yield event
        place.settle(until)

    def _one_by_one(self, now_ms: int) -> Iterator[Iterator[LogEvent]]:
        """What is new in each stream that was written to of late."""
        if not self._recent or not 0 <= now_ms - self._looked < LOOK_MS:
            self._look(now_ms)
        for name in list(self._recent):
            try:
                yield from self._source(name, now_ms)
            except Exception as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
                self._recent.remove(name)  # deleted since it was listed
        self._places[_GROUP].settle(self._settled(now_ms))

    def _settled(self, now_ms: int) -> int:
        """Before this nothing is late any more, by AWS's clock: AWS gives its time in answers."""
        return now_ms - self.overlap_ms - self.reader.ahead_ms

    def _look(self, now_ms: int) -> None:
        """Find the streams; one that was not known before is read from its begin, if that is new.

        Raises the first denial where listing them is denied too: that is the one that matters.
        """
        assert self._listed is not None and self._denied is not None
        whole = self._places[_GROUP]
        at_first = len(self._places) == 1
        since = max(self._began, now_ms - LATE_MS)
        try:
            found = [name for name in self._listed(min(since, whole.closed)) if name]
        except Exception as error:
            raise (self._denied if code_of(error) in DENIED else error) from error
        self._recent = list(filter(self._patterns.matches, found))[:STREAMS]
        for name in self._recent:
            if name not in self._places:
                self._places[name] = Place(whole.closed if at_first else since)
        self._forget()
        self._looked = now_ms

    def _forget(self) -> None:
        """Keep the places that count: those in use, and of the others the latest."""
        used = {_GROUP, *self._recent}
        others = sorted(set(self._places) - used, key=lambda name: self._places[name].closed)
        for name in others[: max(0, len(self._places) - STREAMS - 1)]:
            del self._places[name]
        for place in self._places.values():
            place.most = max(LEAST, MOST // len(used))

    def _gap(self, name: str, place: Place, window: Window) -> int | None:
        """Tell a gap at its first and its last try; gives where it begins, if it is tried again."""
        is_last = place.tries >= TRIES
        if not place.tries or is_last:
            begin, end = formatted(window.start), formatted(window.end)
            stream = f", stream {name}" if name else ""
            then = "it is given up" if is_last else "it is asked for again"
            text = f"log group {self.reader.group}{stream}: {begin} to {end} is not whole"
            hint = "cloudwatch download may fetch it later" if is_last else "wait for the next look"
            self._tell(MLIDSError("E208", f"{text}: {window.gap}; {then}", hint))
        return None if is_last else window.start

    def _tell_evicted(self) -> None:
        """Tell what was forgotten, the first time and whenever it is ten times as much."""
        if self.evicted and self.evicted >= 10 * self._told:
            self._told = self.evicted
            text = (
                f"log group {self.reader.group}: {self.evicted:,} events were forgotten for want"
                f" of room; what comes late to before them is not noticed"
            )
            self._tell(MLIDSError("E208", text, "name fewer streams, or a shorter overlap"))


def recent(access: Access, group: str) -> Listed:
    """Lists the streams of a group that have events since a time, as far as AWS knows yet."""

    def listed(since: int) -> list[str]:
        streams = catalog.list_log_streams(access, group, start_time=max(0, since))
        return [one["logStreamName"] for one in streams]

    return listed


def following(
    access: Access,
    group: str,
    streams: Iterable[str],
    since: int,
    *,
    overlap_ms: int = OVERLAP_MS,
    filter_pattern: str = "",
    stop: threading.Event | None = None,
    tell: Callable[[MLIDSError], None] = lambda error: None,
) -> Follower:
    """A follower with a reader of its own; see `Follower` and `Reader`."""
    reader = Reader(access, group, filter_pattern=filter_pattern, stop=stop)
    listed = recent(access, group)
    return Follower(reader, streams, since, overlap_ms, listed=listed, tell=tell)
