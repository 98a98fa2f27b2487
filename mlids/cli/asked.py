"""What `analyze` was asked: what goes together, over which period, in which form."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlids import exports
from mlids.cli import times

if TYPE_CHECKING:
    from mlids.analyzer import Analyzer, Period

REPORTS = ("summary", "compliance", "incidents", "executive")
DOCUMENTS = ("txt", "json", "csv", "html", "pdf", "md")
FORMATS = (*DOCUMENTS, *(name for name in exports.NAMES if name not in DOCUMENTS), "navigator")


def check(ctx: click.Context, options: dict[str, Any]) -> None:
    """What does not go together is wrong use."""
    wrong = _form(options) or _period(options)
    if wrong:
        raise click.UsageError(wrong, ctx)


def _form(options: dict[str, Any]) -> str:
    """What is wrong with reports and formats, "" for nothing."""
    kind, report = options["kind"], options["report"]
    about = f"--report {report}" if report else "--group-by" if options["group_by"] else ""
    if about and kind not in (None, *DOCUMENTS, "navigator"):
        return f"--format {kind} is for events, not for {about}"
    if kind == "navigator" and (report not in (None, "incidents") or options["group_by"]):
        return "--format navigator goes with --report incidents"
    others = any(options[name] for name in ("plot", "as_json", "output_dir"))
    if options["follow"] and (kind not in (None, "txt", "jsonl") or about or others):
        return "--follow goes with --search and --format txt or jsonl"
    if options["framework"] and report not in ("compliance", "executive"):
        return "--framework goes with --report compliance"
    if options["search"] and (report not in (None, "summary") or options["backtest"]):
        whole = f"--report {report}" if report else "--backtest"
        return f"--search does not go with {whole}, which needs all events"
    return ""


def _period(options: dict[str, Any]) -> str:
    """What is wrong with the period, "" for nothing."""
    since, until = options["since"], options["until"]
    if since is not None and since >= (until or time.time_ns()):
        return "--until is before --since" if until else "--since is in the future"
    return ""


class Asked:
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
        usual = "html" if options["opened"] else "txt"  # what browsers show
        self.kind: str = "json" if options["as_json"] else options["kind"] or usual
        self.report: Any = options["report"] or "summary"

    @property
    def lists_events(self) -> bool:
        """A search without a report lists what it finds, and so do the formats for events."""
        if self.options["report"] or self.kind in ("html", "pdf", "md", "navigator"):
            return False
        return bool(self.options["search"]) or (self.kind in exports.NAMES and self.kind != "json")

    @property
    def is_about_now(self) -> bool:
        """A summary of all events up to now tells what was unusual in the last 24 hours, too."""
        chosen = self.options["search"] or self.options["until"]
        return self.report == "summary" and not chosen

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
