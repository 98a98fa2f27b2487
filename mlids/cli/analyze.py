"""`analyze`: look back over stored events."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from mlids import exports
from mlids.cli import console, settings


@click.command(short_help="Look back over stored events.")
@click.option("--search", default="", metavar="TEXT", help="Only events with this text in a value.")
@click.option(
    "--days",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Period.",
)
@click.option("--format", "kind", type=click.Choice(exports.FORMATS), help="Default: txt.")
@click.option("--output-dir", metavar="DIR", help="Write a report file there.")
@click.option("--config", "path", default="config.yaml", show_default=True, help="Settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:
    """Summarise the stored events by type, severity, source, hour and top addresses.

    Without --search, also what came unusually often or seldom in the last 24 hours. As csv, the
    events themselves are written, one row each.

    \b
    Examples:
      python index.py analyze --days 7
      python index.py analyze --search "Failed Login"
      python index.py analyze --format csv --output-dir reports
    """
    analyzer = _analyzer(settings.manager(ctx, options["path"]).settings)
    kind = "json" if options["as_json"] else options["kind"] or "txt"
    if options["output_dir"]:
        return _write(analyzer, kind, options)
    if kind == "csv":
        stream = sys.stdout.buffer
        for row in exports.rows(analyzer.events(options["days"], options["search"])):
            stream.write(row)
        return 0
    summary = _summary(analyzer, options)
    if kind == "json":
        console.out_json(summary)
        return 0
    for line in exports.text(summary):
        console.out(line)
    if not summary["total"]:
        console.note(
            f"no events of the last {options['days']:g} days below {analyzer.store.folder}"
        )
    return 0


def _analyzer(chosen: Any) -> Any:
    from mlids.analyzer import Analyzer

    return Analyzer(
        chosen.logging.logs_dir,
        method=chosen.analysis.statistical_method,
        threshold=chosen.thresholds.anomaly_threshold,
        window_size=chosen.analysis.window_size,
        alert_threshold=chosen.analysis.alert_threshold,
    )


def _summary(analyzer: Any, options: dict[str, Any]) -> dict[str, Any]:
    summary: dict[str, Any] = analyzer.generate_summary(options["days"], options["search"])
    if not options["search"]:
        summary["anomalies"] = analyzer.detect_anomalies()
    return summary


def _write(analyzer: Any, kind: str, options: dict[str, Any]) -> int:
    target = Path(options["output_dir"]) / f"mlids-report.{kind}"
    summary = {} if kind == "csv" else _summary(analyzer, options)
    events = analyzer.events(options["days"], options["search"])
    path = exports.write(kind, target, summary, events)
    if options["as_json"]:
        console.out_json({"report": str(path)})
    else:
        console.out(str(path))
    return 0
