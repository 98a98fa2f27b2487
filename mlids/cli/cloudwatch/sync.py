"""`cloudwatch sync`: a folder that holds all of a group, brought up to date by cron."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from mlids.cli import console, times
from mlids.cli.cloudwatch import fetching, options, shown
from mlids.encoders import terminal_safe

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access
    from mlids.cloudwatch.outcomes import Failure, Outcome


class Span(click.ParamType[int]):
    """``90s``, ``15m``, ``2h``, ``7d``; gives seconds."""

    name = "span"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The seconds that are meant."""
        found = value if isinstance(value, int) else times.seconds(value)
        if found is None:
            self.fail(f"{value!r}: 15m, 2h or 7d is meant", param, ctx)
        return found


@click.command(short_help="Keep a folder up to date with a group, for cron.")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option("--output", metavar="DIR", help="Default: logs/cloudwatch/ and the group's name.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="Of the files: lines of text, or JSON lines with all that AWS says.",
)
@click.option(
    "--start-date",
    "first",
    type=options.Moment(),
    help="Where a stream begins that was never read, such as 7d. Default: its first event.",
)
@click.option(
    "--overlap",
    "late",
    metavar="SPAN",
    type=Span(),
    default="15m",
    show_default=True,
    help="So much before the last run is read again, for events that come late.",
)
@fetching.parallel
@options.as_json
@options.log_group
@options.aws
def command(
    access: Access,
    log_group: str,
    patterns: tuple[str, ...],
    output: str | None,
    form: str,
    first: int | None,
    late: int,
    parallel: int,
    as_json: bool,
) -> int:
    """Fetch what is new in the streams of a group since the last run: all, or those named so.

    Each stream has a folder, each day (UTC) a file in it, with a manifest beside it. Nothing is
    printed where nobody looks, but for what went wrong. Exit status 0: all is there, 1: something
    cannot be had, 3: somebody must see to it, 75: the next run will do.

    \b
    Examples:
      python index.py cloudwatch sync --log-group /ecs/app --start-date 30d
      python index.py cloudwatch sync 'web/*' --log-group /ecs/app --output web
    """
    from mlids.cloudwatch.extractor import CloudWatchLogsExtractor
    from mlids.cloudwatch.names import file_name
    from mlids.cloudwatch.syncing import Sync

    folder = Path(output) if output else Path("logs/cloudwatch") / file_name(log_group)
    extractor = CloudWatchLogsExtractor(
        log_group_name=log_group, access=access, parallel=parallel, late_s=late
    )
    with fetching.watched(extractor):
        outcome = Sync(extractor, folder, patterns, first, form).run()
    _tell(outcome)
    if as_json:
        shown.document(msgspec.to_builtins(outcome))
    return outcome.exit_status


def _tell(outcome: Outcome) -> None:
    for gap in outcome.gaps:
        fetching.missing(gap.log_stream_name, gap.start, gap.end, gap.reason)
    for (code, message), failures in _alike(outcome.failures).items():
        names = [failure.log_stream_name for failure in failures]
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        console.note(terminal_safe(f"{code} {names[0]}{more}: {message}"), fg="red")
    count = len(outcome.files)
    fetching.note(
        f"{outcome.new_events:,} new events in {count:,} file{'' if count == 1 else 's'} below"
        f" {terminal_safe(outcome.folder)}; {outcome.asked:,} of {outcome.streams:,} streams asked"
    )


def _alike(failures: Sequence[Failure]) -> dict[tuple[str, str], list[Failure]]:
    """What failed for the same reason: a denial is not told a thousand times."""
    found: dict[tuple[str, str], list[Failure]] = {}
    for failure in failures:
        found.setdefault((failure.code, failure.message), []).append(failure)
    return found
