"""`status`: is MLIDS running here, and how does it fare."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from mlids import status
from mlids.cli import console, live, settings


@click.command(short_help="Tell whether MLIDS runs, and how its inputs and sinks fare.")
@click.option(
    "--config", "path", default="config.yaml", show_default=True, help="The configuration file."
)
@click.option(
    "--wait", metavar="SECONDS", type=float, help="Wait until it is ready, at most so long."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, path: str, wait: float | None, as_json: bool) -> int:
    """Show the MLIDS that runs on this folder's logs: inputs, rates, drops, queues, last events.

    Exit status 0 where it runs, 1 where it does not. Scripts wait for it with --wait 30.
    """
    folder = Path(settings.manager(ctx, path).get("logging.logs_dir"))
    found = status.read(folder) if wait is None else status.wait_ready(folder, wait)
    if as_json:
        running = {"running": found is not None}
        console.out_json(running | (msgspec.to_builtins(found) if found else {}))
    elif found:
        for line in live.overview(found):
            console.out(line)
    else:
        console.out(f"MLIDS is not running on {folder}")
    return 0 if found else 1
