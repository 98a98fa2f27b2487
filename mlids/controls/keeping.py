"""Checks of the log as a record: what is in it, whether it is whole, how long it is kept."""

from __future__ import annotations

from mlids.controls.facts import Evidence, Facts, Finding, Status
from mlids.controls.frameworks import Check
from mlids.controls.words import counted, moment, named


def recorded(facts: Facts, check: Check) -> Finding:
    """Whether there are such events at all; without types or rules: any."""
    evidence = facts.by_rule(check.rules) if check.rules else facts.evidence(check.types)
    if not evidence.count:
        what = named(check.types or check.rules, 5) or "events"
        return Finding(Status.NOT_ASSESSED, f"the period holds no {what}: nothing is shown by it")
    kinds = named(sorted(evidence.by_type, key=lambda name: -evidence.by_type[name]), 5)
    return Finding(Status.PASS, f"{counted(evidence.count, 'event')} recorded: {kinds}", evidence)


def proved(facts: Facts, check: Check) -> Finding:
    """Whether the log was proved to be what MLIDS wrote."""
    proof = facts.verification
    if proof is None:
        return Finding(Status.WARN, "the log was not verified for this report")
    if not proof.ok:
        place = f" ({proof.file}, line {proof.line})" if proof.file else ""
        return Finding(Status.FAIL, f"the log is not what MLIDS wrote: {proof.bad}{place}")
    if not proof.records:
        return Finding(Status.NOT_ASSESSED, "there are no records that could be proved")
    text = f"{counted(proof.records, 'record')} hold together, sealed up to number {proof.sealed:,}"
    if not proof.authentic:
        return Finding(Status.WARN, f"{text}; the seals' signatures were not checked")
    if proof.unproved:
        more = counted(proof.unproved, "line")
        return Finding(Status.WARN, f"{text}; {more} from before there was a chain are unproved")
    return Finding(Status.PASS, f"{text}, and the seals are signed with the key they must be")


def retained(facts: Facts, check: Check) -> Finding:
    """Whether records are kept for so many days."""
    days, kept = check.days, facts.circumstances.retention_days
    begins = facts.coverage.begins
    since = f"; the log begins {moment(begins)}" if begins else ""
    if not kept or kept >= days:
        setting = f"for {kept} days" if kept else "for ever"
        return Finding(Status.PASS, f"records are kept {setting} ({days} are asked){since}")
    text = f"records are kept for {kept} days and {days} are asked{since}"
    deleted = facts.evidence(["Log Retention"])
    if deleted.count and not facts.circumstances.copies:
        text += f"; {counted(deleted.count, 'deletion')} in the period, and no copy elsewhere"
        return Finding(Status.FAIL, text, deleted)
    if facts.circumstances.copies:
        text += f"; copies go to {named(facts.circumstances.copies)}, how long is decided there"
    return Finding(Status.WARN, text, deleted)


def copied(facts: Facts, check: Check) -> Finding:
    """Whether records are also kept on another machine."""
    if copies := facts.circumstances.copies:
        return Finding(Status.PASS, f"events are also sent to {named(copies)}")
    return Finding(Status.WARN, "the log is on this machine only: no sink to another is enabled")


def clock(facts: Facts, check: Check) -> Finding:
    """Whether any event is ahead of its time."""
    if odd := facts.ahead:
        text = f"an event is stamped {moment(odd.timestamp)}, ahead of now: a clock is wrong"
        events = [str(odd.get("id", ""))]
        return Finding(Status.WARN, text, Evidence(1, {}, odd.timestamp, odd.timestamp, events))
    if check.silence == "pass" and facts.tally.total:
        return Finding(Status.PASS, "every event carries its time in UTC, and none is ahead of now")
    text = "no event is ahead of now; whether the clock is right is not seen from here"
    return Finding(Status.NOT_ASSESSED, text)
