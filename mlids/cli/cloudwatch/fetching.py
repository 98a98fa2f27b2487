"""What `download` and `sync` have in common: how many at once, and what people see meanwhile."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from mlids.cli import console
from mlids.cli.progress import counted
from mlids.cloudwatch.periods import formatted
from mlids.encoders import terminal_safe

if TYPE_CHECKING:
    from mlids.cloudwatch.extractor import CloudWatchLogsExtractor

parallel = click.option(
    "--parallel",
    metavar="N",
    type=click.IntRange(1, 32),
    default=4,
    show_default=True,
    help="Streams that are read at once.",
)


@contextlib.contextmanager
def watched(extractor: CloudWatchLogsExtractor) -> Iterator[None]:
    """Show the progress, and say at Ctrl-C what becomes of what was read."""
    logging.getLogger("botocore").setLevel(logging.ERROR)  # of retries, which end well
    try:
        with counted("events", lambda: extractor.progress.events, lambda: extractor.progress.share):
            yield
    except KeyboardInterrupt:
        note("interrupted; the next run over the same period goes on where it stopped")
        raise


def note(text: str) -> None:
    """A word that nobody needs where nobody looks: cron sends what is printed as mail."""
    if sys.stderr.isatty():
        console.note(text, dim=True)


def missing(stream: str, start: int, end: int, reason: str) -> None:
    """Say what of a stream is missing, also to cron: nobody else would. start, end: ms."""
    text = f"{stream}: {formatted(start)} to {formatted(end)} is missing: {reason}"
    console.note(terminal_safe(text), fg="yellow")
