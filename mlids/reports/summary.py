"""Summary: how many events of what kind, what changed, what was held back, what was not seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mlids.controls.watching import dark
from mlids.controls.words import counted, moment, named, percent
from mlids.coverage import Coverage, Diary, Stored, coverage, within
from mlids.documents import Document, Section, Table, Value
from mlids.events import Event, Severity, format_time
from mlids.inputgaps import metadata
from mlids.reports import foremost, tables
from mlids.reports import unusual as unusually
from mlids.reports.foremost import Foremost
from mlids.tally import Tally

SUPPRESSIONS = 1000  # told apart
FURTHER = "further ones"
FOREMOST = 8  # entities to look at first
BRIEF = 5  # rows that a screen has room for
CHANGE = "Change"  # the section
NAMED = 3  # addresses in a sentence
UNEQUAL = 0.05  # shares watched that differ so much make counts differ, too


class TypeChange(msgspec.Struct, frozen=True):
    """One type of event now and in the period before; percent: None where there was none."""

    type: str
    now: int
    before: int
    difference: int
    percent: float | None


class Change(msgspec.Struct, frozen=True):
    """Against the period before, of the same length.

    complete: whether the log reaches back so far; watched: share of that period in which MLIDS
    ran; note: why a comparison would be unfair, "" where it is not.
    """

    since: str
    until: str
    total: int
    difference: int
    percent: float | None
    complete: bool
    watched: float
    by_type: list[TypeChange]
    appeared: list[str]
    vanished: list[str]
    note: str = ""


class Suppression(msgspec.Struct):
    """What one suppression or threshold held back; meant: its conditions and its reason."""

    name: str
    type: str
    meant: str = ""
    count: int = 0
    first: str = ""
    last: str = ""


class SummaryReport(msgspec.Struct):
    """Counts over a period; `since` and `until` are UTC, hours 0 to 23 in UTC.

    foremost: who was behind the grave events;
    held_back: triggers that stored events stand for beside themselves (the volume law); suppressed:
    events that were not stored, by suppression; left_out: what could not be read.
    """

    made: str
    since: str
    until: str
    query: str
    total: int
    foremost: list[Foremost]
    by_type: dict[str, int]
    by_severity: dict[str, int]
    by_source: dict[str, int]
    by_hour: dict[int, int]
    by_day: dict[str, int]
    top_addresses: dict[str, int]
    top_users: dict[str, int]
    top_paths: dict[str, int]
    top_rules: dict[str, int]
    first: str
    last: str
    change: Change
    held_back: int
    suppressed: list[Suppression]
    coverage: Coverage
    left_out: list[str]


def report(
    stored: Stored,
    since_ns: int,
    until_ns: int,
    now_ns: int,
    *,
    query: str = "",
    top: int = 10,
    left_out: Sequence[str] = (),
    signs_ns: Sequence[int] = (),
) -> SummaryReport:
    """The summary of a period.

    query: only of events that match; top: how many addresses, users, paths and rules are named;
    signs_ns: see `coverage`.
    """
    tally = stored.tally(query, since_ns, until_ns)
    diary = Diary(stored, until_ns)
    seen = coverage(stored, since_ns, until_ns, now_ns, signs_ns, diary)
    begin = since_ns - (until_ns - since_ns)
    before = coverage(stored, begin, since_ns, since_ns, signs_ns, diary)
    told = within(diary.suppressed, since_ns, until_ns)
    held_back = tally.suppressed - (0 if query else sum(_total(event) for event in told))
    return SummaryReport(
        made=format_time(now_ns),
        since=format_time(since_ns),
        until=format_time(until_ns),
        query=query,
        total=tally.total,
        foremost=foremost.foremost(stored, since_ns, until_ns, FOREMOST, query),
        by_type=tally.by("type"),
        by_severity=tally.by("severity"),
        by_source=tally.by("source"),
        by_hour={int(hour): count for hour, count in sorted(tally.by("hour").items())},
        by_day=dict(sorted(tally.by("day").items())),
        top_addresses=tables.top(tally, "ip", top),
        top_users=tables.top(tally, "user", top),
        top_paths=tables.top(tally, "path", top),
        top_rules=tables.top(tally, "rule", top),
        first=format_time(tally.first_ns) if tally.total else "",
        last=format_time(tally.last_ns) if tally.total else "",
        change=_change(tally, stored.tally(query, begin, since_ns), seen, before),
        held_back=held_back,
        suppressed=_suppressed(told),
        coverage=seen,
        left_out=list(left_out),
    )


def _total(event: Event) -> int:
    """What an account of suppressed events adds to `Tally.suppressed`."""
    return _count(event["details"].get("suppressed"))


def _change(tally: Tally, earlier: Tally, seen: Coverage, before: Coverage) -> Change:
    now, past = tally.by("type"), earlier.by("type")
    return Change(
        since=before.since,
        until=before.until,
        total=earlier.total,
        difference=tally.total - earlier.total,
        percent=_percent(tally.total, earlier.total),
        complete=bool(seen.begins) and seen.begins <= before.since,
        watched=before.share,
        by_type=[_type_change(t, now.get(t, 0), past.get(t, 0)) for t in {**now, **past}],
        appeared=[type for type in now if type not in past] if earlier.total else [],
        vanished=[type for type in past if type not in now],
        note=_fairness(seen, before),
    )


def _type_change(type: str, now: int, before: int) -> TypeChange:
    return TypeChange(type, now, before, now - before, _percent(now, before))


def _percent(now: int, before: int) -> float | None:
    return round(100 * (now - before) / before, 1) if before else None


def _fairness(seen: Coverage, before: Coverage) -> str:
    """Why a comparison with the period before would mislead, "" where it would not."""
    if not seen.begins:
        return "the log is empty"
    if seen.begins >= before.until:
        return "no earlier data: the log begins later"
    if seen.begins > before.since:
        return f"the log begins only at {moment(seen.begins)}: less is to be compared"
    if abs(seen.share - before.share) > UNEQUAL:
        now, past = percent(seen.share), percent(before.share)
        return f"MLIDS watched {now} of this period and {past} of that before"
    return ""


def _suppressed(events: Sequence[Event]) -> list[Suppression]:
    """What suppressions and thresholds held back, the most first."""
    found: dict[tuple[str, str], Suppression] = {}
    for event in events:
        lines = metadata(event).get("lines")
        for told in lines if isinstance(lines, list) else ():
            if isinstance(told, dict):
                _add(found, told)
        _add(found, {"suppression": FURTHER, "hits": metadata(event).get("left_out")})
    return sorted((one for one in found.values() if one.count), key=lambda one: -one.count)


def _add(found: dict[tuple[str, str], Suppression], told: dict[str, Any]) -> None:
    key = (str(told.get("suppression") or ""), str(told.get("type") or ""))
    if key not in found and len(found) >= SUPPRESSIONS:
        key = (FURTHER, "")
    one = found.setdefault(key, Suppression(*key, meant=str(told.get("meant") or "")))
    one.count += _count(told.get("hits"))
    first, last = str(told.get("first") or ""), str(told.get("last") or "")
    one.first = min(one.first or first, first or one.first)
    one.last = max(one.last, last)


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def document(report: SummaryReport) -> Document:
    """The summary for people."""
    sections = [
        _glance(report),
        _compared(report.change),
        Section("Counts", [], _counts(report)),
        Section("When", [], _times(report)),
        Section("Who and what", [], _tops(report)),
        _unseen(report),
    ]
    title = "Summary of events"
    return tables.document(title, report.since, report.until, report.made, sections)


def brief(document: Document) -> Document:
    """What of a summary fits one screen: what to look at first, and the largest counts."""
    glance, *others = document.sections
    shown = [glance]
    for section in others:
        if section.title == CHANGE or section.title.startswith(unusually.TITLE):
            cut = [tables.cut(table, BRIEF) for table in section.tables if table.rows]
            shown.append(Section(section.title, [] if cut else section.paragraphs, cut))
    return msgspec.structs.replace(document, sections=shown)


def _glance(report: SummaryReport) -> Section:
    """What matters most, in a few sentences and one table."""
    which = f" that match {report.query}" if report.query else ""
    grades = [
        f"{report.by_severity[severity]:,} {severity}"
        for severity in reversed(Severity)
        if severity in report.by_severity
    ]
    text = f"{counted(report.total, 'event')}{which}"
    text += f": {named(grades, len(grades))}." if grades else "."
    paragraphs = [text, _against(report.change), _watched(report.coverage)]
    if top := list(report.top_addresses.items())[:NAMED]:
        names = [f"{address} ({count:,})" for address, count in top]
        paragraphs.insert(1, f"Top addresses: {named(names)}.")
    if held := sum(one.count for one in report.suppressed):
        paragraphs.append(f"{counted(held, 'event')} were suppressed, and not stored.")
    if report.left_out:
        paragraphs.append(f"{counted(len(report.left_out), 'part')} of the log cannot be read.")
    return Section("At a glance", paragraphs, foremost.table(report.foremost))


def _against(change: Change) -> str:
    """How many more or fewer there were before."""
    text = "Before: nothing to compare with"
    if change.total:
        more = "more" if change.difference >= 0 else "fewer"
        text = f"{abs(change.difference):,} {more} than in the period before"
        text += f" ({_shown(change.percent)})"
    return f"{text}; {change.note}." if change.note else f"{text}."


def _watched(seen: Coverage) -> str:
    """How much of the period was seen."""
    text = f"MLIDS watched {percent(seen.share)} of the period{dark(seen)}."
    if blind := [gap.input for gap in seen.gaps if gap.count]:
        text += f" Inputs with gaps: {named(list(dict.fromkeys(blind)))}."
    return text


def _counts(report: SummaryReport) -> list[Table]:
    return [
        tables.counts("By severity", "severity", report.by_severity),
        tables.counts("By source", "source", report.by_source),
    ]


def _compared(change: Change) -> Section:
    text = f"{counted(change.total, 'event')} from {moment(change.since)} to {moment(change.until)}"
    text += f": {change.difference:+,} since ({_shown(change.percent)})."
    paragraphs = [text, *([f"{change.note[:1].upper()}{change.note[1:]}."] if change.note else [])]
    if change.appeared:
        paragraphs.append(f"New: {named(change.appeared, tables.SHOWN)}.")
    if change.vanished:
        paragraphs.append(f"No longer there: {named(change.vanished, tables.SHOWN)}.")
    rows: list[list[Value]] = [
        [one.type, one.now, one.before, f"{one.difference:+,}", _shown(one.percent)]
        for one in change.by_type
    ]
    columns = ["type", "now", "before", "difference", "percent"]
    return Section(CHANGE, paragraphs, [Table("By type", columns, rows)])


def _shown(change: float | None) -> str:
    return "new" if change is None else f"{change:+,.1f} %"


def _times(report: SummaryReport) -> list[Table]:
    return [
        tables.counts("By day (UTC)", "day", report.by_day),
        tables.counts("By hour (UTC)", "hour", report.by_hour),
    ]


def _tops(report: SummaryReport) -> list[Table]:
    found = {
        ("Top addresses", "address"): report.top_addresses,
        ("Top users", "user"): report.top_users,
        ("Top paths", "path"): report.top_paths,
        ("Top rules", "rule"): report.top_rules,
    }
    return [tables.counts(*head, values) for head, values in found.items() if values]


def _unseen(report: SummaryReport) -> Section:
    """What the counts above do not hold."""
    paragraphs = [f"MLIDS watched {percent(report.coverage.share)} of the period."]
    if report.held_back:
        text = counted(report.held_back, "repeat")
        paragraphs.append(f"Stored events stand for {text} beside themselves.")
    if report.left_out:
        paragraphs += ["Left out, because it could not be read:", *report.left_out]
    rows: list[list[Value]] = [
        [one.name, one.meant, one.type, one.count, moment(one.first), moment(one.last)]
        for one in report.suppressed
    ]
    columns = ["suppression", "meant for", "type", "events", "first", "last"]
    held = [Table("Suppressed and not stored", columns, rows)] if rows else []
    unwatched, gaps = report.coverage.unwatched, report.coverage.gaps
    found = [*held, *tables.unwatched(unwatched), *tables.gaps(gaps)]
    return Section("What is not in these counts", paragraphs, found)
