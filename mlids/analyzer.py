"""Analyzer: looks back over stored events: summary, incidents, compliance, anomalies, reports."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from mlids import anomalies, exports, renderings, status, verification
from mlids.anomalies import Anomaly, Judging
from mlids.archive import Archive
from mlids.atomic import write_atomically
from mlids.controls.facts import Circumstances
from mlids.documents import Document, Figure, Section
from mlids.errors import MLIDSError
from mlids.events import Event, format_time, parse_time
from mlids.query import QueryError, parse, quoted
from mlids.seals import Seals
from mlids.verification import Verification

if TYPE_CHECKING:
    import pandas

DAY_NS = 86_400 * 1_000_000_000
HOUR_NS = 3600 * 1_000_000_000
HOURS = 24  # in which anomalies are looked for
LEARNED_DAYS = 30  # that say what is usual
ENTITIES = ("ip", "user")  # whose rates are watched beside those of types
MOST_ENTITIES = 100  # of each, the most frequent in the time that is looked at
LONGEST = 64  # characters that one of many takes in a query, which has its bounds
SHOWN = 20  # event ids named per anomaly
REPORTS = ("summary", "compliance", "incidents", "executive")
ReportName = Literal["summary", "compliance", "incidents", "executive"]


class Period(NamedTuple):
    """A span of time, ns since 1970; the end is not part of it."""

    since_ns: int
    until_ns: int


class Report(NamedTuple):
    """A report: its data, which JSON can carry, and how it reads."""

    data: dict[str, Any]
    document: Document

    def illustrated(self, figures: list[Figure]) -> Report:
        """The same with plots."""
        first, *others = self.document.sections
        plots = Section("Plots", [], [], figures)
        document = msgspec.structs.replace(self.document, sections=[first, plots, *others])
        return self._replace(document=document)

    @property
    def failed(self) -> bool:
        """Whether a control of a compliance report failed."""
        controls = (one for it in self.data["frameworks"] for one in it["controls"])
        return any(control["status"] == "FAIL" for control in controls)


class Analyzer:
    """Answers questions about the events below `logs_dir`; needs no running MLIDS.

    clock: the moment that periods are counted back from, in ns since 1970; method, threshold,
    window_size, alert_threshold: how anomalies are found (see `anomalies.Judging`); seals: where
    the seals are; circumstances: what the configuration says of this host, for compliance;
    progress: told how many segments were prepared, of how many, while a question waits for it.
    """

    def __init__(
        self,
        logs_dir: str | os.PathLike[str] = "logs",
        *,
        clock: Callable[[], int] = time.time_ns,
        method: str = "mad",
        threshold: float = 3.5,
        window_size: int = 300,
        alert_threshold: float = 0.95,
        seals: str | os.PathLike[str] | None = None,
        circumstances: Circumstances = Circumstances(),  # noqa: B008 - frozen
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.archive = Archive(logs_dir, progress=progress)
        self.clock = clock
        self.judging = Judging(window_size, method, threshold, alert_threshold)
        self.seals = Path(seals) if seals else self.archive.folder / "seals"
        self.circumstances = circumstances

    def period(self, days: float = 30) -> Period:
        """The last so many days."""
        now = self.clock()
        return Period(now - int(days * DAY_NS), now + 1)

    def events(self, days: float = 30, search: str = "") -> Iterator[Event]:
        """Events of the last `days`, in the order they were written, that match a query."""
        return self.archive.search(search, *self.period(days))

    def generate_summary(self, days: float = 30, search: str = "") -> dict[str, Any]:
        """Counts by type, severity, source, hour, day; the top addresses, users, paths and rules;
        the change against the period before; what was suppressed and not watched
        (`reports.summary.SummaryReport`).
        """
        return self.report("summary", self.period(days), search).data

    def report(
        self,
        name: ReportName,
        period: Period,
        search: str = "",
        *,
        top: int = 10,
        frameworks: Sequence[str] = (),
        anomalies: bool = False,
    ) -> Report:
        """One of `REPORTS` over a period.

        search, top: of the summary; anomalies: what was unusual in the last 24 hours is told there
        too; frameworks: of compliance, by name or file (none: all that are shipped).
        Raises `MLIDSError` E105 for a query that cannot be read or an unknown framework.
        """
        from mlids.reports import compliance, executive, incidents, summary

        span, given = (*period, self.clock()), self._given(period)
        found: Any
        if name == "summary":
            found = summary.report(self.archive, *span, query=search, top=top, **given)
            report = _report(found, summary.document(found))
            return self._with_anomalies(report) if anomalies else report
        if name == "incidents":
            found = incidents.report(self.archive, *span)
            return _report(found, incidents.document(found))
        given |= {"circumstances": self.circumstances, "chosen": frameworks}
        try:
            given["verification"] = self.verify()
        except MLIDSError as error:
            given["left_out"].append(f"{error.message}: the log was not verified")
        if name == "compliance":
            found = compliance.report(self.archive, *span, **given)
            return _report(found, compliance.document(found))
        found = executive.report(self.archive, *span, **given)
        return _report(found, executive.document(found))

    def _with_anomalies(self, report: Report) -> Report:
        from mlids.reports import unusual

        found = self.detect_anomalies(HOURS)
        first, *others = report.document.sections
        sections = [first, unusual.section(found, HOURS), *others]
        document = msgspec.structs.replace(report.document, sections=sections)
        return Report(report.data | {"anomalies": found}, document)

    def verify(self) -> Verification:
        """Whether the whole log is what MLIDS wrote. Raises `MLIDSError` E004."""
        try:
            return verification.verify(self.archive.folder, self.seals)
        except OSError as error:
            raise MLIDSError("E004", f"{error.filename}: {error.strerror}") from error

    def _given(self, period: Period) -> dict[str, Any]:
        """What reports are told beside the events: signs of life, and what could not be read."""
        signs = self._sealed_at()
        if status.read(self.archive.folder):
            signs.append(self.clock())
        self.archive.count("", *period)  # so that all of it was looked at
        return {"signs_ns": signs, "left_out": self.archive.left_out.examples}

    def _sealed_at(self) -> list[int]:
        """When the log was sealed, ns since 1970; seals that may not be read are no signs."""
        try:
            moments = [seal.time_ns for seal in Seals(self.seals).read() if seal]
        except OSError:
            return []
        return [moment for moment in moments if moment]

    def detect_anomalies(
        self, window_hours: float = 24, method: str | None = None, search: str = ""
    ) -> list[dict[str, Any]]:
        """Windows of the last `window_hours` in which something came unusually often or seldom.

        What is usual is learned from the 30 days up to now, for each hour of the week where they
        are there, in windows of `window_size` seconds: per type of event, and per address and user
        that were seen before. method: mad, zscore or isolation_forest. Each anomaly
        (`anomalies.Anomaly`) names the usual and the observed count, its score, and events behind
        it. Raises E105 for an unknown method, E005 where a package is missing.
        """
        until = self.clock()
        since = until - int(window_hours * HOUR_NS)
        learned = Period(until - LEARNED_DAYS * DAY_NS, until)
        judging = msgspec.structs.replace(self.judging, method=method or self.judging.method)
        begin = max(learned.since_ns, self._begin(learned))
        found: list[Anomaly] = []
        for by, query in self._watched(Period(since, until), search):
            rates = self.archive.rates(query, *learned, judging.window_s, by)
            try:
                found += anomalies.detect(
                    rates,
                    by=by,
                    begin_ns=begin,
                    since_ns=since,
                    until_ns=until,
                    judging=judging,
                    known_only=by != "type",
                )
            except ImportError as error:
                hint = f"pip install {error.name or 'scikit-learn'}"
                raise MLIDSError("E005", str(error), hint) from error
        found.sort(key=lambda anomaly: -abs(anomaly.score))
        self._name_events(found, search)
        return [msgspec.to_builtins(one) for one in found]

    def _begin(self, learned: Period) -> int:
        return self.archive.tally("", *learned).first_ns or learned.until_ns

    def _watched(self, inspected: Period, search: str) -> Iterator[tuple[str, str]]:
        """What is counted: a field, and the query for the events whose values of it are."""
        yield "type", search
        for field in ENTITIES:
            counted = self.archive.group_by(field, search, *inspected, MOST_ENTITIES)
            terms = [term for name, _ in counted if (term := _term(field, name))]
            if terms:
                yield field, _both(search, " OR ".join(terms))

    def _name_events(self, found: Sequence[Anomaly], search: str) -> None:
        """Put the ids of some of the events behind them into these, in one reading."""
        wanted: dict[tuple[str, str], list[Anomaly]] = {}
        for one in found:
            if one.observed:
                wanted.setdefault((one.by, one.value), []).append(one)
        spans = [(one.since, one.until) for some in wanted.values() for one in some]
        since, until = min(spans, default=("", ""))[0], max((end for _, end in spans), default="")
        events = self.archive.search(search, parse_time(since), parse_time(until)) if spans else ()
        for event in events:
            details, stamp = event["details"], event["timestamp"]
            for by in ("type", *ENTITIES):
                value = str(event["type"] if by == "type" else details.get(by, ""))
                for one in wanted.get((by, value), ()):
                    if one.since <= stamp < one.until and len(one.events) < SHOWN:
                        one.events.append(str(event.get("id", "")))

    def load_data(self, days: float = 30) -> pandas.DataFrame:
        """The events as a DataFrame: one row an event, details as `details.<key>` columns.

        `timestamp` is a UTC datetime; lists stay lists. Raises E005 where pandas is missing.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MLIDSError("E005", "pandas is not installed", "pip install pandas") from error
        frame = pd.DataFrame(list(map(_flat, self.events(days))))
        if not len(frame):
            frame = pd.DataFrame(columns=["timestamp", "type", "severity", "source"])
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
        return frame

    def export_report(
        self,
        format: str = "json",
        output_file: str | os.PathLike[str] = "report.json",
        days: float = 30,
        search: str = "",
        report: ReportName | None = None,
    ) -> Path:
        """Write a report to a file and return its path.

        format: json, csv, txt, md, html or pdf; report: by default the summary, and as csv the
        events themselves. Raises `MLIDSError` E105 for an unknown format, E005 where PDF cannot be
        written here, E004 or E106 where the file cannot.
        """
        path = Path(output_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        if format == "csv" and report is None:
            content = b"".join(exports.render("csv", self.events(days, search)))
        else:
            found = self.report(report or "summary", self.period(days), search)
            content = renderings.render(format, *found)
        write_atomically(path, content)
        return path


def _report(data: msgspec.Struct, document: Document) -> Report:
    return Report(dict(msgspec.to_builtins(data, str_keys=True)), document)


def _term(field: str, value: str) -> str:
    """The query for a value; "" for one that cannot be asked for, such as no address in `ip`."""
    term = f"{field}:{quoted(value)}"
    try:
        parse(term)
    except QueryError:
        return ""
    return term if len(term) <= LONGEST else ""


def _both(search: str, query: str) -> str:
    return f"({search}) AND ({query})" if search.strip() else query


def _flat(event: Event) -> dict[str, Any]:
    """An event as one row: details as `details.<key>`."""
    row = {key: value for key, value in event.items() if key != "details"}
    row["timestamp"] = format_time(event.time_ns)  # somebody may have written it otherwise
    return row | {f"details.{key}": value for key, value in event["details"].items()}
