"""`cloudwatch tail`: the events of a group as they come, of all its streams."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from mlids.cli import console
from mlids.cli.cloudwatch import options, shown
from mlids.encoders import json_safe, terminal_safe

if TYPE_CHECKING:
    from mlids.cloudwatch.access import Access
    from mlids.cloudwatch.answers import LogEvent
    from mlids.cloudwatch.follower import Follower

TAB = 4  # columns


@click.command(short_help="Follow the events of a log group.")
@click.argument("streams", metavar="[STREAM-PATTERN...]", nargs=-1)
@click.option("--filter-pattern", metavar="P", default="", help="Only events where AWS finds it.")
@click.option(
    "--since",
    metavar="TIME",
    type=options.Moment(),
    default="10m",
    show_default=True,
    help="Begin: so long ago, or a time.",
)
@click.option("--follow/--no-follow", default=True, help="Go on until Ctrl-C (default).")
@click.option(
    "--interval",
    metavar="S",
    type=options.Amount(0.1, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@options.log_group
@options.aws
def command(
    access: Access,
    log_group: str,
    streams: tuple[str, ...],
    filter_pattern: str,
    since: int,
    follow: bool,
    interval: float,
    as_json: bool,
) -> int:
    """Print the events of all streams of a log group, each once, also those that come late.

    STREAM-PATTERN is the name of a stream or a pattern such as "web/*". Times are UTC. Line ends
    and control characters in messages are shown as escapes. Exit status 1: not all could be read.

    \b
    Examples:
      python index.py cloudwatch tail --log-group /ecs/app
      python index.py cloudwatch tail "web/*" --filter-pattern ERROR --since 2h
      python index.py cloudwatch tail --since 1d --no-follow --json
    """
    from mlids.cloudwatch.follower import following

    told = shown.Told()
    follower = following(
        access, log_group, streams, since, filter_pattern=filter_pattern, tell=told
    )
    for event in _events(follower, interval if follow else None):
        console.out(_document(event) if as_json else _line(event))
    return told.exit_status


def _events(follower: Follower, interval: float | None) -> Iterator[LogEvent]:
    """What is there, and unless `interval` is None what comes."""
    while True:
        for window in follower.poll(time.time_ns() // 1_000_000):
            yield from window
        if interval is None:
            return
        time.sleep(interval)


def _line(event: LogEvent) -> str:
    from mlids.cloudwatch.periods import formatted

    message = event.message.rstrip("\r\n").expandtabs(TAB).replace("\n", "\\n")
    text = terminal_safe(message, len(message))
    stream = click.style(terminal_safe(event.log_stream_name), fg="cyan")
    return f"{click.style(f'[{formatted(event.timestamp)}]', dim=True)} {stream}  {text}"


def _document(event: LogEvent) -> str:
    from mlids.cloudwatch.periods import formatted

    return json_safe(
        msgspec.json.encode(
            {
                "timestamp": event.timestamp,
                "timestampFormatted": formatted(event.timestamp),
                "ingestionTime": event.ingestion_time,
                "logStreamName": event.log_stream_name,
                "eventId": event.event_id,
                "message": event.message,
            }
        )
    ).decode()
