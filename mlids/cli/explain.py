"""`explain`: what MLIDS makes of one log line, and why."""

from __future__ import annotations

import sys
import time

import click
import msgspec

from mlids.cli import console
from mlids.encoders import terminal_safe
from mlids.errors import MLIDSError

WIDTH = 10


@click.command(short_help="Tell what a log line is read as, and which rules fire on it.")
@click.argument("line")
@click.option("--format", "kind", metavar="F", default="", help="Read it as this log format.")
@click.option("--config", "path", default="config.yaml", show_default=True, help="Settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, line: str, kind: str, path: str, as_json: bool) -> int:
    """Say what LINE is read as, which rules looked at it, which fired and why the others did not.

    LINE is one line of a log, in quotes, or - to read it from standard input. Exit status 0:
    nothing of MEDIUM or more would be told of it, 1: something would.

    \b
    Examples:
      python index.py explain 'Jan 13 10:30:45 gate sshd[7]: Invalid user eve from 203.0.113.7'
      tail -1 access.log | python index.py explain - --format nginx
    """
    from mlids.cli import settings
    from mlids.explaining import explain

    text = sys.stdin.buffer.readline() if line == "-" else line.encode(errors="surrogateescape")
    text = text.splitlines()[0] if text.strip() else b""
    if not text:
        raise MLIDSError("E007", "there is no line to explain", "give one in quotes, or pipe it")
    chosen = settings.manager(ctx, path, folders=("monitors", "formats", "detectors")).settings
    found = explain(chosen, text, kind, time.time_ns())
    if as_json:
        console.out_json(msgspec.to_builtins(found))
    else:
        _show(found)
    return 1 if any(event["severity"] != "LOW" for event in found.events) else 0


def _show(found: object) -> None:
    from mlids.explaining import Explanation

    assert isinstance(found, Explanation)
    others = ", ".join(f"{name} {score:.2f}" for name, score in found.likely.items())
    read = found.format or "no format that MLIDS knows"
    _row("read as", f"{read}{'' if found.recognised else ' (not of its usual shape)'}", bold=True)
    _row("likely", others)
    for name, value in found.columns.items():
        _row("  " + name, value if len(value) < 200 else value[:199] + "…")
    for look in found.looks:
        _row("fired" if look.fired else "looked", f"{look.rule}: {look.why}", bold=look.fired)
    _row("not asked", f"{found.asked} rules need text that the line does not hold", dim=True)
    for note in found.notes:
        _row("counts as", note)
    for event in found.events:
        console.out(f"{'told':<{WIDTH}} {console.severity(event['severity'])} {_event(event)}")
    if not found.events:
        _row("told", "nothing")


def _event(event: dict[str, object]) -> str:
    details = event["details"]
    assert isinstance(details, dict)
    return terminal_safe(f"{event['type']} by {event['rule']}: {details.get('description', '')}")


def _row(name: str, text: str, **style: bool) -> None:
    if text:
        console.out(f"{name:<{WIDTH}} " + click.style(terminal_safe(text), **style))
