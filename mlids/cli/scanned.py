"""What `scan` and `cloudwatch scan` have in common: options, and how what was found is given."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from mlids.cli import console, output, settings
from mlids.cli.progress import bar, rare_collections
from mlids.encoders import terminal_safe
from mlids.errors import MLIDSError

if TYPE_CHECKING:
    from mlids.scanning import Scan

FOLDERS = ("monitors", "formats", "detectors", "correlators")

_OPTIONS = (
    click.option("--format", "kind", type=click.Choice(output.FORMATS), help="Default: table."),
    click.option("--output", "target", metavar="F", help="Write what is found to a file."),
    click.option("--store", is_flag=True, help="Also keep the events in logs/, as start does."),
    click.option("--config", "path", default="config.yaml", show_default=True, help="Settings."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
)


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a scan; the command hands them to `chosen` and `run`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def chosen(ctx: click.Context, path: str) -> Any:
    """The settings that a scan needs. Raises `MLIDSError` E001."""
    return settings.manager(ctx, path, FOLDERS).settings


def run(scan: Scan, kind: str | None, target: str | None, store: bool, as_json: bool) -> int:
    """Scan, give what is found as the options say, and tell what was read.

    Returns the exit status: 0 nothing of MEDIUM or more, 1 something was found, 3 nothing was read.
    """
    kept = _store(scan.settings if store else None)
    with rare_collections(), _sink(target) as stream, kept as logger:
        scan.stage = logger or scan.stage
        events = _with_progress(scan)
        shown = "json" if as_json else kind or "table"
        plain = shown == "table" and not (
            stream is sys.stdout.buffer and console.colours(sys.stdout)
        )
        for piece in output.render(shown, events):
            stream.write(_plain(piece) if plain else piece)
    _summarise(scan)
    if scan.summary.findings:
        return 1
    return 3 if scan.summary.problems and not (scan.summary.packets or scan.summary.lines) else 0


def _plain(piece: bytes) -> bytes:
    return click.unstyle(piece.decode()).encode()


@contextlib.contextmanager
def _sink(target: str | None) -> Iterator[IO[bytes]]:
    if target is None or target == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        stream = Path(target).open("wb")  # noqa: SIM115 - closed below
    except OSError as error:
        code = "E004" if isinstance(error, PermissionError) else "E007"
        hint = "name a file in a folder that exists and that you may write to"
        raise MLIDSError(code, f"cannot write {target}: {error.strerror}", hint) from error
    with stream:
        yield stream


@contextlib.contextmanager
def _store(settings: Any) -> Iterator[Any]:
    if settings is None:
        yield None
        return
    from mlids import assembly
    from mlids.logger import EventLogger

    logger = EventLogger(
        **assembly.storing(settings),
        correlators=assembly.correlators(settings),
        thresholds=settings.logging.thresholding,
    )
    logger.open()
    try:
        yield logger
    finally:
        logger.close()


def _with_progress(scan: Scan) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield from scan
        return
    with bar("scanning", scan.progress):
        yield from scan


def _summarise(scan: Scan) -> None:
    summary = scan.summary
    for one in summary.inputs:
        counts = one.counts
        parts = [f"{counts.get('read', 0):,} read"]
        parts += [
            f"{counts[what]:,} {what}"
            for what in ("matched", "unmatched", "rejected", "damaged")
            if counts.get(what)
        ]
        name = terminal_safe(one.name)
        console.note(f"{name}: {one.kind}, {', '.join(parts)}", dim=True)
    amounts = [
        f"{count:,} {what} ({count / max(summary.seconds, 1e-9):,.0f}/s)"
        for what, count in (("packets", summary.packets), ("lines", summary.lines))
        if count
    ]
    read = " and ".join(amounts) or "nothing"
    console.note(f"read {read}, {summary.bytes:,} bytes in {summary.seconds:.2f} s")
    found = ", ".join(f"{count:,} {name}" for name, count in sorted(summary.by_type.items()))
    console.note(f"found {found or 'nothing'}", bold=True)
