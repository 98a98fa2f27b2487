"""How many events look as a table, or in a format of another tool."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
import msgspec

from mlids import exports
from mlids.cli import console
from mlids.encoders import cells, fitted, terminal_safe
from mlids.events import Event, Severity


class _Line(msgspec.Struct):
    count: int
    first: str
    event: Event
    entities: set[str]


def table(events: Iterable[Event]) -> Iterator[bytes]:
    """What was found, the worst first: one line per type and entity, however often it was seen.

    What is merely recorded (LOW) has one line per type.
    """
    lines: dict[tuple[str, ...], _Line] = {}
    for event in events:
        severity, type, entity = event["severity"], event["type"], event.entity
        key = (severity, type) if severity == Severity.LOW else (severity, type, entity)
        line = lines.setdefault(key, _Line(0, event["timestamp"], event, set()))
        line.count += 1
        line.first = min(line.first, event["timestamp"])
        line.event = event
        line.entities.add(entity)
    if not lines:
        return
    ranked = sorted(lines.values(), key=lambda line: (-_rank(line), line.first))
    rows = [_cells(line) for line in ranked]
    width = min(39, max(6, *(cells(row[2]) for row in rows)))
    heading = ("SEVERITY", "TYPE", "ENTITY", "SEEN", "FIRST (UTC)", "WHAT")
    yield click.style(_row(heading, width), bold=True).encode() + b"\n"
    for line, row in zip(ranked, rows, strict=True):
        severity = line.event["severity"]
        yield _row((console.severity(severity), *row[1:]), width).encode() + b"\n"


def _rank(line: _Line) -> int:
    return Severity(line.event["severity"]).rank


def _cells(line: _Line) -> tuple[str, ...]:
    event, many = line.event, len(line.entities)
    entity = terminal_safe(event.entity) if many == 1 else f"({many} of them)"
    what = terminal_safe(event["details"].get("description", "")) if many == 1 else ""
    first = line.first[:19].replace("T", " ")
    return event["severity"], terminal_safe(event["type"]), entity, f"{line.count:,}", first, what


def _row(texts: tuple[str, ...], width: int) -> str:
    severity, type, entity, seen, first, what = texts
    entity = fitted(entity, width)
    entity += " " * (width - cells(entity))
    severity += " " * (8 - len(click.unstyle(severity)))
    return f"{severity}  {type:<17} {entity} {seen:>7}  {first:<19}  {what}".rstrip()


def render(name: str, events: Iterable[Event]) -> Iterator[bytes]:
    """The events in the format of a name: table, or one of `mlids.exports`."""
    return table(events) if name == "table" else exports.render(name, events)


FORMATS = ("table", *exports.NAMES)
