"""`analyze`: look back over stored events."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from mlids import exports
from mlids.cli import console, files, listing, paint, settings, times
from mlids.encoders import terminal_safe
from mlids.errors import MLIDSError
from mlids.events import format_time

if TYPE_CHECKING:
    from mlids.analyzer import Analyzer, Period, Report

REPORTS = ("summary", "compliance", "incidents", "executive")
DOCUMENTS = ("txt", "json", "csv", "html", "pdf", "md")
FORMATS = (*DOCUMENTS, *(name for name in exports.NAMES if name not in DOCUMENTS), "navigator")
MORE = "More: --report summary (all counts), incidents, executive, compliance; --help"
DAYS = click.FloatRange(0, 36_500, min_open=True)


@click.command(short_help="Look back over stored events: search, reports, plots, anomalies.")
@click.option("--search", default="", metavar="QUERY", help="Only events that match, listed.")
@click.option("--report", type=click.Choice(REPORTS), help="What to write; default: summary.")
@click.option("--plot", is_flag=True, help="Draw plots.")
@click.option("--plot-path", metavar="PATH", help="Folder for plots; default: this one.")
@click.option("--output-dir", metavar="DIR", help="Write a file there instead of printing.")
@click.option("--days", default=30.0, show_default=True, type=DAYS, help="Days back from now.")
@click.option("--since", type=times.Moment(), help="Begin: 2025-01-13, 2025-01-13T10:00, 36h.")
@click.option("--until", type=times.Moment(end=True), help="End, as --since; a day as a whole.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="Default: txt.")
@click.option("--group-by", metavar="FIELD", help="Count by a field: type, ip, user, day, hour …")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Of a ranking.")
@click.option("--limit", type=click.IntRange(1), help="Of a list; as text the last 100.")
@click.option("--follow", is_flag=True, help="Go on with events as they come, until Ctrl-C.")
@click.option("--open", "opened", is_flag=True, help="Open the written report in a browser.")
@click.option("--framework", multiple=True, help="Of compliance: a name, or a YAML file.")
@click.option("--backtest", multiple=True, metavar="KEY=VALUE", help="Try other settings.")
@click.option("--config", "path", default="config.yaml", show_default=True, help="Settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:
    """Summarise the stored events; or list, count, report and draw them.

    Without options: counts of the last 30 days, and what was unusual in the last 24 hours.
    The language of --search is described in docs/reference/query.md.

    \b
    Examples:
      python index.py analyze --days 7
      python index.py analyze --search 'type:"Failed Login" AND ip:10.0.0.0/8'
      python index.py analyze --search 'severity>=HIGH' --group-by ip --top 20
      python index.py analyze --report compliance --format html --output-dir reports --open
      python index.py analyze --plot --plot-path plots
      python index.py analyze --follow --search 'severity>=HIGH'
      python index.py analyze --backtest thresholds.brute_force_threshold=8
    """
    _check(ctx, options)
    manager = settings.manager(ctx, options["path"], _folders(options))
    asked = _Asked(_analyzer(manager.settings, options), options)
    status = _answered(asked, manager)
    for example in asked.analyzer.archive.left_out.examples:
        console.note(f"left out: {terminal_safe(example)}", fg="yellow")
    return status


def _answered(asked: _Asked, manager: Any) -> int:
    options = asked.options
    if options["backtest"]:
        return _backtest(asked, manager)
    if options["follow"]:
        return listing.follow(asked.analyzer.archive.folder, options["search"], asked.kind)
    if options["group_by"]:
        return _grouped(asked)
    if options["plot"]:
        _draw(asked)
        if not (options["report"] or options["output_dir"]):
            return 0
    if asked.lists_events:
        return _listed(asked)
    return _reported(asked)


def _check(ctx: click.Context, options: dict[str, Any]) -> None:
    """What does not go together is wrong use."""
    kind, report = options["kind"], options["report"]
    if report and kind and kind not in (*DOCUMENTS, "navigator"):
        raise click.UsageError(f"--format {kind} is for events, not for --report {report}", ctx)
    if kind == "navigator" and report not in (None, "incidents"):
        raise click.UsageError("--format navigator goes with --report incidents", ctx)
    if options["follow"] and (kind not in (None, "txt", "jsonl") or report or options["group_by"]):
        raise click.UsageError("--follow goes with --search and --format txt or jsonl", ctx)
    if options["framework"] and report not in ("compliance", "executive"):
        raise click.UsageError("--framework goes with --report compliance", ctx)
    since, until = options["since"], options["until"]
    if since is not None and until is not None and until <= since:
        raise click.UsageError("--until is before --since", ctx)


def _folders(options: dict[str, Any]) -> tuple[str, ...] | None:
    """The plugins whose settings matter; a search needs none, and is quicker for it."""
    judged = options["report"] in ("compliance", "executive") or options["backtest"]
    return None if judged else ()


class _Asked:
    """What was asked, put together from the options."""

    def __init__(self, analyzer: Analyzer, options: dict[str, Any]) -> None:
        from mlids.analyzer import Period

        self.analyzer = analyzer
        self.options = options
        now = time.time_ns()
        self.until_ns: int = options["until"] or now + 1
        back = int(options["days"] * times.UNITS["d"] * times.NS)
        self.since_ns: int = options["since"] or self.until_ns - back
        self.period: Period = Period(self.since_ns, self.until_ns)
        self.kind: str = "json" if options["as_json"] else options["kind"] or "txt"
        self.report: Any = options["report"] or "summary"

    @property
    def lists_events(self) -> bool:
        """A search without a report lists what it finds, and so do the formats for events."""
        if self.options["report"] or self.kind in ("html", "pdf", "md", "navigator"):
            return False
        return bool(self.options["search"]) or (self.kind in exports.NAMES and self.kind != "json")

    @property
    def is_brief(self) -> bool:
        """Who asks for nothing in particular gets one screen."""
        return not self.options["report"] and self.kind == "txt" and not self.target

    @property
    def target(self) -> Path | None:
        """The folder to write to, None for standard output."""
        folder = self.options["output_dir"] or ("." if self.options["opened"] else None)
        if folder is None and self.kind == "pdf" and sys.stdout.isatty():
            folder = "."  # nobody reads PDF on a terminal
        return Path(folder) if folder else None


def _analyzer(chosen: Any, options: dict[str, Any]) -> Analyzer:
    from mlids import assembly
    from mlids.analyzer import Analyzer

    judged = options["report"] in ("compliance", "executive")
    given: dict[str, Any] = {"circumstances": assembly.circumstances(chosen)} if judged else {}
    return Analyzer(
        chosen.logging.logs_dir,
        method=chosen.analysis.statistical_method,
        threshold=chosen.thresholds.anomaly_threshold,
        window_size=chosen.analysis.window_size,
        alert_threshold=chosen.analysis.alert_threshold,
        seals=chosen.logging.seals_dir or None,
        progress=listing.progress(),
        **given,
    )


def _listed(asked: _Asked) -> int:
    archive, options = asked.analyzer.archive, asked.options
    limit = options["limit"] or (listing.LISTED if asked.kind == "txt" else None)
    found = archive.search(
        options["search"], *asked.period, limit=limit, newest=asked.kind == "txt"
    )
    if asked.kind == "txt":
        count: Callable[[], int] = lambda: archive.count(options["search"], *asked.period)  # noqa: E731
        content: Iterable[bytes] = listing.table(list(found)[::-1], count, limit or 0)
    elif asked.kind == "json":
        content = listing.document(found, options["search"], asked.period)
    else:
        content = exports.render(asked.kind, found)
    return _put(asked, f"mlids-events.{exports.ENDINGS.get(asked.kind, asked.kind)}", content)


def _grouped(asked: _Asked) -> int:
    from mlids.analyzer import Report
    from mlids.reports import grouped

    options = asked.options
    rows = asked.analyzer.archive.group_by(
        options["group_by"], options["search"], *asked.period, options["top"]
    )
    found = grouped.data(options["group_by"], rows, options["search"], *asked.period)
    report = Report(found, grouped.document(found, format_time(time.time_ns())))
    return _written(asked, report, f"mlids-by-{options['group_by']}")


def _reported(asked: _Asked) -> int:
    options, analyzer = asked.options, asked.analyzer
    if asked.kind == "navigator":
        from mlids.reports.layer import layer

        only = options["report"] == "incidents"
        found = layer(analyzer.archive, *asked.period, time.time_ns(), only_incidents=only)
        return _put(asked, "mlids-navigator.json", [console.json_text(found).encode()])
    from mlids.reports.summary import brief

    report = analyzer.report(
        asked.report,
        asked.period,
        options["search"],
        top=options["top"],
        frameworks=options["framework"],
        anomalies=asked.report == "summary" and not options["search"],
    )
    if asked.kind in ("html", "pdf") and asked.report == "summary":
        found = _plots(asked, report.data.get("anomalies", ())).all()
        report = report.illustrated([figure for _, figure in found])
    if asked.is_brief:
        report = report._replace(document=brief(report.document))
    _written(asked, report, f"mlids-{asked.report}")
    if asked.is_brief:
        console.note(MORE, dim=True)
    if not report.data.get("total", 1):
        console.note(f"no events in this period below {analyzer.archive.folder}")
    return 1 if asked.report == "compliance" and report.failed else 0


def _plots(asked: _Asked, anomalies: Iterable[Any]) -> Any:
    from mlids.plots.charts import Plots

    tally = asked.analyzer.archive.tally(asked.options["search"], *asked.period)
    return Plots(tally, *asked.period, format_time(time.time_ns()), list(anomalies))


def _draw(asked: _Asked) -> None:
    folder = Path(asked.options["plot_path"] or ".")
    plots = _plots(asked, asked.analyzer.detect_anomalies(search=asked.options["search"]))
    for name, figure in plots.all():
        console.out(str(files.written(folder / f"mlids-{name}.png", [figure.png])))


def _backtest(asked: _Asked, manager: Any) -> int:
    from mlids.analyzer import Report
    from mlids.backtest import backtest, document

    found = backtest(
        asked.analyzer.archive,
        manager,
        list(asked.options["backtest"]),
        *asked.period,
        time.time_ns(),
    )
    return _written(
        asked, Report(msgspec.to_builtins(found, str_keys=True), document(found)), "mlids-backtest"
    )


def _written(asked: _Asked, report: Report, name: str) -> int:
    from mlids import renderings

    if asked.kind not in renderings.NAMES:
        raise MLIDSError("E105", f"{asked.kind} is a format for events", "see --help")
    shown = asked.kind == "txt" and not asked.target
    width = shutil.get_terminal_size().columns if shown and sys.stdout.isatty() else 0
    content = renderings.render(asked.kind, report.data, report.document, width)
    if shown and console.colours(sys.stdout):
        content = paint.painted(content.decode()).encode()
    return _put(asked, f"{name}.{asked.kind}", [content])


def _put(asked: _Asked, name: str, content: Iterable[bytes]) -> int:
    """Print, or write a file and print its path."""
    if asked.target is None:
        for piece in content:
            sys.stdout.buffer.write(piece)
        return 0
    path = files.written(asked.target / name, content)
    if asked.options["as_json"]:
        console.out_json({"report": str(path)})
    else:
        console.out(str(path))
    if asked.options["opened"]:
        files.show(path)
    return 0
