"""Compliance: what the log shows of the controls of standards and laws, with its evidence."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mlids.controls import frameworks
from mlids.controls.advice import Recommendation, recommendations
from mlids.controls.facts import Circumstances, Evidence, Facts, Status
from mlids.controls.judging import ControlResult, FrameworkResult, judge_all
from mlids.controls.words import counted, moment, percent
from mlids.coverage import Coverage, Stored, coverage
from mlids.documents import Document, Section, Table, Value
from mlids.events import format_time
from mlids.reports import tables
from mlids.reports.foremost import ID
from mlids.verification import Verification

STATEMENT = [
    "This report is evidence for an auditor, and no certificate. It says what the event log of"
    " MLIDS on this host shows of single controls; whether a control is met as a whole, on all"
    " systems and by people too, others must judge.",
    "PASS: what was seen shows that the control held, and MLIDS watched through the period."
    " WARN: it held with doubts, or only a part of it could be seen. FAIL: something seen shows"
    " that it did not hold. NOT ASSESSED: the log of an intrusion detection system does not tell.",
]
ORDER = [status.value for status in (Status.FAIL, Status.WARN, Status.PASS, Status.NOT_ASSESSED)]
IDS = 3  # events named in a cell of the table; JSON has up to ten


class ComplianceReport(msgspec.Struct):
    """What the log shows; statement: what this is and is not; hosts: whose events these are."""

    made: str
    since: str
    until: str
    statement: list[str]
    hosts: list[str]
    total: int
    coverage: Coverage
    verification: Verification | None
    frameworks: list[FrameworkResult]
    recommendations: list[Recommendation]
    left_out: list[str]


def report(
    stored: Stored,
    since_ns: int,
    until_ns: int,
    now_ns: int,
    *,
    circumstances: Circumstances,
    verification: Verification | None = None,
    chosen: Sequence[str] = (),
    left_out: Sequence[str] = (),
    signs_ns: Sequence[int] = (),
) -> ComplianceReport:
    """What the log of a period shows of the controls.

    verification: of the whole log, None where nobody verified it; chosen: names of frameworks
    (none: all); signs_ns: see `coverage`. Raises `MLIDSError` E105 for an unknown framework.
    """
    facts = Facts(
        stored,
        since_ns,
        until_ns,
        now_ns,
        coverage=coverage(stored, since_ns, until_ns, now_ns, signs_ns),
        circumstances=circumstances,
        verification=verification,
        left_out=left_out,
    )
    asked = [frameworks.framework(name) for name in chosen or frameworks.names()]
    days = max(check.days for one in asked for control in one.controls for check in control.checks)
    return ComplianceReport(
        made=format_time(now_ns),
        since=format_time(since_ns),
        until=format_time(until_ns),
        statement=STATEMENT,
        hosts=list(tables.top(facts.tally, "host", tables.SHOWN)),
        total=facts.tally.total,
        coverage=facts.coverage,
        verification=verification,
        frameworks=[judge_all(one, facts) for one in asked],
        recommendations=recommendations(facts, days),
        left_out=list(left_out),
    )


def document(report: ComplianceReport) -> Document:
    """The report for people."""
    sections = [_head(report), *map(_framework, report.frameworks), _recommended(report)]
    title = "Compliance: what the log shows"
    return tables.document(title, report.since, report.until, report.made, sections)


def _head(report: ComplianceReport) -> Section:
    seen = report.coverage
    begins = f"the log begins {moment(seen.begins)}" if seen.begins else "the log is empty"
    events = counted(report.total, "event")
    text = f"{events}; MLIDS watched {percent(seen.share)} of the period; {begins}."

    hosts = [f"Hosts: {', '.join(report.hosts)}."] if report.hosts else []
    left_out = ["Left out, because it could not be read:", *report.left_out]
    rows: list[list[Value]] = [
        [f"{one.name} {one.version}", one.status.value, *(one.counts[name] for name in ORDER)]
        for one in report.frameworks
    ]
    table = Table("Controls by status", ["framework", "worst", *ORDER], rows)
    found = [table, *tables.unwatched(seen.unwatched), *tables.gaps(seen.gaps)]
    paragraphs = [*STATEMENT, text, *hosts, *(left_out if report.left_out else [])]
    return Section("What this is", paragraphs, found)


def _framework(result: FrameworkResult) -> Section:
    rows: list[list[Value]] = [
        [one.id, one.status.value, one.title, _sentences(one), _shown(one.evidence)]
        for one in result.controls
    ]
    source = f"Source: {result.source} ({result.year}), {result.url}. Titles are in our own words."
    columns = ["control", "status", "what it asks", "what was seen", "evidence"]
    title = f"{result.name} {result.version}: {result.status.value}"
    return Section(title, [source], [Table("", columns, rows)])


def _sentences(control: ControlResult) -> str:
    reasons = dict.fromkeys(control.reasons)  # two checks may say the same
    return " ".join(f"{reason[:1].upper()}{reason[1:]}." for reason in reasons)


def _shown(evidence: Evidence) -> str:
    if not evidence.count:
        return ""
    text = counted(evidence.count, "event")
    if evidence.first:
        text += f", {moment(evidence.first)} to {moment(evidence.last)}"
    ids = ", ".join(one[:ID] for one in evidence.events[:IDS])
    return f"{text}: {ids}{'…' if evidence.count > IDS else ''}" if ids else text


def _recommended(report: ComplianceReport) -> Section:
    rows: list[list[Value]] = [[one.what, one.why] for one in report.recommendations]
    if not rows:
        return Section("Recommendations", ["Nothing that was seen calls for one."])
    return Section("Recommendations, the weightiest first", [], [Table("", ["what", "why"], rows)])
