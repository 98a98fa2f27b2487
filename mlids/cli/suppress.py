"""`suppress`: which events are not stored, why, and until when."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from mlids.cli import console, settings
from mlids.encoders import terminal_safe
from mlids.errors import MLIDSError

HEAD = f"{'ID':<8}  {'UNTIL (UTC)':<16}  {'HITS':>7}  WHAT (BY: WHY)"
FOLDERS = ("monitors", "formats", "detectors")
_config = click.option(
    "--config", "path", default="config.yaml", show_default=True, help="Settings."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(short_help="Keep known false alarms out of the store, for a time.")
def command() -> None:
    """Suppressions: what is not stored, by whose decision, why, and until when.

    What is suppressed is counted, and told once an hour by an event `Events Suppressed`. A running
    MLIDS takes up every change within two seconds.

    \b
    Examples:
      python index.py suppress add --rule "login/*" --ip 192.0.2.0/28 --for 7d --reason "pentest"
      python index.py suppress list
      python index.py suppress remove 1f0c7a2e
    """


def ending(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how long a suppression holds."""
    options = (
        click.option("--for", "duration", metavar="7d", help="30m, 12h, 7d, 4w (default: 30d)."),
        click.option("--until", metavar="DATE", help="2025-02-13, in UTC."),
        click.option("--reason", required=True, metavar="TEXT", help="Why it is a false alarm."),
        click.option("--critical", is_flag=True, help="CRITICAL events and incidents too."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command("add", short_help="Suppress events from now on.")
@click.option("--type", "type", default="", metavar="T", help="Type; * and ? are wildcards.")
@click.option("--rule", default="", metavar="R", help="Rule that makes them; wildcards too.")
@click.option("--ip", default="", metavar="A", help="Address or network that is blamed.")
@click.option("--user", default="", metavar="U", help="User; wildcards too.")
@click.option("--path", "file", default="", metavar="GLOB", help="Path of the file or request.")
@click.option("--entity", default="", metavar="E", help="Whom it is about, exactly.")
@ending
@_config
@_json
@click.pass_context
def add(ctx: click.Context, /, **options: Any) -> int:
    """Suppress events that meet all of the conditions given; one at least is needed."""
    from mlids.identity import random_id
    from mlids.moments import format_time
    from mlids.suppression.book import Book
    from mlids.suppression.entries import Suppression
    from mlids.suppression.people import login_name

    now, path, as_json = time.time_ns(), options.pop("path"), options.pop("as_json")
    until = moment(now, options.pop("duration"), options.pop("until"))
    try:
        entry = Suppression(
            id=random_id()[:8],
            created=format_time(now),
            until=until,
            by=login_name(),
            path=options.pop("file"),
            reason=options.pop("reason").strip() or _wrong("--reason: say why"),
            **options,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    chosen = told(ctx, path)
    Book(place(chosen)).add(entry)
    record(chosen)
    if as_json:
        console.out_json(entry)
    else:
        said(entry)
    return 0


def moment(now_ns: int, duration: str | None, given: str | None) -> str:
    """When a suppression ends, from the options of `ending`."""
    from mlids.suppression.entries import until

    if duration and given:
        raise click.UsageError("--for and --until say the same thing: give one of them")
    try:
        return until(now_ns, duration or ("" if given else "30d"), given or "")
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _wrong(text: str) -> str:
    raise click.UsageError(text)


def told(ctx: click.Context, path: str) -> Any:
    """The settings, without those of plugins."""
    return settings.manager(ctx, path, folders=()).settings


def place(chosen: Any) -> Path:
    """The folder of the event store."""
    return Path(chosen.logging.logs_dir)


def record(chosen: Any) -> None:
    """See to it that a change of the book is recorded: a running MLIDS does so by itself."""
    from mlids import assembly
    from mlids.logger import EventLogger

    logger = EventLogger(**assembly.storing(chosen))
    try:
        logger.open()
    except MLIDSError as error:
        if error.code != "E006":
            raise
        return
    logger.close()


@command.command("list", short_help="List the suppressions.")
@click.option("--all", "all_", is_flag=True, help="Those removed or expired of late, too.")
@_config
@_json
@click.pass_context
def list_(ctx: click.Context, path: str, all_: bool, as_json: bool) -> int:
    """List the suppressions in force, with how often each was used."""
    from mlids.moments import format_time
    from mlids.suppression.book import Book
    from mlids.suppression.stage import Hits, hits

    folder, now = place(told(ctx, path)), time.time_ns()
    used = hits(folder)
    rows = []
    for entry in Book(folder).read():
        state, found = entry.state(now), used.get(entry.id, Hits())
        if all_ or state == "active":
            last = format_time(found.last_ns) if found.count else ""
            more = {"state": state, "hits": found.count, "last_hit": last}
            rows.append(msgspec.to_builtins(entry) | more)
            if not as_json:
                if len(rows) == 1:
                    console.out(HEAD, bold=True)
                console.out(_shown(entry, state, found.count))
    if as_json:
        console.out_json(rows)
    elif not rows:
        console.note("no suppressions are in force")
    return 0


def _shown(entry: Any, state: str, count: int) -> str:
    word = _moment(entry) if state == "active" else state
    text = f"{entry.text}  ({entry.by}: {entry.reason})"
    return f"{entry.id:<8}  {word:<16}  {count:>7,}  {terminal_safe(text)}"


def _moment(entry: Any) -> str:
    """When it ends, for people."""
    return str(entry.until[:16]).replace("T", " ")


def said(entry: Any) -> None:
    """Tell what is suppressed from now on, and how that is undone."""
    console.out(f"suppression {entry.id} until {_moment(entry)}: {terminal_safe(entry.text)}")
    console.note(f"to undo it: python index.py suppress remove {entry.id}", dim=True)


@command.command("remove", short_help="Store such events again.")
@click.argument("id")
@_config
@click.pass_context
def remove(ctx: click.Context, id: str, path: str) -> int:
    """Strike out the suppression ID (or the beginning of an id that is unique)."""
    from mlids.suppression.book import Book
    from mlids.suppression.people import login_name

    chosen = told(ctx, path)
    try:
        entry = Book(place(chosen)).remove(id, login_name(), time.time_ns())
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from error
    record(chosen)
    console.out(f"suppression {entry.id} removed: {terminal_safe(entry.text)}")
    return 0


@command.command("test", short_help="Try whether marked false alarms stay quiet, and no others.")
@_config
@_json
@click.pass_context
def test(ctx: click.Context, path: str, as_json: bool) -> int:
    """Run the cases that mark-false-positive left. Exit status 1 where one fails."""
    from mlids import false_positives
    from mlids.suppression.book import Book

    chosen = settings.manager(ctx, path, folders=FOLDERS).settings
    folder, now = place(chosen), time.time_ns()
    book = Book(folder).read()
    found = [
        false_positives.run(chosen, case, book, now) for _, case in false_positives.cases(folder)
    ]
    if as_json:
        console.out_json(found)
    else:
        for verdict in found:
            console.out(terminal_safe(f"{verdict.id}  {verdict.state}"))
            for line in (*verdict.problems, *verdict.notes):
                console.out(terminal_safe(f"    {line}"))
        if not found:
            console.note("no false alarms were marked")
    return 1 if any(verdict.state == "failed" for verdict in found) else 0
