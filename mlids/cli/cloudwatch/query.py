"""`cloudwatch query`: a Logs Insights query, and its rows."""

from __future__ import annotations

import csv
import sys
import time
from typing import TYPE_CHECKING

import click

from mlids.cli import console
from mlids.cli.cloudwatch import options, shown
from mlids.encoders import csv_safe

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access

_HOUR_MS = 3_600_000

Rows = list[dict[str, str]]


@click.command(short_help="Run a Logs Insights query.")
@click.argument("text", metavar="QUERY")
@options.period
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help="Rows, at most.",
)
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV; no cell is taken for a formula.")
@click.option(
    "--log-group",
    metavar="NAME",
    envvar="MLIDS_LOG_GROUP",
    multiple=True,
    default=[options.GROUP],
    show_default=True,
    show_envvar=True,
    help="A log group, or its ARN; may be repeated.",
)
@options.aws
def command(
    access: Access,
    text: str,
    log_group: tuple[str, ...],
    start: int | None,
    end: int | None,
    limit: int,
    as_json: bool,
    as_csv: bool,
) -> int:
    """Ask log groups in the query language of Logs Insights, about the last hour by default.

    AWS bills what a query scans; one that is interrupted with Ctrl-C is stopped.

    \b
    Examples:
      python index.py cloudwatch query "stats count(*) by bin(5m)" --days 1
      python index.py cloudwatch query "filter @message like /denied/" --csv
    """
    from mlids.cloudwatch.insights import Query

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    last = time.time_ns() // 1_000_000 if end is None else end
    first = max(0, last - _HOUR_MS) if start is None else start
    query = Query(access, log_group, text, first, last + 1, limit)
    rows = query.rows()
    if as_json:
        shown.document({"status": query.status, "statistics": query.statistics, "rows": rows})
    elif as_csv:
        _csv(rows)
    else:
        fields = _fields(rows)
        shown.tell(fields, [[row.get(name, "") for name in fields] for row in rows])
    if not as_json:
        _summarise(rows, query.statistics)
    return 0


def _fields(rows: Rows) -> list[str]:
    """All fields, in the order in which rows name them: not every row has each."""
    return list({name: None for row in rows for name in row})


def _csv(rows: Rows) -> None:
    fields = _fields(rows)
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow(map(csv_safe, fields))
    writer.writerows([csv_safe(row.get(name, "")) for name in fields] for row in rows)


def _summarise(rows: Rows, statistics: dict[str, float]) -> None:
    matched, scanned = statistics.get("recordsMatched", 0), statistics.get("bytesScanned", 0)
    console.note(
        f"{len(rows):,} row{'' if len(rows) == 1 else 's'}; {matched:,.0f} events matched, "
        f"{scanned:,.0f} bytes scanned; times in UTC",
        dim=True,
    )
