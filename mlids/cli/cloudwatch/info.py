"""`cloudwatch info`: what AWS says of a log group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlids.cli.cloudwatch import options, shown

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access


@click.command(short_help="Show size, age and retention of a log group.")
@options.as_json
@options.log_group
@options.aws
def command(access: Access, log_group: str, as_json: bool) -> int:
    """Show a log group: when it was made, how large it is, and how long AWS keeps its events."""
    from mlids.cloudwatch.catalog import log_group_info

    found = log_group_info(access, log_group)
    if as_json:
        shown.document(found)
        return 0
    shown.facts(
        {
            "log group": found["logGroupName"],
            "region": access.region,
            "created (UTC)": found["creationTimeFormatted"],
            "stored bytes": found["storedBytes"],
            "kept for": shown.kept(found["retentionInDays"]),
            "metric filters": found["metricFilterCount"],
        }
    )
    return 0
