"""Checks of the watching itself: did it run, did it see everything, was somebody told?"""

from __future__ import annotations

from mlids.controls.facts import Evidence, Facts, Finding, Status
from mlids.controls.frameworks import Check
from mlids.controls.words import counted, duration, named, percent
from mlids.coverage import Coverage

ENOUGH, LEAST = 0.99, 0.95
"""Shares of a period that pass, and below which a control was not operated.

No framework names a figure. 99 % of 30 days leaves seven hours for updates and restarts; at 95 %
a day and a half is dark, in which a whole intrusion has room.
"""


def watched(facts: Facts, check: Check) -> Finding:
    """Whether MLIDS ran through the period, and with inputs of the kind that is asked for."""
    if check.of and not facts.inputs(check.of):
        return Finding(Status.NOT_ASSESSED, f"no input of the kind {check.of} was watched")
    seen = facts.coverage
    share = seen.lanes.get(check.of, 0.0) if check.of and seen.inputs else seen.share
    status = Status.PASS if share >= ENOUGH else Status.WARN if share >= LEAST else Status.FAIL
    names = [name.removeprefix(f"{check.of} ") for name in facts.inputs(check.of)]
    what = f": {check.of} {named(names)}" if check.of else ""
    reason = f"MLIDS watched {percent(share)} of the period{what}{dark(seen)}"
    if check.of and status is Status.PASS and not seen.inputs:
        status = Status.WARN
        reason += "; no start of the period says so, only the configuration"
    return Finding(status, reason, _runs(seen))


def _runs(seen: Coverage) -> Evidence:
    """The starts and stops that tell when MLIDS ran."""
    told = {"Service Started": seen.starts, "Service Stopped": seen.stops}
    by_type = {type: count for type, count in told.items() if count}
    return Evidence(seen.starts + seen.stops, by_type, events=seen.events)


def dark(coverage: Coverage) -> str:
    """What is to be said of the time that was not watched, "" where there is none."""
    periods = coverage.unwatched
    if not periods:
        return ""
    longest = max(periods, key=lambda period: period.seconds)
    total = duration(sum(period.seconds for period in periods))
    if len(periods) == 1:
        return f"; {total} not ({longest.reason})"
    many = counted(len(periods), "period")
    return f"; {total} not, in {many}, the longest {duration(longest.seconds)}"


def complete(facts: Facts, check: Check) -> Finding:
    """Whether inputs gave everything, and all that is stored could be read."""
    gaps = [gap for gap in facts.coverage.gaps if gap.count]
    evidence = facts.evidence(["Monitoring Gap"])
    if facts.left_out:
        text = f"part of the log could not be read: {named(facts.left_out)}"
        return Finding(Status.WARN, text, evidence)
    if gaps:
        worst = sorted(gaps, key=lambda gap: (-gap.silent_s, -gap.count))
        told = named([f"{gap.input} ({gap.what})" for gap in worst])
        text = f"{counted(sum(gap.count for gap in gaps), 'monitoring gap')} of {told}"
        return Finding(Status.WARN, text, evidence)
    return Finding(Status.PASS, "no monitoring gap was told, and all that is stored could be read")


def failures(facts: Facts, check: Check) -> Finding:
    """Whether failures of the watching were noticed when they happened."""
    evidence = facts.evidence(["Monitoring Gap"])
    if crashes := facts.coverage.crashes:
        text = f"{counted(crashes, 'run')} ended without a word, which was noticed only afterwards"
        return Finding(Status.WARN, text, _runs(facts.coverage))
    if gaps := sum(gap.count for gap in facts.coverage.gaps):
        told = counted(gaps, "failure or loss", "failures and losses")
        return Finding(Status.PASS, f"{told} of inputs were noticed and told", evidence)
    return Finding(Status.PASS, "no failure of an input was seen, and every run told its end")


def alerted(facts: Facts, check: Check) -> Finding:
    """Whether events reach somebody."""
    grave = facts.evidence([], "HIGH")
    if told := facts.circumstances.told:
        refused = [gap for gap in facts.coverage.gaps if gap.what == "E104"]
        if refused:
            text = f"events go to {named(told)}, which refused them for a time"
            return Finding(Status.WARN, text, Evidence(events=refused[0].events))
        return Finding(Status.PASS, f"events go to {named(told)}")
    if grave.count:
        text = f"{counted(grave.count, 'HIGH or CRITICAL event')} and nobody is told: no sink or"
        return Finding(Status.FAIL, f"{text} notifier is enabled", grave)
    return Finding(Status.WARN, "nobody would be told: no sink or notifier is enabled")
