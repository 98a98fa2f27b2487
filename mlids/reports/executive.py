"""Executive: one page for those who decide: how safe the period was, in sentences with numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from mlids.controls.advice import Recommendation
from mlids.controls.facts import Circumstances, Status
from mlids.controls.judging import FrameworkResult
from mlids.controls.words import counted, duration, moment, named, percent
from mlids.coverage import Stored
from mlids.documents import Document, Section, Table, Value
from mlids.events import Event, format_time
from mlids.reports import compliance, incidents, summary, tables
from mlids.tally import Tally
from mlids.verification import Verification

MOST = 3  # happenings
ADVICE = 5
ENOUGH = 0.99  # of the period, to say that it was quiet
PLAIN = {
    "Port Scan": "the network was searched for open doors",
    "DoS Attack": "services were flooded to make them fail",
    "Brute Force": "passwords were guessed",
    "Suspicious Login": "somebody logged in in an unusual way",
    "SQL Injection": "a website was attacked to get at its database",
    "XSS": "a website was attacked to get at its visitors",
    "Command Injection": "a website was attacked to run commands on the server",
    "Path Traversal": "a website was attacked to read files of the server",
    "Rogue AP": "a foreign wireless network posed as one of ours",
    "ARP Spoofing": "a machine in the network posed as another",
    "DNS Tunneling": "data may have been smuggled out",
    "Integrity Violation": "protected files were changed",
    "Incident": "several signs of one attack came together",
}


class Happening(msgspec.Struct, frozen=True):
    """Something important, in a sentence; id: of the incident or of its first event."""

    when: str
    severity: str
    text: str
    id: str


class Standing(msgspec.Struct, frozen=True):
    """How one framework stands, in a line."""

    framework: str
    status: Status
    text: str


class ExecutiveReport(msgspec.Struct):
    """One page: the verdict in a sentence, what it rests on, what happened, and what to do."""

    made: str
    since: str
    until: str
    hosts: list[str]
    verdict: str
    sentences: list[str]
    happenings: list[Happening]
    trend: str
    coverage: str
    standings: list[Standing]
    recommendations: list[Recommendation]


class _Once:
    """Stored events whose counts are asked for by several reports and counted once."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._known: dict[tuple[str, int, int | None], Tally] = {}

    def search(
        self,
        query: str,
        since_ns: int = 0,
        until_ns: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> Iterator[Event]:
        return self._stored.search(query, since_ns, until_ns, limit, newest)

    def tally(self, query: str, since_ns: int = 0, until_ns: int | None = None) -> Tally:
        key = query, since_ns, until_ns
        if key not in self._known:
            self._known[key] = self._stored.tally(*key)
        return self._known[key]


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
) -> ExecutiveReport:
    """The page of a period; the arguments are those of `compliance.report`."""
    once, span = _Once(stored), (since_ns, until_ns, now_ns)
    counts = summary.report(once, *span, left_out=left_out, signs_ns=signs_ns)
    found = incidents.report(once, *span, top=MOST)
    judged = compliance.report(
        once,
        *span,
        circumstances=circumstances,
        verification=verification,
        chosen=chosen,
        left_out=left_out,
        signs_ns=signs_ns,
    )
    return ExecutiveReport(
        made=format_time(now_ns),
        since=counts.since,
        until=counts.until,
        hosts=judged.hosts,
        verdict=_verdict(counts, found, verification),
        sentences=list(_sentences(counts, found, verification)),
        happenings=list(_happenings(found))[:MOST],
        trend=_trend(counts),
        coverage=_covered(counts),
        standings=[_standing(one) for one in judged.frameworks],
        recommendations=judged.recommendations[:ADVICE],
    )


def _verdict(
    counts: summary.SummaryReport, found: incidents.IncidentReport, proof: Verification | None
) -> str:
    if proof is not None and not proof.ok:
        return "Nothing here can be relied on: the records were changed by somebody else."
    critical = counts.by_severity.get("CRITICAL", 0)
    if critical or any(one.severity == "CRITICAL" for one in found.incidents):
        return "The period was not safe: at least one attack seems to have succeeded."
    if counts.coverage.share < ENOUGH:
        return "Whether the period was safe is not known: part of it was not watched."
    if counts.by_severity.get("HIGH", 0) or found.total:
        return "The period was troubled: there were serious events, and each must be looked at."
    return "The period was quiet: nothing serious was seen."


