"""One client and one domain, name by name: when what is asked for carries data.

Random letters cannot be told from hashes by their entropy, so what counts is how much there is:
distinct names, how long their longest labels are, and which records are asked for. Thresholds were
chosen between what tunnels need (iodine: names of 200 bytes; dnscat2: hexadecimal labels of 18 and
more in TXT, CNAME and MX questions, one a second when idle; DNSExfiltrator and the like: labels of
45 to 63) and what is ordinary (32 and 40 hexadecimal digits of MD5 and SHA-1 in one label).
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

MOST_MARKS = 2048  # names of one pair that are counted
EVIDENCE = 10


class Limits(NamedTuple):
    """When names are a tunnel; sizes are in letters before the registered domain."""

    window_ns: int
    label_names: int  # names whose longest labels have label_size letters on average
    label_size: float
    long_names: int  # names of long_size letters on average
    long_size: float
    odd_names: int  # names, odd_share of them asked for as TXT, NULL …
    odd_share: float
    many_names: int  # names in all, together many_bytes long
    many_bytes: int
    least_label: float  # letters of the longest labels in the last two cases

    @property
    def fewest(self) -> int:
        """No pair with fewer names can be a tunnel."""
        return min(self.label_names, self.long_names, self.odd_names, self.many_names)


class Seen(NamedTuple):
    """One sighting of a pair."""

    time: int
    frame: int
    capture: int
    size: int
    label: int
    odd: int
    refused: int


class Finding(NamedTuple):
    """Names that are a tunnel, as they stand in the window."""

    technique: str
    names: int
    bytes: int
    label: float  # mean size of the longest labels
    size: float  # mean size of a name
    odd: float  # share of questions for records such as TXT and NULL
    refused: int  # names that do not exist
    against: str
    places: list[tuple[int, int]]  # capture and frame, the deciding one first


class Watch:
    """The names that one client asked for in one domain within the window."""

    def __init__(self) -> None:
        self._times, self._marks = array("q"), array("q")
        self._begin = 0
        self._bytes = self._label = self._odd = 0
        self._refused: deque[int] = deque(maxlen=MOST_MARKS)
        self._places: deque[tuple[int, int]] = deque(maxlen=EVIDENCE)

    @property
    def last(self) -> int:
        """When the latest name was asked for."""
        return self._times[-1] if self._times else 0

    def observe(self, seen: Seen, limits: Limits, sampled: float = 1.0) -> Finding | None:
        """Count one name; the finding where there are enough."""
        if seen.refused:
            self._refused.append(seen.time)
            return None
        self._expire(seen.time - limits.window_ns)
        self._times.append(seen.time)
        self._marks.append(seen.size << 16 | seen.label << 8 | seen.odd)
        self._places.append((seen.capture, seen.frame))
        self._weigh(self._marks[-1], 1)
        if len(self._times) - self._begin > MOST_MARKS:
            self._drop()
        while self._refused and self._refused[0] <= seen.time - limits.window_ns:
            self._refused.popleft()
        return self._judged(limits, sampled)

    def _judged(self, limits: Limits, sampled: float) -> Finding | None:
        seen = len(self._times) - self._begin
        names = seen / sampled
        label, size, odd = self._label / seen, self._bytes / seen, self._odd / seen
        long_enough = label >= limits.least_label
        if names >= limits.long_names and size >= limits.long_size:
            what, against = "long-names", f"{limits.long_names} of {limits.long_size:g} letters"
        elif names >= limits.label_names and label >= limits.label_size:
            what = "long-labels"
            against = f"{limits.label_names} with labels of {limits.label_size:g} letters"
        elif names >= limits.odd_names and odd >= limits.odd_share and long_enough:
            what = "odd-records"
            against = f"{limits.odd_names}, {limits.odd_share:.0%} of them TXT, NULL and the like"
        elif (
            names >= limits.many_names
            and self._bytes / sampled >= limits.many_bytes
            and long_enough
        ):
            what, against = "many-names", f"{limits.many_names} of {limits.many_bytes} bytes in all"
        else:
            return None
        places = list(reversed(self._places))[:seen]
        refused = len(self._refused)
        return Finding(what, seen, self._bytes, label, size, odd, refused, against, places)

    def _expire(self, horizon: int) -> None:
        times = self._times
        while self._begin < len(times) and times[self._begin] <= horizon:
            self._drop()
        if self._begin > MOST_MARKS:
            del self._times[: self._begin], self._marks[: self._begin]
            self._begin = 0

    def _drop(self) -> None:
        self._weigh(self._marks[self._begin], -1)
        self._begin += 1

    def _weigh(self, mark: int, sign: int) -> None:
        self._bytes += sign * (mark >> 16)
        self._label += sign * (mark >> 8 & 0xFF)
        self._odd += sign * (mark & 0xFF)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        marks = [self._times[self._begin :].tobytes(), self._marks[self._begin :].tobytes()]
        return [*marks, list(self._refused), list(self._places)]

    @classmethod
    def restored(cls, state: Iterable[Any]) -> Watch:
        """The watch whose state `save` gave."""
        watch = cls()
        times, marks, refused, places = state
        watch._times.frombytes(times)
        watch._marks.frombytes(marks)
        for mark in watch._marks:
            watch._weigh(mark, 1)
        watch._refused.extend(refused)
        watch._places.extend(tuple(place) for place in places)
        return watch
