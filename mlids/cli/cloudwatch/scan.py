"""`cloudwatch scan`: the log detectors over a period of a log group."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import click

from mlids.cli import scanned
from mlids.cli.cloudwatch import options, shown

if TYPE_CHECKING:
    from mlids.batches import Monitor
    from mlids.cloudwatch.access import Access

DAY_MS = 86_400_000


@click.command(short_help="Find attacks in the events of a log group.")
@click.argument("streams", metavar="[STREAM-PATTERN...]", nargs=-1)
@options.period
@scanned.options
@options.log_group
@options.aws
@click.pass_context
def command(
    ctx: click.Context,
    /,
    access: Access,
    log_group: str,
    streams: tuple[str, ...],
    start: int | None,
    end: int | None,
    path: str,
    **given: Any,
) -> int:
    """Let the log detectors look at a log group, at the last 24 hours by default.

    STREAM-PATTERN is the name of a stream or a pattern such as "web/*"; without one all streams are
    read. Formats are recognised stream by stream. Exit status 0: nothing of MEDIUM or more, 1:
    something was found, or not all could be read.

    \b
    Examples:
      python index.py cloudwatch scan --log-group /ecs/app
      python index.py cloudwatch scan "web/*" --start-date 7d --end-date 1d
      python index.py cloudwatch scan --days 7 --format jsonl --output found
    """
    from mlids import assembly
    from mlids.scanning import Scan

    last = time.time_ns() // 1_000_000 if end is None else end
    settings = scanned.chosen(ctx, path)
    monitor = assembly.build(
        settings,
        "monitors",
        "cloudwatch",
        log_groups=[log_group],
        streams=list(streams),
        filter_pattern="",
        access=access,
        known_formats=assembly.formats(settings),
        follow=False,
        start_ms=max(0, last - DAY_MS) if start is None else start,
        end_ms=last + 1,
    )
    told = shown.Told()
    scan = Scan(settings, (), told, monitors=[cast("Monitor", monitor)])
    status = scanned.run(scan, **given)
    return told.exit_status or status
