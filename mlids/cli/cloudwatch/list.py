"""`cloudwatch list`: the streams of a group, and from when to when they have events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mlids.cli import console
from mlids.cli.cloudwatch import options, shown
from mlids.encoders import terminal_safe

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access

_DATES = 2 * (19 + 2)  # columns that two moments take


@click.command(short_help="List the streams of a log group.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="At most so many.")
@options.period
@click.option(
    "--order-by",
    type=click.Choice(["LastEventTime", "LogStreamName"]),
    default="LastEventTime",
    show_default=True,
    help="What AWS sorts by.",
)
@click.option("--ascending/--descending", default=False, help="Default: descending.")
@options.as_json
@options.log_group
@options.aws
def command(
    access: Access,
    log_group: str,
    limit: int | None,
    start: int | None,
    end: int | None,
    order_by: str,
    ascending: bool,
    as_json: bool,
) -> int:
    """List the streams of a log group, those with events in a period if one is given.

    Times are UTC. AWS brings the time of a stream's last event up to date with a delay of up to an
    hour.

    \b
    Examples:
      python index.py cloudwatch list --limit 10
      python index.py cloudwatch list --start-date 2025-01-01 --json
      python index.py cloudwatch list --order-by LogStreamName --ascending
    """
    from mlids.cloudwatch.catalog import list_log_streams

    streams = list_log_streams(access, log_group, limit, start, end, order_by, not ascending)
    if as_json:
        shown.document(streams)
        return 0
    shown.tell(*_table(streams, shown.width()))
    many = f"{len(streams):,} stream{'' if len(streams) == 1 else 's'}"
    console.note(f"{many} in {terminal_safe(log_group)} ({access.region}); times in UTC", dim=True)
    return 0


def _table(
    streams: list[dict[str, Any]], room: int | None
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Names are there to be copied: where the terminal is narrow the first event goes instead."""
    longest = max((len(one["logStreamName"]) for one in streams), default=0)
    keys = ["firstEventTimeFormatted", "lastEventTimeFormatted", "logStreamName"]
    head = ["FIRST EVENT (UTC)", "LAST EVENT (UTC)", "STREAM"]
    begin = 1 if room is not None and longest + _DATES > room else 0
    return tuple(head[begin:]), [tuple(one[key] for key in keys[begin:]) for one in streams]
