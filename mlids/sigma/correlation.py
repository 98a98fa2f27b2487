"""Counts matches of rules over sliding windows, as correlations ask; time comes from the matches.

A condition that is met by more (gt, gte, temporal) is looked at with each match, over the time
before it. One that is met by fewer (lt, lte, eq, neq) can only be judged when a window is over: the
first match of a group opens it, and it is judged when its time has passed. Nothing is told of a
group that never matched.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from mlids.sigma.chains import VALUES, Chain, Group, Texts

MOST_MARKS = 1000  # matches of one group whose values are added up
EVIDENCE = 10
NEVER = -(1 << 62)


class Match(NamedTuple):
    """One match, as correlations see it."""

    rule: str  # id
    time_ns: int
    texts: Texts
    evidence: dict[str, Any]
    ip: str = ""
    user: str = ""


class Firing(NamedTuple):
    """A correlation that is met."""

    chain: Chain
    group: Group
    time_ns: int
    observed: float
    evidence: list[dict[str, Any]]
    ip: str
    user: str


class _State(msgspec.Struct):
    """What is kept of one group. marks: [time, value, evidence], the oldest first."""

    begun_ns: int
    last_ns: int
    marks: list[list[Any]] = []
    count: int = 0
    ip: str = ""
    user: str = ""
    starts: list[int] = []  # of ordered chains: when the latest one that got so far began


class Counting:
    """The groups of one correlation; the one longest without a match goes first."""

    def __init__(self, chain: Chain, keys: int) -> None:
        self.chain = chain
        self.keys = keys
        self.evicted = 0
        self._states: OrderedDict[Group, _State] = OrderedDict()

    def add(self, match: Match) -> Iterator[Firing]:
        """Count a match; gives the firing that it leads to, and those of windows that ended."""
        yield from self.close(match.time_ns)
        chain = self.chain
        group = chain.group(match.rule, match.texts)
        value: Any = match.rule
        if chain.kind in VALUES:
            value = chain.values(match.texts)
        if group is None or value is None:
            return
        state = self._state(group, match.time_ns)
        state.last_ns = max(state.last_ns, match.time_ns)
        state.ip, state.user = match.ip, match.user
        observed = self._counted(state, match, value)
        if chain.rising and self._met(state, observed):
            yield self._firing(group, state, state.last_ns, observed)
            state.starts = []  # an order that was completed begins anew

    def close(self, now_ns: int) -> Iterator[Firing]:
        """Judge the windows that are over at `now_ns`, where only their end tells."""
        if self.chain.rising:
            return
        span = self.chain.span_ns
        while self._states:
            group, state = next(iter(self._states.items()))
            if state.begun_ns + span > now_ns:
                return
            del self._states[group]
            observed = self._figure(state)
            if self.chain.holds(observed):
                yield self._firing(group, state, state.begun_ns + span, observed)

    def _state(self, group: Group, time_ns: int) -> _State:
        states = self._states
        state = states.get(group)
        if state is None:
            while len(states) >= self.keys:
                _, gone = states.popitem(last=False)
                self.evicted += time_ns - gone.last_ns < self.chain.span_ns
            state = states[group] = _State(time_ns, time_ns)
        elif self.chain.rising:
            states.move_to_end(group)
        return state

    def _counted(self, state: _State, match: Match, value: Any) -> float:
        """Take a match into the state of its group; gives the figure that there is by now."""
        chain = self.chain
        if chain.rising:
            gone = bisect_right(state.marks, state.last_ns - chain.span_ns, key=itemgetter(0))
            del state.marks[:gone]
        if chain.kind == "temporal_ordered" and chain.expression is None:
            self._ordered(state, value)
        state.count += 1
        if chain.kind in ("value_count", "temporal", "temporal_ordered"):
            state.marks = [mark for mark in state.marks if mark[1] != _plain(value)]
        state.marks.append([state.last_ns, _plain(value), match.evidence])
        if (over := len(state.marks) - self._most()) > 0:
            del state.marks[:over]
            self.evicted += over * (chain.kind in VALUES[1:])
        return self._figure(state)

    def _most(self) -> int:
        """How many marks can matter."""
        chain = self.chain
        if chain.kind in ("temporal", "temporal_ordered"):
            return len(chain.members)
        if chain.kind in ("event_count", "value_count"):
            return max(chain.count + 1, EVIDENCE)
        return MOST_MARKS

    def _figure(self, state: _State) -> float:
        chain = self.chain
        if chain.kind == "temporal_ordered" and chain.expression is None:
            least = state.last_ns - chain.span_ns
            return max((at + 1 for at, one in enumerate(state.starts) if one > least), default=0)
        if chain.kind == "event_count" and not chain.rising:
            return state.count
        if not chain.kind.startswith("value_") or chain.kind == "value_count":
            return len(state.marks)
        return _aggregate(chain, [number for mark in state.marks for number in _numbers(mark[1])])

    def _ordered(self, state: _State, member: str) -> None:
        """Carry each beginning one step on, where this match is the next one of the order."""
        members, least = self.chain.members, state.last_ns - self.chain.span_ns
        starts = state.starts = state.starts or [NEVER] * len(members)
        for at in reversed(range(len(members))):
            if members[at] != member:
                continue
            if at == 0:
                starts[0] = state.last_ns
            elif starts[at - 1] > least:
                starts[at] = starts[at - 1]

    def _met(self, state: _State, observed: float) -> bool:
        chain = self.chain
        if chain.expression is None:
            return chain.holds(observed)
        names = dict(zip(chain.members, chain.rules, strict=True))
        return chain.expression({names.get(mark[1], mark[1]) for mark in state.marks})

    def _firing(self, group: Group, state: _State, time_ns: int, observed: float) -> Firing:
        places = [mark[2] for mark in reversed(state.marks[-EVIDENCE:])]
        return Firing(self.chain, group, time_ns, observed, places, state.ip, state.user)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [[list(group), *msgspec.structs.astuple(one)] for group, one in self._states.items()]

    def restore(self, state: Sequence[Any]) -> None:
        """Take up a state that `save` gave."""
        for group, *values in state:
            self._states[tuple(group)] = _State(*values)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _numbers(value: Any) -> Iterator[float]:
    for one in value if isinstance(value, (list, tuple)) else ():
        try:
            yield float(one)
        except ValueError:
            continue


def _aggregate(chain: Chain, numbers: list[float]) -> float:
    """Sum, average, median or percentile (nearest rank); 0 of nothing."""
    if not numbers:
        return 0.0
    if chain.kind == "value_sum":
        return sum(numbers)
    if chain.kind == "value_avg":
        return sum(numbers) / len(numbers)
    numbers.sort()
    share = 50 if chain.kind == "value_median" else chain.percentile
    if chain.kind == "value_median" and len(numbers) % 2 == 0:
        middle = len(numbers) // 2
        return (numbers[middle - 1] + numbers[middle]) / 2
    return numbers[max(0, -(-share * len(numbers) // 100) - 1)]
