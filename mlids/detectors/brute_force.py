"""Brute Force: passwords guessed over the network, fast or slow, from one source or from many.

What counts is in `mlids.logins.guesses`. One attack is one event; what goes on is told by the
volume law (`mlids.volume`) under the same `correlation_id`, and once more where it shows itself
to be of another technique. An attack ends after an hour of silence: the slowest that the horizons
can see (30 tries in 24 hours) tries every 48 minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec

from mlids import addresses
from mlids.batches import Detector, LineBatch
from mlids.events import Event, detection_id
from mlids.logins import records as logins
from mlids.logins.attempts import Attempts
from mlids.logins.guesses import (
    ADDRESS,
    KEPT,
    NS,
    PLACE,
    SOURCE,
    TYPING_ERRORS,
    USER,
    Finding,
    Guesses,
    Try,
)
from mlids.logins.sessions import Sessions
from mlids.volume import Repeats, Telling
from mlids.windows import Mark

HOUR_S = 3600
QUIET_S = HOUR_S
NAMED = 10  # users, sources and places of evidence that an event names at most
TECHNIQUES = {
    "guessing": ("T1110.001",),
    "enumeration": ("T1110.001", "T1087"),
    "spraying": ("T1110.003",),
    "stuffing": ("T1110.004",),
    "distributed": ("T1110.001",),
    "success-after-failures": ("T1110", "T1078"),
}
BROAD = ("spraying", "enumeration")  # what may show itself to be stuffing
COUNTED = {
    "enumeration": "users that do not exist, tried",
    "spraying": f"users, each tried at most {TYPING_ERRORS} times,",
    "stuffing": "users, each tried once,",
}


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the brute force detector."""

    rules: Annotated[
        list[str],
        msgspec.Meta(
            description="Folders with further rules", extra={"key": "monitoring.log_rules"}
        ),
    ] = []
    threshold: Annotated[
        int,
        msgspec.Meta(
            ge=2,
            le=1000,
            description="Failed logins within window_s that are told",
            extra={"key": "thresholds.brute_force_threshold"},
        ),
    ] = 5
    window_s: Annotated[
        int, msgspec.Meta(ge=1, le=86400, description="Seconds of the short horizon")
    ] = 600
    medium_threshold: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="Failed logins within 6 hours that are told")
    ] = 15
    long_threshold: Annotated[
        int, msgspec.Meta(ge=2, le=1000, description="Failed logins within 24 hours that are told")
    ] = 30
    max_keys: Annotated[
        int,
        msgspec.Meta(ge=100, description="Sources, accounts and pairs of them remembered, each"),
    ] = 50_000


class _Attack(NamedTuple):
    """An attack that is told: what opened it, and when."""

    key: str
    technique: str
    first_ns: int
    observed: int
    threshold: int
    window_ns: int
    tries: int  # failed logins when it was told first
    user: str = ""  # who logged in after failures


