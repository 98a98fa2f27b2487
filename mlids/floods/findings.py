"""What a window shows, the course of a flood, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mlids.capture.addresses import Networks, address
from mlids.episodes import Account, Episodes
from mlids.events import Event
from mlids.floods.sketches import Sketch, merged
from mlids.floods.tally import Crowd
from mlids.floods.waiting import Waiting
from mlids.volume import NS

if TYPE_CHECKING:
    from mlids.batches import PacketBatch

QUIET_S = 60.0
TRIGGER_NS = 9 * NS // 10  # about a second: the slots of findings are a second apart
BULK = 0.9  # of the packets, by so few sources that each may be named
FEW = 3
NAMED = 10
COURSES = 2048
TECHNIQUES = {
    "syn-flood": ["T1498.001", "T1499.001"],
    "udp-flood": ["T1498.001"],
    "icmp-flood": ["T1498.001"],
    "fragment": ["T1499.001"],
    "amplification": ["T1498.002"],
    "reflector": ["T1498.002"],
    "smurf": ["T1498.002"],
    "land": ["T1499.004"],
    "teardrop": ["T1499.004"],
    "ping-of-death": ["T1499.004"],
    "slowloris": ["T1499.002"],
    "http-flood": ["T1499.002"],
    "dhcp-flood": ["T1499.002"],
}


class Finding(NamedTuple):
    """A threshold that was reached."""

    time_ns: int
    technique: str
    key: tuple[int, ...]  # whom it concerns
    window: Crowd
    fresh: Crowd  # the part of it that was in no finding before, if there was one
    rate: float  # packets per second in the window
    observed: str  # in words, without who and whom
    against: str  # threshold and window in words
    protocol: str
    target: str  # address
    port: int = 0
    ip: str | None = None  # who is blamed, where it is not simply who sent most
    confidence: float = 0.9
    extra: dict[str, Any] = {}


class Technique(Waiting):
    """What finds floods of one kind among the packets it holds back."""

    def inspect(self, batch: PacketBatch, capture: int) -> None:
        """Take up what is of interest in a batch."""
        raise NotImplementedError  # abstract

    def findings(self, until_ns: int, share: float) -> Iterator[Finding]:
        """Judge what came before this time; share: what part of all traffic is seen."""
        raise NotImplementedError  # abstract


class Course(msgspec.Struct, array_like=True):
    """A flood so far."""

    first_ns: int
    last_ns: int
    triggered_ns: int
    packets: int
    size: int
    peak: float
    sources: Sketch


class Floods:
    """The floods that go on: each second of one is a trigger; `episodes` decides what is told."""

    def __init__(self, home: Networks, captures: list[str]) -> None:
        self._home = home
        self.captures = captures
        self._episodes = Episodes(QUIET_S, COURSES)
        self._courses: dict[tuple[Any, ...], Course] = {}

    @property
    def evicted(self) -> int:
        """Floods given up for others."""
        return self._episodes.evicted

    def follow(self, finding: Finding) -> Iterator[Event]:
        """Take a finding, none of them older than the one before; yields what is to be told now."""
        key = (finding.technique, *finding.key)
        course = self._courses.pop(key, None)
        ended = course is not None and finding.time_ns - course.last_ns > QUIET_S * NS
        if course is None or ended:
            course = _begun(finding)
        else:
            _go_on(course, finding)
        self._courses[key] = course
        if len(self._courses) > COURSES:
            del self._courses[next(iter(self._courses))]
        if finding.time_ns - course.triggered_ns >= TRIGGER_NS:
            course.triggered_ns = finding.time_ns
            account = _account(finding, course, self.captures, self._home)
            yield from self._episodes.trigger(key, finding.time_ns, account)

    def began(self, finding: Finding) -> int:
        """When the flood that this belongs to began."""
        course = self._courses.get((finding.technique, *finding.key))
        if course is None or finding.time_ns - course.last_ns > QUIET_S * NS:
            return finding.time_ns
        return course.first_ns

    def close(self, now_ns: int) -> list[Event]:
        """What the floods that are over by now held back."""
        return self._episodes.close(now_ns)

    def flush(self) -> list[Event]:
        """What is held back."""
        return self._episodes.flush()

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        courses = [[list(k), msgspec.to_builtins(c)] for k, c in self._courses.items()]
        return {"episodes": self._episodes.save(), "courses": courses}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._episodes.restore(state["episodes"])
        self._courses = {tuple(k): msgspec.convert(c, Course) for k, c in state["courses"]}


def _begun(finding: Finding) -> Course:
    all_of_it = finding.window
    return Course(
        all_of_it.first_ns,
        finding.time_ns,
        finding.time_ns - NS,
        all_of_it.packets,
        all_of_it.size,
        float(finding.rate),
        all_of_it.sources,
    )


def _go_on(course: Course, finding: Finding) -> None:
    course.last_ns = finding.time_ns
    course.packets += finding.fresh.packets
    course.size += finding.fresh.size
    course.peak = max(course.peak, float(finding.rate))
    course.sources = merged((course.sources, finding.fresh.sources))


def blamed(sources: Sketch, packets: int) -> list[str]:
    """Those few who sent nearly everything, the busiest first; empty where there are none such."""
    top = sources.top()[:FEW]
    for count in range(1, len(top) + 1):
        if sum(one[0] for one in top[:count]) >= BULK * packets:
            return [address(one[1], one[2]) for one in top[:count]]
    return []


def _account(finding: Finding, course: Course, captures: list[str], home: Networks) -> Account:
    few = blamed(course.sources, course.packets)
    count = course.sources.distinct()
    ip = finding.ip if finding.ip is not None else (few[0] if few else "")
    metadata: dict[str, Any] = {
        "technique": finding.technique,
        "packets": course.packets,
        "bytes": course.size,
        "rate": round(float(finding.rate), 1),
        "peak": round(course.peak, 1),
        "seconds": round((finding.time_ns - course.first_ns) / NS, 3),
        "sources": count,
        "threshold": finding.against,
    }
    if finding.ip is None and not few:
        # Who sends once and is never seen again is nobody: the addresses are made up.
        metadata["spoofed"] = course.packets < 4 * count
        metadata["busiest"] = [address(one[1], one[2]) for one in course.sources.top()]
    elif len(few) > 1:
        metadata["busiest"] = few
    metadata.update(finding.extra)
    whom = f"{finding.target}:{finding.port}" if finding.port else finding.target
    by = ip or (f"about {count} sources" if count > 1 else "a forged source")
    details: dict[str, Any] = {
        "ip": ip,
        "target": finding.target,
        "protocol": finding.protocol,
        "description": f"{finding.technique} against {whom} by {by}: {finding.observed}",
        "metadata": metadata,
    }
    if finding.port:
        details["port"] = finding.port
    return Account(
        "DoS Attack",
        "HIGH",
        f"flood/{finding.technique}",
        details,
        f"{finding.observed} by {by}; threshold {finding.against}",
        [{"source": captures[one[0]], "frame": one[1]} for one in finding.window.evidence],
        TECHNIQUES[finding.technique],
        ["dos", finding.technique],
        finding.confidence,
    )
