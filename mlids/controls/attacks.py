"""Checks of what was seen: attacks, guessed passwords, changed files, incidents."""

from __future__ import annotations

from mlids.controls.facts import Evidence, Facts, Finding, Status
from mlids.controls.frameworks import Check
from mlids.controls.words import counted, named
from mlids.events import Severity
from mlids.inputgaps import metadata
from mlids.moments import parse_time

OPEN_NS = 24 * 3600 * 10**9  # an incident that was told so recently still goes on
FILES = ("File Created", "File Modified", "File Deleted", "Integrity Violation")


def seen(facts: Facts, check: Check) -> Finding:
    """Whether attacks of these types were seen, and whether one seems to have worked."""
    if check.of and not facts.inputs(check.of):
        return Finding(Status.NOT_ASSESSED, f"no input of the kind {check.of} was watched")
    evidence = facts.evidence(check.types)
    grave = facts.evidence(check.types, "HIGH")
    kinds = named(check.types, 5)
    if facts.count(check.types, "CRITICAL"):
        worst = facts.evidence(check.types, "CRITICAL")
        text = f"{counted(worst.count, 'CRITICAL event')} of {named(list(worst.by_type))}"
        return Finding(Status.FAIL, text, worst)
    if grave.count:
        text = f"{counted(grave.count, 'HIGH event')} of {named(list(grave.by_type))}"
        return Finding(Status.WARN, f"{text}: to be looked at", grave)
    if evidence.count:
        text = f"{counted(evidence.count, 'event')} of {named(list(evidence.by_type))}"
        return Finding(Status.PASS, f"{text}, none above MEDIUM", evidence)
    status = Status.PASS if check.silence == "pass" else Status.NOT_ASSESSED
    return Finding(status, f"nothing of this was seen: {kinds}")


def guessing(facts: Facts, check: Check) -> Finding:
    """Whether password guessing was stopped, as far as the logins show."""
    if not facts.inputs("logs"):
        return Finding(Status.NOT_ASSESSED, "no input of the kind logs was watched")
    attacks = facts.evidence(["Brute Force"])
    if facts.count(["Brute Force"], "CRITICAL"):
        broken = facts.events("Brute Force", "CRITICAL")
        users = dict.fromkeys(str(event["details"].get("user") or "?") for event in broken)
        text = f"{counted(len(users), 'account')} logged in after passwords were guessed"
        evidence = facts.evidence(["Brute Force"], "CRITICAL")
        return Finding(Status.FAIL, f"{text}: {named(list(users))}", evidence)
    tries = counted(facts.count(["Failed Login"]), "failed login")
    if not attacks.count:
        return Finding(Status.PASS, f"no passwords were guessed in a row; {tries} in all")
    most = max((_attempts(metadata(event)) for event in facts.events("Brute Force")), default=0)
    text = f"{counted(attacks.count, 'event')} of guessed passwords, none successful; {tries}"
    if most > check.limit:
        text += f"; one attack made {most:,} tries, so {check.limit} were no limit"
        return Finding(Status.WARN, text, attacks)
    return Finding(Status.PASS, f"{text}; no attack made more than {check.limit} tries", attacks)


def _attempts(told: dict[str, object]) -> int:
    count = told.get("attempts")
    return count if isinstance(count, int) else 0


def changes(facts: Facts, check: Check) -> Finding:
    """Whether changes of watched files are recorded, and whether one was a violation."""
    if not facts.inputs("files"):
        return Finding(Status.NOT_ASSESSED, "no input of the kind files was watched")
    evidence = facts.evidence(FILES)
    grave = facts.evidence(FILES, "HIGH")
    if grave.count:
        worst = Status.FAIL if facts.count(FILES, "CRITICAL") else Status.WARN
        text = f"{counted(grave.count, 'HIGH or CRITICAL change')} of watched files"
        return Finding(worst, f"{text}: whether they were meant is not in this log", grave)
    if not evidence.count:
        return Finding(Status.PASS, "no watched file was changed")
    figures = named([f"{count:,} {name}" for name, count in evidence.by_type.items()], 4)
    if not facts.circumstances.told:
        return Finding(Status.WARN, f"{figures}, of which nobody was told", evidence)
    return Finding(Status.PASS, f"{figures}, each with the state before and after", evidence)


def incidents(facts: Facts, check: Check) -> Finding:
    """Whether incidents were seen, told, and are over."""
    last: dict[str, str] = {}
    for event in facts.events("Incident"):
        last[str(event["correlation_id"])] = event.timestamp
    evidence = facts.evidence(["Incident"])
    if not last:
        return _without_incidents(facts)
    latest = facts.until_ns - OPEN_NS
    going_on = sum(parse_time(stamp) >= latest for stamp in last.values())
    text = f"{counted(len(last), 'incident')}, {going_on or 'none'} of them in the last 24 hours"
    if not facts.circumstances.told:
        return Finding(Status.FAIL, f"{text}, and nobody is told", evidence)
    return Finding(Status.WARN, f"{text}; whether they were answered is not in this log", evidence)


def _without_incidents(facts: Facts) -> Finding:
    grave = facts.evidence([], Severity.CRITICAL)
    if grave.count:
        text = f"no incident was declared in spite of {counted(grave.count, 'CRITICAL event')}"
        return Finding(Status.WARN, text, grave)
    return Finding(Status.PASS, "no incident was seen", Evidence())
