"""How many events look as a table, JSON lines, one JSON document or CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click
import msgspec

from mlids import exports
from mlids.cli import console
from mlids.encoders import cells, fitted, terminal_safe
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


FORMATS: dict[str, Any] = {"table": table, "jsonl": jsonl, "json": json, "csv": exports.rows}
