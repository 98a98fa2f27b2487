"""Judges a control: its checks are asked, and the worst of what they say is the status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

import msgspec

from mlids.controls import attacks, keeping, watching
from mlids.controls.facts import NAMED, Evidence, Facts, Finding, Status
from mlids.controls.frameworks import Check, Control, Framework
from mlids.controls.words import percent
from mlids.coverage import Period

CHECKS: dict[str, Callable[[Facts, Check], Finding]] = {
    check.__name__: check
    for check in (
        watching.watched,
        watching.complete,
        watching.failures,
        watching.alerted,
        keeping.recorded,
        keeping.proved,
        keeping.retained,
        keeping.copied,
        keeping.clock,
        attacks.seen,
        attacks.guessing,
        attacks.changes,
        attacks.incidents,
    )
}
_ORDER = (Status.FAIL, Status.WARN, Status.PASS, Status.NOT_ASSESSED)
LONGEST = 5  # periods without monitoring that a control names


class ControlResult(msgspec.Struct, frozen=True):
    """What the log shows of one control; reasons: one a check, with figures; unwatched: the longest
    periods of which it shows nothing.
    """

    id: str
    title: str
    shows: str
    status: Status
    reasons: list[str]
    evidence: Evidence
    unwatched: list[Period]


class FrameworkResult(msgspec.Struct, frozen=True):
    """What the log shows of the controls of one framework; status: the worst of them."""

    name: str
    version: str
    source: str
    url: str
    year: int
    status: Status
    counts: dict[str, int]
    controls: list[ControlResult]


def judge_all(framework: Framework, facts: Facts) -> FrameworkResult:
    """Each control of a framework."""
    results = [judge(control, facts) for control in framework.controls]
    counts = {status.value: sum(r.status is status for r in results) for status in Status}
    worst = next(status for status in _ORDER if counts[status])
    return FrameworkResult(
        framework.framework,
        framework.version,
        framework.source,
        framework.url,
        framework.year,
        worst,
        counts,
        results,
    )


def judge(control: Control, facts: Facts) -> ControlResult:
    """FAIL where any check fails; WARN where one doubts, or only a part could be assessed; PASS
    only where all pass and MLIDS watched the period.
    """
    findings = [CHECKS[check.check](facts, check) for check in control.checks]
    reasons = [finding.reason for finding in findings]
    status = _worst([finding.status for finding in findings])
    share = facts.coverage.share
    if status is Status.PASS and share < watching.ENOUGH:
        status = Status.WARN
        dark = watching.dark(facts.coverage)
        reasons.append(f"MLIDS watched {percent(share)} of the period only{dark}")
    longest = sorted(facts.coverage.unwatched, key=lambda period: -period.seconds)[:LONGEST]
    worst_first = sorted(findings, key=lambda finding: _ORDER.index(finding.status))
    evidence = _together([finding.evidence for finding in worst_first])
    named = control.id, control.title, control.shows
    return ControlResult(*named, status, reasons, evidence, longest)


def _worst(statuses: Sequence[Status]) -> Status:
    found = set(statuses)
    if found == {Status.NOT_ASSESSED}:
        return Status.NOT_ASSESSED
    if Status.FAIL in found:
        return Status.FAIL
    return Status.PASS if found == {Status.PASS} else Status.WARN


def _together(parts: Sequence[Evidence]) -> Evidence:
    """The evidence of several checks as one; the same event may stand behind two of them.

    Of each check the first events are named, so that the worst does not stand alone.
    """
    by_type: dict[str, int] = {}
    for part in parts:
        for name, count in part.by_type.items():
            by_type[name] = max(count, by_type.get(name, 0))
    total = sum(by_type.values())
    turns = zip_longest(*(part.events for part in parts))
    events = dict.fromkeys(one for turn in turns for one in turn if one)
    return Evidence(
        max([total, *(part.count for part in parts)]),
        by_type,
        min((part.first for part in parts if part.first), default=""),
        max((part.last for part in parts if part.last), default=""),
        list(events)[:NAMED],
    )