class BruteForce(Detector[LineBatch]):
    """Finds guessing, enumeration, spraying, stuffing, distributed tries, and successes after."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._folders = tuple(self.settings.rules)
        chosen = self.settings
        horizons = (
            (chosen.threshold, chosen.window_s * NS),
            (chosen.medium_threshold, 6 * HOUR_S * NS),
            (chosen.long_threshold, 24 * HOUR_S * NS),
        )
        self._attempts = Attempts()
        self._sessions = Sessions()
        self._guesses = Guesses(horizons, chosen.max_keys)
        self._repeats = Repeats(QUIET_S, chosen.max_keys)
        self._open: dict[str, list[Any]] = {}  # by key: the attack, its last try, its tries

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """The attacks that these logins complete or continue."""
        new = self._attempts.new
        found = logins.told(batch, self._folders)
        for login in self._sessions.placed(batch.source, found):
            if login.outcome == "success":
                yield from self._success(batch, login)
            else:
                for _ in range(new(login)):
                    yield from self._failure(batch, login)
        if not len(batch) and batch.now:
            yield from map(self._telling, self._repeats.close(batch.now))

    def _failure(self, batch: LineBatch, login: logins.Login) -> Iterator[Event]:
        tried = Try(login.time_ns, login.user, login.exists, *_source(login), _place(batch, login))
        for telling in self._repeats.close(tried.time_ns):
            yield self._telling(telling)
        self._guesses.add(tried)
        attack = self._source_attack(tried) or self._account_attack(tried)
        if attack is not None:
            self._continue(attack, tried.time_ns)
            for telling in self._repeats.trigger(attack, tried.time_ns):
                yield self._telling(telling)

    def _continue(self, attack: _Attack, time_ns: int) -> None:
        known = self._open.pop(attack.key, None)
        same = known is not None and known[0].first_ns == attack.first_ns
        if len(self._open) >= self.settings.max_keys:
            del self._open[next(iter(self._open))]
        self._open[attack.key] = [attack, time_ns, known[2] + 1 if known and same else attack.tries]

    def _success(self, batch: LineBatch, login: logins.Login) -> Iterator[Event]:
        source, address = _source(login)
        for telling in self._repeats.close(login.time_ns):
            yield self._telling(telling)
        finding = self._guesses.success(login.time_ns, login.user, source, address)
        if finding is None:
            return
        going_on = self._active(finding.key, login.time_ns)
        first_ns = going_on.first_ns if going_on else login.time_ns
        least = finding._replace(observed=finding.threshold, tries=finding.threshold)
        attack = _attack(least, first_ns)._replace(user=login.user)
        for telling in self._repeats.trigger(attack, login.time_ns):
            exact = attack._replace(observed=finding.observed, tries=finding.observed)
            event = _event(exact, telling, self._ring(attack))
            evidence = [batch.evidence(login.row), *event.evidence[: NAMED - 1]]
            yield event.replace(evidence=evidence)

    def _source_attack(self, tried: Try) -> _Attack | None:
        """The attack of this try's source that goes on, or that it completes."""
        for key in reversed(addresses.keys(tried.address or tried.source)):
            attack = self._active(f"source {key}", tried.time_ns)
            if attack is not None:
                broader = attack.technique == "guessing" or (
                    attack.technique in BROAD and self._guesses.is_new(tried)
                )
                return self._turned(attack, self._guesses.broad(attack.key) if broader else None)
        finding = self._guesses.source_finding(tried, self._attacks)
        return _attack(finding, tried.time_ns) if finding else None

    def _account_attack(self, tried: Try) -> _Attack | None:
        """The attack of several sources on this try's account."""
        attack = self._active(f"account {tried.user}", tried.time_ns)
        if attack is not None and attack.technique == "distributed":
            return attack
        finding = self._guesses.account_finding(tried, self._attacks)
        if attack is not None:
            return self._turned(attack, finding)
        return _attack(finding, tried.time_ns) if finding else None

    def _turned(self, attack: _Attack, finding: Finding | None) -> _Attack:
        """The same attack, under the technique that it shows by now."""
        if finding is None or finding.technique == attack.technique:
            return attack
        tries = self._open[attack.key][2] + 1
        return _attack(finding, attack.first_ns)._replace(key=attack.key, tries=tries)

    def _active(self, key: str, now_ns: int) -> _Attack | None:
        known = self._open.get(key)
        if known is None or now_ns - known[1] > QUIET_S * NS:
            return None
        attack: _Attack = known[0]
        return attack

    def _attacks(self, mark: Mark) -> bool:
        """Whether the source of this try is told as an attacker by itself."""
        keys = addresses.keys(mark[ADDRESS] or mark[SOURCE])
        return any(self._active(f"source {key}", mark[0]) for key in keys)

    def _ring(self, found: Finding | _Attack) -> Sequence[Mark]:
        kind, _, name = found.key.partition(" ")
        windows = self._guesses.accounts if kind == "account" else self._guesses.sources
        return windows.get(name)

    def _telling(self, telling: Telling) -> Event:
        attack = _Attack(*telling.key)  # type: ignore[misc]
        return _event(attack, telling, self._ring(attack))

    def flush(self) -> Iterable[Event]:
        """Tell the tries that were held back."""
        return map(self._telling, self._repeats.flush())

    def save(self) -> dict[str, Any]:
        """Windows, attacks and what is held back."""
        return {
            "attempts": self._attempts.save(),
            "sessions": self._sessions.save(),
            "guesses": self._guesses.save(),
            "repeats": self._repeats.save(),
            "open": [[key, *known] for key, known in self._open.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._attempts.restore(state["attempts"])
        self._sessions.restore(state["sessions"])
        self._guesses.restore(state["guesses"])
        self._repeats.restore(state["repeats"])
        opened = state["open"]
        self._open = {key: [_Attack(*attack), last, tries] for key, attack, last, tries in opened}

    def counts(self) -> dict[str, int]:
        """Keys that were forgotten before their time."""
        evicted = (
            self._attempts.evicted
            + self._sessions.evicted
            + self._guesses.evicted()
            + self._repeats.evicted
        )
        return {"evicted": evicted}


def _source(login: logins.Login) -> tuple[str, str]:
    """What a login's source is counted by, and its address if it has one."""
    if login.src:
        return addresses.keys(login.src)[0], login.src
    return login.peer or f"console of {login.machine}", ""


def _place(batch: LineBatch, login: logins.Login) -> tuple[str, int, int]:
    row = login.row
    return batch.source, int(batch.numbers[row]), batch.base + int(batch.starts[row])


def _attack(finding: Finding, first_ns: int) -> _Attack:
    return _Attack(finding.key, finding.technique, first_ns, *finding[2:])


def _places(ring: Sequence[Mark]) -> list[dict[str, Any]]:
    """Where the latest tries are to be found, the deciding one first."""
    places = dict.fromkeys(mark[PLACE] for mark in reversed(ring))
    return [{"source": p[0], "line": p[1], "offset": p[2]} for p in list(places)[:NAMED]]


def _named(ring: Sequence[Mark], field: int) -> list[str]:
    return list(dict.fromkeys(mark[field] for mark in reversed(ring) if mark[field]))[:NAMED]


def _event(attack: _Attack, telling: Telling, ring: Sequence[Mark]) -> Event:
    kind, _, name = attack.key.partition(" ")
    succeeded = attack.technique == "success-after-failures"
    tries = attack.observed if succeeded else attack.tries - 1 + telling.total
    users, sources = _named(ring, USER), _named(ring, ADDRESS)
    whom = f"from {name}" if kind == "source" else f"on user {name!r}"
    text = f"{attack.technique}: {tries} failed logins {whom}"
    if succeeded:
        most = f"at least {tries}" if tries >= KEPT else tries  # more are not kept
        text = f"user {attack.user!r} logged in after {most} failed logins {whom}"
    seen = f"{attack.observed} {COUNTED.get(attack.technique, 'failed logins')} {whom}"
    held = f"within {attack.window_ns // NS} s (threshold {attack.threshold})"
    details = dict(_blamed(attack, kind, name, users, sources))
    details |= {"protocol": "TCP", "suppressed": telling.suppressed, "description": text}
    details["metadata"] = {
        "technique": attack.technique,
        "attempts": tries,
        "users": users,
        "sources": sources,
        "key": name,
        "window_s": attack.window_ns // NS,
        "threshold": attack.threshold,
    }
    return Event.new(
        "Brute Force",
        "CRITICAL" if succeeded else "HIGH",
        "application",
        details,
        time_ns=telling.last_ns,
        rule=f"brute_force/{attack.technique}",
        tags=("authentication", "brute-force", attack.technique),
        techniques=TECHNIQUES[attack.technique],
        evidence=_places(ring),
        explanation=f"{seen} {held}" + (f"; {tries} by now" if tries > attack.tries else ""),
        correlation_id=detection_id("brute_force", attack.key, attack.first_ns),
    )


def _blamed(
    attack: _Attack, kind: str, name: str, users: list[str], sources: list[str]
) -> Iterator[tuple[str, Any]]:
    """The address, if it is one source's attack, and the user, if it is on one."""
    if kind == "source" and (sources or addresses.normalise(name)):
        yield "ip", sources[0] if sources else addresses.normalise(name)
    elif kind == "source":
        yield "source_host", name
    user = attack.user or (name if kind == "account" else "")
    if user or len(users) == 1:
        yield "user", user or users[0]
