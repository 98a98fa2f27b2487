"""Trails: what one attacker has left so far, and to whom a sign belongs.

The law of joining, in the order in which it is asked (`Trails.owner`):

1. A sign that blames an address belongs to that address (IPv6: its /64).
2. An address that an intruder attacked or got into, and that is blamed itself later, is the
   intruder's next step, if there is exactly one such intruder.
3. A sign without an address that names a user belongs to the intruder who logged in as that user
   on that machine; the latest one, where there were several.
4. A sign of MEDIUM or more without an address, on a machine with exactly one intruder, is the
   intruder's. LOW events are never joined by the machine.
5. Else it is counted by its user, else (MEDIUM) its path, else (HIGH or more) its machine.

An intruder is an attacker whose incident is open and who got in before the sign: by a login, or by
an attack that worked (`Sign.is_access`), at most `risk.HALVED_NS` ago. Failed attempts join nobody
to anything: all the world tries ``root``. Two attackers on one machine stay two: what cannot be
told apart by address or user belongs to neither of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mlids.correlation import risk
from mlids.correlation.signs import HIGH, MEDIUM, Sign
from mlids.correlation.signs import sign as made
from mlids.events import Event

MOST_EVENTS = 100  # ids that an incident lists
MOST_OF_STAGE = 10
MOST_STAGES = 32
MOST_NAMES = 16  # users, targets and machines of one trail, each
LATE = 256  # signs without an owner that an access may still claim


class Stage(msgspec.Struct, array_like=True):
    """The signs of one tactic (or of one type, where no technique is known)."""

    tactic: str
    technique: str
    type: str
    severity: str
    description: str
    first_ns: int
    last_ns: int
    rank: int
    count: int = 0
    events: list[str] = []
    evidence: list[dict[str, Any]] = []
    risk: risk.Amount = msgspec.field(default_factory=risk.Amount)


class Trail(msgspec.Struct, array_like=True):
    """One attacker. name: the entity it began with; incident: its correlation_id, "" while none."""

    name: str
    first_ns: int
    last_ns: int
    ip: str = ""
    incident: str = ""
    reason: str = ""
    entered_ns: int = 0  # first access, 0 for none
    access_ns: int = 0  # last one
    seen: int = 0
    told: int = 0
    next: int = 10
    told_stages: int = 0
    stages: dict[str, Stage] = {}
    events: list[str] = []
    users: list[str] = []
    targets: list[str] = []  # machines and addresses that it attacked
    machines: list[str] = []  # those that it got into

    def add(self, sign: Sign) -> None:
        """Take a sign in."""
        stage = self.stages.get(sign.stage)
        if stage is None:
            if len(self.stages) >= MOST_STAGES:
                return
            stage = self.stages[sign.stage] = _stage(sign)
        elif sign.rank > stage.rank:
            kept = stage
            stage = self.stages[sign.stage] = _stage(sign)
            stage.count, stage.events, stage.risk = kept.count, kept.events, kept.risk
            stage.first_ns, stage.last_ns = kept.first_ns, kept.last_ns
        stage.count += 1
        stage.first_ns = min(stage.first_ns, sign.time_ns)
        stage.last_ns = max(stage.last_ns, sign.time_ns)
        stage.risk.add(sign.weight, sign.time_ns)
        self.seen += 1
        self.first_ns = min(self.first_ns, sign.time_ns)
        self.last_ns = max(self.last_ns, sign.time_ns)
        if id := sign.id:
            if len(stage.events) < MOST_OF_STAGE:
                stage.events.append(id)
            if len(self.events) < MOST_EVENTS:
                self.events.append(id)
        _note(self.targets, sign.target)

    def enter(self, sign: Sign) -> None:
        """Note that it got into a machine."""
        self.entered_ns = min(self.entered_ns or sign.time_ns, sign.time_ns)
        self.access_ns = max(self.access_ns, sign.time_ns)
        _note(self.machines, sign.machine)
        _note(self.users, sign.user)

    def forget(self, now_ns: int) -> None:
        """Let go of what is too old to count, while there is no incident."""
        if not self.incident and now_ns - self.first_ns > risk.LIVES_NS:
            least = now_ns - risk.LIVES_NS
            self.stages = {name: s for name, s in self.stages.items() if s.last_ns > least}
            self.first_ns = min((s.first_ns for s in self.stages.values()), default=now_ns)
            self.events = [one for stage in self.stages.values() for one in stage.events]

    def is_simple(self, threshold: float) -> bool:
        """Whether it has one stage, and of that too little for an incident: most trails."""
        return len(self.stages) == 1 and all(
            stage.risk.value < threshold for stage in self.stages.values()
        )

    def risk(self, now_ns: int) -> float:
        """What its signs add up to at a moment."""
        stages = self.stages.values()
        return risk.total((stage.risk for stage in stages), len(self.tactics(now_ns)), now_ns)

    def tactics(self, now_ns: int) -> list[str]:
        """The tactics of which there was a sign of MEDIUM or more of late, the first seen first."""
        least = now_ns - risk.LIVES_NS
        found = [
            stage
            for stage in self.stages.values()
            if stage.tactic and stage.rank >= MEDIUM and (stage.last_ns > least or self.incident)
        ]
        return [stage.tactic for stage in sorted(found, key=lambda stage: stage.first_ns)]


def _note(known: list[str], new: str) -> None:
    if new and new not in known and len(known) < MOST_NAMES:
        known.append(new)


def _stage(sign: Sign) -> Stage:
    event = sign.event
    evidence = event.get("evidence")
    return Stage(
        sign.step.tactic,
        sign.step.technique,
        str(event["type"]),
        str(event["severity"]),
        str(event["details"].get("description", ""))[:500],
        sign.time_ns,
        sign.time_ns,
        sign.rank,
        evidence=list(evidence[:1]) if isinstance(evidence, list) else [],
    )


class Trails:
    """All trails, by name; those with an open incident apart, so that noise cannot push them out.

    most: trails without an incident that are remembered, incidents: open ones; beyond these the one
    longest without a sign goes (`evicted` counts them).
    """

    def __init__(self, most: int = 20_000, incidents: int = 500) -> None:
        self.most = most
        self.incidents = incidents
        self.evicted = 0
        self._quiet: dict[str, Trail] = {}
        self.open: dict[str, Trail] = {}  # ordered by last sign
        self._reached: set[str] = set()  # what open ones attacked or got into, and maybe more
        self._late: list[Sign] = []  # of MEDIUM or more, without an owner
        self._names: list[str] = []  # machines that logs of logins named: at most two

    def hear(self, sign: Sign) -> None:
        """Learn from a login of which machines this sensor hears."""
        name = sign.target
        if name and len(self._names) < 2 and name not in self._names:
            self._names.append(name)

    def owner(self, sign: Sign) -> Trail | None:
        """The trail that a sign belongs to, made if need be; None where it is nobody's."""
        name = _name(sign)
        trail = self._intruder(sign) or self.open.get(name) or self._quiet.get(name)
        if sign.rank >= MEDIUM and not (sign.address or (trail and trail.incident)):
            self._late.append(sign)
            del self._late[:-LATE]
        if trail is None and name and sign.rank >= MEDIUM:
            trail = Trail(name, sign.time_ns, sign.time_ns, sign.ip)
        if trail is not None:
            self._touch(trail)
        return trail

    def _touch(self, trail: Trail) -> None:
        kept = self.open if trail.incident else self._quiet
        kept.pop(trail.name, None)
        kept[trail.name] = trail
        if len(self._quiet) > self.most:
            del self._quiet[next(iter(self._quiet))]
            self.evicted += 1

    def _intruder(self, sign: Sign) -> Trail | None:
        if not self.open or (sign.address and (sign.address in self.open or sign.rank < MEDIUM)):
            return None
        if sign.address and sign.ip not in self._reached:
            return None  # nobody's next step: so with nearly all, and asking each takes long
        inside = [trail for trail in self.open.values() if _is_inside(trail, sign.time_ns)]
        if sign.address:
            return _only([t for t in inside if sign.ip in t.targets or sign.ip in t.machines])
        here = [trail for trail in inside if self._is_on(trail, sign.machine)]
        nowhere = inside if not sign.machine else []
        mine = [trail for trail in here or nowhere if sign.user and sign.user in trail.users]
        if mine:
            return max(mine, key=lambda trail: trail.access_ns)
        return _only(here) if sign.rank >= MEDIUM else None

    def _is_on(self, trail: Trail, machine: str) -> bool:
        """Whether a trail got into a machine.

        A sensor that hears of one machine only hears of itself, whatever names it goes by.
        """
        return len(self._names) < 2 or machine in trail.machines

    def claim(self, trail: Trail) -> list[Sign]:
        """Signs of what an intruder did that came before the news of it; each is given once."""
        mine = [sign for sign in self._late if self._intruder(sign) is trail]
        self._late = [sign for sign in self._late if sign not in mine]
        return mine

    def promote(self, trail: Trail) -> Iterator[Trail]:
        """Keep a trail as an open incident; yields the one that has to give way, if any."""
        self._quiet.pop(trail.name, None)
        self.open[trail.name] = trail
        self._reach(trail)
        if len(self.open) > self.incidents:
            self.evicted += 1
            yield self.open.pop(next(iter(self.open)))

    def add(self, trail: Trail, sign: Sign) -> None:
        """Take a sign into a trail."""
        trail.forget(sign.time_ns)
        trail.add(sign)
        if sign.address and sign.is_access:
            trail.enter(sign)
        if trail.incident:
            self._reach(trail)

    def _reach(self, trail: Trail) -> None:
        self._reached.update(trail.targets, trail.machines)
        if len(self._reached) > 4 * MOST_NAMES * self.incidents:
            trails = self.open.values()
            self._reached = {one for t in trails for one in (*t.targets, *t.machines)}

    def end(self, now_ns: int) -> Iterator[Trail]:
        """Take away the incidents that had no sign for a day, and yield them."""
        while self.open:
            trail = next(iter(self.open.values()))
            if now_ns - trail.last_ns <= risk.LIVES_NS:
                return
            yield self.open.pop(trail.name)

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "quiet": list(self._quiet.values()),
            "open": list(self.open.values()),
            "late": [dict(sign.event) for sign in self._late],
            "names": self._names,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._quiet = {t.name: t for t in msgspec.convert(state["quiet"], list[Trail])}
        self.open = {t.name: t for t in msgspec.convert(state["open"], list[Trail])}
        self._reached = set()
        for trail in self.open.values():
            self._reach(trail)
        self._late = [made(Event(event)) for event in state["late"]]
        self._names = list(state["names"])


def _is_inside(trail: Trail, now_ns: int) -> bool:
    return 0 < trail.entered_ns <= now_ns < trail.access_ns + risk.HALVED_NS


def _only(found: list[Trail]) -> Trail | None:
    return found[0] if len(found) == 1 else None


def _name(sign: Sign) -> str:
    if sign.address:
        return sign.address
    if sign.user:
        return f"user {sign.user}@{sign.machine}"
    if sign.path and sign.rank < HIGH:
        return f"path {sign.path}"
    return f"host {sign.machine}" if sign.rank >= HIGH else ""
