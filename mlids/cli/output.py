"""How many events look as a table, JSON lines, one JSON document or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click
import msgspec

from mlids import exports
from mlids.cli import console
from mlids.encoders import terminal_safe
from mlids.events import Event, Severity


def jsonl(events: Iterable[Event]) -> Iterator[bytes]:
    """One event a line."""
    return (event.encoded() + b"\n" for event in events)


def json(events: Iterable[Event]) -> Iterator[bytes]:
    """One array."""
    separator = b"[\n"
    for event in events:
        yield separator + event.encoded()
        separator = b",\n"
    yield b"\n]\n" if separator == b",\n" else b"[]\n"


class _Line(msgspec.Struct):
    count: int
    first: str
    last: str
    event: Event


def table(events: Iterable[Event]) -> Iterator[bytes]:
    """What was found, the worst first: one line per type and entity, however often it was seen."""
    lines: dict[tuple[str, str, str], _Line] = {}
    for event in events:
        key = (event["severity"], event["type"], event.entity)
        if line := lines.get(key):
            line.count += 1
            line.last = max(line.last, event["timestamp"])
            line.first = min(line.first, event["timestamp"])
            line.event = event
        else:
            lines[key] = _Line(1, event["timestamp"], event["timestamp"], event)
    if not lines:
        return
    ranked = sorted(lines.items(), key=lambda item: (-Severity(item[0][0]).rank, item[1].first))
    width = min(39, max(6, *(len(terminal_safe(key[2])) for key in lines)))
    heading = (
        f"{'SEVERITY':<8}  {'TYPE':<17} {'ENTITY':<{width}} {'SEEN':>6}  {'FIRST (UTC)':<19}  WHAT"
    )
    yield (click.style(heading, bold=True) + "\n").encode()
    for (severity, type, entity), line in ranked:
        yield _table_line(severity, type, entity, line, width).encode()


def _table_line(severity: str, type: str, entity: str, line: _Line, width: int) -> str:
    first = line.first[:19].replace("T", " ")
    what = str(line.event["details"].get("description", ""))
    shown = terminal_safe(entity)
    shown = shown if len(shown) <= width else shown[: width - 1] + "…"
    return (
        f"{console.severity(severity)}  {terminal_safe(type):<17} {shown:<{width}} "
        f"{line.count:>6}  {first}  {terminal_safe(what)}\n"
    )


FORMATS: dict[str, Any] = {"table": table, "jsonl": jsonl, "json": json, "csv": exports.rows}
