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
from mlids.cli.asked import FORMATS, REPORTS, Asked, check
from mlids.cli.progress import phases, rare_collections
from mlids.encoders import terminal_safe
from mlids.errors import MLIDSError
from mlids.events import format_time

if TYPE_CHECKING:
    from mlids.analyzer import Analyzer, Report

MORE = "More: --report summary (all counts), incidents, executive, compliance; --help"
DAYS = click.FloatRange(0, 36_500, min_open=True)


@click.command(short_help="Look back over stored events: search, reports, plots, anomalies.")
@click.option("--search", default="", metavar="QUERY", help="Only events that match, listed.")
@click.option(
    "--report", type=click.Choice(REPORTS), help="What to write; default: the summary in brief."
)
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

    Without options: one screen about the last 30 days: what to look at first, what was unusual.
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
    check(ctx, options)
    manager = settings.manager(ctx, options["path"], _folders(options))
    asked = Asked(_analyzer(manager.settings, options), options)
    status = _answered(asked, manager)
    for example in asked.analyzer.archive.left_out.examples:
        console.note(f"left out: {terminal_safe(example)}", fg="yellow")
    return status


def _answered(asked: Asked, manager: Any) -> int:
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


def _folders(options: dict[str, Any]) -> tuple[str, ...] | None:
    """The plugins whose settings matter; a search needs none, and is quicker for it."""
    judged = options["report"] in ("compliance", "executive") or options["backtest"]
    return None if judged else ()


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


def _listed(asked: Asked) -> int:
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


def _grouped(asked: Asked) -> int:
    from mlids.analyzer import Report
    from mlids.columns.keys import key
    from mlids.reports import grouped

    options = asked.options
    try:
        key(options["group_by"])
    except MLIDSError as error:
        raise click.UsageError(f"--group-by: {error.message}; {error.hint}") from error
    rows = asked.analyzer.archive.group_by(
        options["group_by"], options["search"], *asked.period, options["top"]
    )
    found = grouped.data(options["group_by"], rows, options["search"], *asked.period)
    report = Report(found, grouped.document(found, format_time(time.time_ns())))
    return _written(asked, report, f"mlids-by-{options['group_by']}")


def _reported(asked: Asked) -> int:
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
        anomalies=asked.is_about_now,
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


def _plots(asked: Asked, anomalies: Iterable[Any]) -> Any:
    from mlids.plots.charts import ALERTS, Plots

    archive, search = asked.analyzer.archive, asked.options["search"]
    tally = archive.tally(search, *asked.period)
    grave = f"severity>={ALERTS}"
    alerts = archive.tally(f"({search}) AND {grave}" if search.strip() else grave, *asked.period)
    return Plots(tally, *asked.period, format_time(time.time_ns()), list(anomalies), alerts)


def _draw(asked: Asked) -> None:
    folder = Path(asked.options["plot_path"] or ".")
    plots = _plots(asked, asked.analyzer.detect_anomalies(search=asked.options["search"]))
    paths = []
    for name, figure in plots.all():
        paths.append(str(files.written(folder / f"mlids-{name}.png", [figure.png])))
        if not asked.options["as_json"]:
            console.out(paths[-1])
    if asked.options["as_json"]:
        console.out_json({"plots": paths})


def _backtest(asked: Asked, manager: Any) -> int:
    from mlids.analyzer import Report
    from mlids.backtest import Progress, backtest, document

    progress, texts = Progress(), list(asked.options["backtest"])
    with rare_collections(), phases("backtest", lambda: progress.phase, progress):
        found = backtest(
            asked.analyzer.archive, manager, texts, *asked.period, time.time_ns(), progress
        )
    return _written(
        asked, Report(msgspec.to_builtins(found, str_keys=True), document(found)), "mlids-backtest"
    )


def _written(asked: Asked, report: Report, name: str) -> int:
    from mlids import renderings

    if asked.kind not in renderings.NAMES:
        raise MLIDSError("E105", f"{asked.kind} is a format for events", "see --help")
    shown = asked.kind == "txt" and not asked.target
    width = shutil.get_terminal_size().columns if shown and sys.stdout.isatty() else 0
    content = renderings.render(asked.kind, report.data, report.document, width)
    if shown and console.colours(sys.stdout):
        content = paint.painted(content.decode()).encode()
    return _put(asked, f"{name}.{asked.kind}", [content])


def _put(asked: Asked, name: str, content: Iterable[bytes]) -> int:
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
