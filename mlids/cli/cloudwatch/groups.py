"""`cloudwatch groups`: the log groups of a region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlids.cli import console
from mlids.cli.cloudwatch import options, shown

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access


@click.command(short_help="List the log groups of a region.")
@click.option("--prefix", metavar="TEXT", default="", help="Only those whose names begin so.")
@options.as_json
@options.aws
def command(access: Access, prefix: str, as_json: bool) -> int:
    """List log groups with their size and how long AWS keeps their events."""
    from mlids.cloudwatch.catalog import log_groups

    groups = log_groups(access, prefix)
    if as_json:
        shown.document(groups)
        return 0
    rows = [
        (
            one["creationTimeFormatted"],
            one["storedBytes"],
            shown.kept(one["retentionInDays"]),
            one["logGroupName"],
        )
        for one in groups
    ]
    shown.tell(("CREATED (UTC)", "BYTES", "KEPT FOR", "LOG GROUP"), rows)
    many = f"{len(groups):,} log group{'' if len(groups) == 1 else 's'}"
    console.note(f"{many} in {access.region}", dim=True)
    return 0