def _sentences(
    counts: summary.SummaryReport, found: incidents.IncidentReport, proof: Verification | None
) -> Iterator[str]:
    critical, high = (counts.by_severity.get(name, 0) for name in ("CRITICAL", "HIGH"))
    total = counted(counts.total, "event")
    if counts.total:
        yield f"{total} were recorded; {high:,} of them were serious and {critical:,} critical."
    else:
        yield "No events were recorded."
    if found.total:
        yield f"{counted(found.total, 'attack')} of several steps were put together from them."
    logins = counts.by_type.get("Failed Login", 0)
    if logins:
        yield f"{counted(logins, 'login')} failed."
    if proof is None:
        yield "It was not checked whether the records are unchanged."
    elif proof.ok and proof.records:
        yield f"{counted(proof.records, 'record')} were checked, and none was changed."
    if counts.left_out:
        yield f"{counted(len(counts.left_out), 'part')} of the records could not be read."
    yield "What was not seen may have happened all the same: only what is watched can be seen."


def _happenings(found: incidents.IncidentReport) -> Iterator[Happening]:
    for one in found.incidents:
        steps = counted(len(one.stages), "step")
        told = one.description.removeprefix(f"{one.entity}: ") or "see the incidents"
        text = f"An attack in {steps}, about {one.entity}: {told}"
        yield Happening(one.first, one.severity, text, one.id)
    for strong in found.strongest:
        most = max(strong.types, key=lambda type: strong.types[type])
        what = PLAIN.get(most, f"{most} was seen")
        count = counted(strong.critical + strong.high, "time")
        whom = f" ({strong.entity})" if strong.entity else ""
        severity = "CRITICAL" if strong.critical else "HIGH"
        text = f"{what[:1].upper()}{what[1:]}{whom}, {count}"
        yield Happening(strong.first, severity, text, strong.events[0] if strong.events else "")


def _trend(counts: summary.SummaryReport) -> str:
    change = counts.change
    if not change.total:
        return "There is nothing to compare with: the time before holds no records."
    share = f" ({change.percent:+,.0f} %)" if change.percent is not None else ""
    more = "more" if change.difference >= 0 else "fewer"
    text = f"{abs(change.difference):,} events {more} than in the period before{share}"
    appeared = [PLAIN[type] for type in change.appeared if type in PLAIN]
    new = f"; for the first time {named(appeared)}" if appeared else ""
    unfair = f". To be read with care: {change.note}" if change.note else ""
    return f"{text}{new}{unfair}."


def _covered(counts: summary.SummaryReport) -> str:
    seen = counts.coverage
    text = f"MLIDS watched {percent(seen.share)} of the period"
    if seen.unwatched:
        lost = duration(sum(period.seconds for period in seen.unwatched))
        text += f"; for {lost} nothing was watched"
    if blind := sum(gap.count > 0 for gap in seen.gaps):
        text += f"; {counted(blind, 'source of information', 'sources of information')} had gaps"
    return f"{text}."


def _standing(result: FrameworkResult) -> Standing:
    words = {"FAIL": "fail", "WARN": "doubtful", "PASS": "hold", "NOT ASSESSED": "not assessed"}
    text = ", ".join(f"{result.counts[key]} {word}" for key, word in words.items())
    return Standing(f"{result.name} {result.version}", result.status, text)


def document(report: ExecutiveReport) -> Document:
    """The page for people."""
    hosts = f"This is about {named(report.hosts)}." if report.hosts else ""
    safe = [report.verdict, " ".join(report.sentences), report.coverage, report.trend, hosts]
    happened: list[list[Value]] = [
        [moment(one.when), one.severity, one.text] for one in report.happenings
    ]
    stands: list[list[Value]] = [
        [one.framework, one.status.value, one.text] for one in report.standings
    ]
    advice: list[list[Value]] = [[one.what, one.why] for one in report.recommendations]
    note = compliance.STATEMENT[0]
    sections = [
        Section("How safe was the period?", [text for text in safe if text]),
        _part("What happened", ["when", "severity", "what"], happened),
        _part("How do we stand?", ["rules", "worst", "controls"], stands, note),
        _part("What should be done?", ["what", "why"], advice),
    ]
    title = "Security in brief"
    return tables.document(title, report.since, report.until, report.made, sections)


def _part(title: str, columns: list[str], rows: list[list[Value]], note: str = "") -> Section:
    if not rows:
        return Section(title, ["Nothing of note."])
    return Section(title, [], [Table("", columns, rows, note)])
