"""Summaries and events written to files: JSON, CSV, text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mlids.atomic import write_atomically
from mlids.encoders import csv_safe, terminal_safe
from mlids.errors import MLIDSError
from mlids.events import Event

FORMATS = ("json", "csv", "txt")
COLUMNS = ("timestamp", "severity", "type", "source", "ip", "target", "port", "protocol", "user")
FURTHER = ("rule", "description", "explanation", "correlation_id", "id")
ANOMALIES = 10  # the most unusual ones are shown
TITLES = {
    "by_type": "By type",
    "by_severity": "By severity",
    "by_source": "By source",
    "top_addresses": "Top addresses",
    "by_hour": "By hour (UTC)",
}


def write(format: str, path: Path, summary: Mapping[str, Any], events: Iterable[Event]) -> Path:
    """Write one of `FORMATS` and return its path."""
    if format == "json":
        content = msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"
    elif format == "txt":
        content = ("\n".join(text(summary)) + "\n").encode()
    elif format == "csv":
        content = b"".join(rows(events))
    else:
        raise MLIDSError("E105", f"{format!r} is no report format", f"use {', '.join(FORMATS)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return path


def rows(events: Iterable[Event]) -> Iterator[bytes]:
    """CSV: a heading and one row an event; no cell is taken for a formula by a spreadsheet."""
    yield _row([*COLUMNS, *FURTHER])
    for event in events:
        details = event["details"]
        values = [event.get(name, details.get(name, "")) for name in (*COLUMNS, *FURTHER)]
        yield _row([csv_safe(str(value)) for value in values])


def _row(values: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue().encode()


def text(summary: Mapping[str, Any]) -> Iterator[str]:
    """The summary for people, with bars, in lines of at most 80 characters."""
    period = f"{_short(summary['since'])} to {_short(summary['until'])} UTC"
    yield f"{summary['total']:,} events from {period}"
    for key, title in TITLES.items():
        counts = {str(name): count for name, count in summary[key].items()}
        if not counts:
            continue
        yield ""
        yield title
        width = max(18, min(39, max(map(len, counts))))
        most = max(counts.values())
        for name, count in counts.items():
            bar = "█" * max(1, round(20 * count / most))
            yield f"  {terminal_safe(name)[:width]:<{width}} {count:>9,}  {bar}"
    if anomalies := summary.get("anomalies"):
        yield ""
        yield "Unusual in the last 24 hours"
        for one in anomalies[:ANOMALIES]:
            often = f"{one['observed']:,} where {one['usual']:g} is usual"
            yield f"  {_short(one['since'])}  {terminal_safe(one['type'])[:30]:<30} {often}"


def _short(stamp: str) -> str:
    return stamp[:16].replace("T", " ")


def flat(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as one row: details as `details.<key>`."""
    row = {key: value for key, value in event.items() if key != "details"}
    return row | {f"details.{key}": value for key, value in event["details"].items()}
