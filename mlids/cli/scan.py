"""`scan`: the same detectors over recordings."""

from __future__ import annotations

import click

from mlids.cli import console, scanned


@click.command(short_help="Find attacks in captures and log files.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@scanned.options
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[str, ...],
    kind: str | None,
    target: str | None,
    store: bool,
    path: str,
    as_json: bool,
) -> int:
    """Read captures (pcap, pcapng) and logs, plain, gzip or zstd, whole folders, or - for stdin.

    What a file is, is recognised. Exit status 0: nothing of MEDIUM or more, 1: something was found.

    \b
    Examples:
      python index.py scan capture.pcap
      python index.py scan /var/log/auth.log* --format jsonl
      zcat old.log.gz | python index.py scan -
    """
    from mlids.scanning import Scan

    scan = Scan(scanned.chosen(ctx, path), paths, console.tell)
    return scanned.run(scan, kind, target, store, as_json)
