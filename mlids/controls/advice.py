"""Recommendations: what should be done, each for a cause that was seen, the weightiest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import msgspec

from mlids.controls.facts import Facts
from mlids.controls.watching import ENOUGH, dark
from mlids.controls.words import counted, duration, named, percent
from mlids.coverage import CRASH
from mlids.encoders import fitted
from mlids.events import Event
from mlids.inputgaps import metadata

LONGEST = 80  # characters of a path; attackers choose it
INPUTS = 3  # with gaps, named one by one
WEB = ("SQL Injection", "XSS", "Command Injection", "Path Traversal")
SWITCHES = {
    "files": ("no files are watched", "monitoring.directory: [/etc, /usr/local/bin]"),
    "network": ("no network is watched", "monitoring.interface: auto"),
    "logs": ("no logs are watched", "monitoring.app_log: auto"),
}


class Recommendation(msgspec.Struct, frozen=True):
    """What to do and why, with figures; weight: 0 to 100, for the order."""

    weight: int
    what: str
    why: str


def recommendations(facts: Facts, days: int = 0) -> list[Recommendation]:
    """What follows from the facts. days: for which records are asked to be kept."""
    found = [one for cause in CAUSES for one in cause(facts)]
    found += _retention(facts, days)
    return sorted(found, key=lambda one: -one.weight)


def _tampering(facts: Facts) -> Iterator[Recommendation]:
    proof = facts.verification
    if proof is None:
        what = "Verify the log: python index.py verify"
        yield Recommendation(40, what, "nobody has verified the log for this report")
    elif not proof.ok:
        what = "Treat the log as tampered with: compare it with a copy, find out who could write"
        yield Recommendation(100, what, f"{proof.bad} {proof.file}".strip())


def _taken_over(facts: Facts) -> Iterator[Recommendation]:
    if not facts.count(["Brute Force"], "CRITICAL"):
        return
    events = facts.events("Brute Force", "CRITICAL")
    users = dict.fromkeys(str(one["details"].get("user") or "?") for one in events)
    sources = dict.fromkeys(str(one["details"].get("ip") or "?") for one in events)
    what = f"Lock {named(list(users))}, change the passwords, and see what was done under them"
    why = f"logged in after guessed passwords, from {named(list(sources))}"
    yield Recommendation(95, what, why)


def _incidents(facts: Facts) -> Iterator[Recommendation]:
    entities = {
        str(one["correlation_id"]): str(metadata(one).get("entity") or _entity(one.details))
        for one in facts.events("Incident", "CRITICAL")
    }
    if entities:
        names = named(sorted(set(entities.values())))
        what = f"Answer the incidents of {names or 'this host'}: see the report incidents"
        why = f"{counted(len(entities), 'CRITICAL incident')} in the period"
        yield Recommendation(90, what, why)


def _entity(details: dict[str, object]) -> str:
    return str(details.get("entity") or details.get("ip") or details.get("user") or "")


def _web(facts: Facts) -> Iterator[Recommendation]:
    if count := facts.count(WEB, "HIGH"):
        grave = [event for type in WEB for event in facts.events(type, "HIGH")]
        where = "".join(f" behind {fitted(path, LONGEST)}" for path, _ in _most(grave, "path"))
        what = f"Examine the web application{where}, and what the server gave out"
        yield Recommendation(85, what, f"web attacks that seem to have worked: {count:,}")


def _dark(facts: Facts) -> Iterator[Recommendation]:
    cover = facts.coverage
    if cover.share >= ENOUGH:
        return
    crashes = sum(period.reason == CRASH for period in cover.unwatched)
    what = "Let MLIDS run as a service that starts by itself (docs/how-to/run-as-a-service.md)"
    if crashes:
        what += f", and find out why it ended without a word ({counted(crashes, 'time')})"
    why = f"MLIDS watched {percent(cover.share)} of the period{dark(cover)}"
    yield Recommendation(80, what, why)


def _nobody(facts: Facts) -> Iterator[Recommendation]:
    grave = facts.count([], "HIGH")
    if grave and not facts.circumstances.told:
        what = "Let somebody be told: enable a sink (sinks.tcp.enabled: true) or a notifier"
        why = f"{counted(grave, 'HIGH or CRITICAL event')}, told to nobody"
        yield Recommendation(75, what, why)


def _inputs(facts: Facts) -> Iterator[Recommendation]:
    gaps = sorted(facts.coverage.gaps, key=lambda gap: (-gap.silent_s, -gap.count))
    for gap in [gap for gap in gaps if gap.count][:INPUTS]:
        silent = f", silent for {duration(gap.silent_s)}" if gap.silent_s else ""
        why = f"{counted(gap.count, 'gap')} ({gap.what}){silent}; the last: {gap.description}"
        yield Recommendation(60, f"See to the input {gap.input}", why)


def _switches(facts: Facts) -> Iterator[Recommendation]:
    for kind, (why, setting) in SWITCHES.items():
        if not facts.inputs(kind):
            yield Recommendation(50, f"Switch it on: {setting}", why)


def _clock(facts: Facts) -> Iterator[Recommendation]:
    if odd := facts.ahead:
        what = "Synchronise the clocks of this host and of those whose logs it reads"
        yield Recommendation(55, what, f"an event is stamped {odd.timestamp}, ahead of now")


def _copy(facts: Facts) -> Iterator[Recommendation]:
    if facts.tally.total and not facts.circumstances.copies:
        what = "Send events to another machine as they happen (docs/how-to/send-events.md)"
        why = f"all {counted(facts.tally.total, 'event')} are on this machine only"
        yield Recommendation(45, what, f"{why}: who takes it over takes the log")


def _attacked(facts: Facts) -> Iterator[Recommendation]:
    """The account that was attacked most, and the address that is blamed most."""
    for user, count in _most(facts.events("Brute Force"), "user"):
        what = f"Guard the account {user}: no password logins, or a second factor"
        yield Recommendation(
            30, what, f"passwords for it were guessed most: {counted(count, 'event')}"
        )
    for address, count in _most(facts.events(least="HIGH"), "ip"):
        what = f"Decide about {address}: block it, or say why not"
        why = f"it is blamed most: for {counted(count, 'HIGH or CRITICAL event')}"
        yield Recommendation(35, what, why)


def _most(events: Iterable[Event], field: str) -> list[tuple[str, int]]:
    """The most frequent value of a detail, if there is any."""
    values = (event["details"].get(field) for event in events)
    return Counter(str(value) for value in values if value).most_common(1)


def _retention(facts: Facts, days: int) -> Iterator[Recommendation]:
    kept = facts.circumstances.retention_days
    if kept and kept < days:
        what = f"Keep records longer: logging.retention_days: {days}"
        yield Recommendation(38, what, f"they are kept for {kept} days and {days} are asked")


CAUSES: tuple[Callable[[Facts], Iterator[Recommendation]], ...] = (
    _tampering,
    _taken_over,
    _incidents,
    _web,
    _dark,
    _nobody,
    _inputs,
    _clock,
    _switches,
    _copy,
    _attacked,
)
