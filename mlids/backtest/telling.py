"""A backtest's report as a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlids.backtest.report import BacktestReport, Detection
from mlids.controls.words import counted, moment
from mlids.documents import Document, Section, Table, Value
from mlids.reports import tables

ID = 8  # characters of an event's id that are enough to find it


def document(report: BacktestReport) -> Document:
    """The report for people: first the verdict, then what differs, then why to believe it."""
    sections = [
        Section("Verdict", [report.verdict]),
        *_listed("Gone", report.gone, report.gone_in_all),
        *_listed("New", report.new, report.new_in_all),
        *_listed("Of another severity", report.severity, report.severity_in_all),
        Section("Figures", [], [_kinds(report), _noise(report)]),
        Section("What this rests on", list(_grounds(report)), _unjudged(report)),
    ]
    title = "Backtest: " + ", ".join(change.text for change in report.changes)
    return tables.document(title, report.since, report.until, report.made, sections)


def _listed(title: str, found: Sequence[Detection], in_all: int) -> Iterator[Section]:
    if not found:
        return
    rows: list[list[Value]] = [
        [
            f"{one.was} → {one.severity}" if one.was else one.severity,
            one.type,
            one.entity,
            moment(one.first),
            one.event[:ID],
            _why(one),
        ]
        for one in found[: tables.SHOWN]
    ]
    columns = ["severity", "type", "entity", "first", "event", "why"]
    note = tables.rest(range(in_all), "detections")
    yield Section(f"{title}: {counted(in_all, 'detection')}", [], [Table("", columns, rows, note)])


def _why(one: Detection) -> str:
    perhaps = "" if one.sure else "perhaps: "
    after = f"; LOGGED IN at {moment(one.succeeded)}" if one.succeeded else ""
    return f"{perhaps}{one.why}{after}"


def _kinds(report: BacktestReport) -> Table:
    rows: list[list[Value]] = [
        [one.type, one.rule, one.stored, one.before, one.after, one.gone, one.new, one.basis]
        for one in report.kinds[: tables.SHOWN]
    ]
    columns = ["type", "rule", "stored", "as it is", "changed", "gone", "new", "judged by"]
    return Table("Events by rule", columns, rows, tables.rest(report.kinds, "rules"))


def _noise(report: BacktestReport) -> Table:
    noise = (
        ("as stored", report.noise_stored),
        ("replayed as it is", report.noise_before),
        ("with the change", report.noise_after),
    )
    rows: list[list[Value]] = [[name, one.events, one.grave] for name, one in noise]
    return Table("A day", ["", "events", "of HIGH or more"], rows)


def _grounds(report: BacktestReport) -> Iterator[str]:
    check = report.check
    if check.stored:
        yield (
            "With the settings as they are the replay reproduced"
            f" {check.reproduced:,} of {counted(check.stored, 'stored detection')}."
        )
    if report.read:
        files = counted(len(report.read), "file")
        yield f"Read again: {files}, {counted(report.bytes, 'byte')}."
    yield from (f"{note}." for note in report.notes)


def _unjudged(report: BacktestReport) -> list[Table]:
    found: list[Table] = []
    if report.unjudged:
        rows: list[list[Value]] = [[one.rule, one.events, one.why] for one in report.unjudged]
        found.append(Table("What could not be judged", ["rule", "events", "why"], rows))
    if missing := report.check.missing:
        rows = [
            [one.type, one.entity, moment(one.first), one.event[:ID]]
            for one in missing[: tables.SHOWN]
        ]
        columns = ["type", "entity", "first", "event"]
        note = tables.rest(missing, "detections")
        found.append(Table("Stored, but not reproduced", columns, rows, note))
    return found
