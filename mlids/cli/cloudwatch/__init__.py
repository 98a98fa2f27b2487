"""`cloudwatch`: a package with one sub-command a file, as `mlids.cli` is one of commands."""

from __future__ import annotations

import click

from mlids.cli import Commands


@click.group(
    cls=Commands,
    package=__name__,
    apart=("fetching", "options", "shown"),
    short_help="Download, follow, search and scan AWS CloudWatch Logs.",
)
def command() -> None:
    """Log groups of AWS CloudWatch: complete downloads, and the detectors on what is in them.

    Credentials are sought as the AWS command line does. Exit status: 0 fine, 1 incomplete or a
    failed check, 2 wrong use, 3 an error that somebody must mend, 75 try again later: no network,
    throttled, or another one at work.

    \b
    Examples:
      python index.py cloudwatch check-credentials
      python index.py cloudwatch list --days 7
      python index.py cloudwatch query "stats count(*) by bin(5m)" --days 1
    """
