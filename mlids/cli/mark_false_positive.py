"""`mark-false-positive`: suppress what a stored event is, and keep it as a test case."""

from __future__ import annotations

import time

import click

from mlids.cli import console
from mlids.cli.suppress import ending, moment, place, record, said, told
from mlids.encoders import terminal_safe


@click.command(short_help="Suppress what a stored event is, and keep it as a test case.")
@click.argument("event_id")
@ending
@click.option(
    "--scope",
    type=click.Choice(["entity", "rule"]),
    default="entity",
    show_default=True,
    help="Whether only this entity's events of the rule are meant, or anybody's.",
)
@click.option("--config", "path", default="config.yaml", show_default=True, help="Settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    ctx: click.Context,
    event_id: str,
    duration: str | None,
    until: str | None,
    reason: str,
    critical: bool,
    scope: str,
    path: str,
    as_json: bool,
) -> int:
    """Mark the stored event EVENT_ID (or the first 8 characters of its id) as a false alarm.

    Its rule is suppressed for its entity, and no more; a test case is kept beside the event store,
    which `suppress test` runs.

    \b
    Examples:
      python index.py mark-false-positive 0f8e2d11 --for 30d --reason "backup job of host b"
    """
    from mlids import false_positives
    from mlids.archive import Archive
    from mlids.suppression.book import Book
    from mlids.suppression.people import login_name

    now, chosen = time.time_ns(), told(ctx, path)
    folder = place(chosen)
    end = moment(now, duration, until)
    if not reason.strip():
        raise click.UsageError("--reason: say why")
    try:
        event = false_positives.find(Archive(folder), event_id.lower())
        entry = false_positives.suppression(
            event, login_name(), reason.strip(), now, end, scope, critical
        )
    except (KeyError, ValueError) as error:
        raise click.UsageError(str(error.args[0])) from error
    Book(folder).add(entry)
    case = false_positives.write(folder, event, entry)
    record(chosen)
    if as_json:
        console.out_json({"suppression": entry, "case": str(case)})
    else:
        said(entry)
        console.out(f"test case {terminal_safe(case)}")
    return 0
