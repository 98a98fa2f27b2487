"""How the state of a running MLIDS looks: in `status`, and live below the events of `start`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from mlids.cli import console
from mlids.encoders import terminal_safe
from mlids.events import Severity
from mlids.status import InputRate, Status

MARKS = {"ok": ("●", "green"), "waiting": ("○", "yellow"), "failed": ("✗", "red")}
UNITS = {"network": "packets", "files": "changes"}


def overview(status: Status) -> Iterator[str]:
    """Everything, in some twenty lines."""
    yield headline(status)
    yield ""
    yield from inputs(status)
    yield from sinks(status)
    yield from _losses(status)
    yield from _recent(status)


def headline(status: Status) -> str:
    """The state in one line."""
    severities = "  ".join(
        console.severity(f"{name} {status.by_severity[name]}", 0)
        for name in reversed(Severity)
        if status.by_severity.get(name)
    )
    return (
        click.style("MLIDS", bold=True)
        + f" {status.version}  pid {status.pid}  up {duration(status.uptime)}  "
        + f"{status.events_total} events  {status.events_per_second:g}/s  "
        + f"{status.active_alerts} active alert{'' if status.active_alerts == 1 else 's'}  "
        + severities
    ).rstrip()


def inputs(status: Status, counts: bool = True) -> Iterator[str]:
    """One line an input, with what was read and lost, or without (counts)."""
    for one in status.inputs:
        mark, colour = MARKS.get(one.input.state, ("?", "white"))
        note = f"  {one.input.note}" if one.input.note else ""
        name = f"{one.input.kind:<10} {terminal_safe(one.input.name)}"
        line = f"  {click.style(mark, fg=colour)} {name:<44} {_counted(one) if counts else ''}"
        yield line.rstrip() + terminal_safe(note)


def _counted(one: InputRate) -> str:
    counts = one.input.counts
    text = f"{counts.get('read', 0):>10,} {UNITS.get(one.lane, 'lines')}  {one.per_second:,.0f}/s"
    lost = [f"{counts[what]:,} {what}" for what in ("dropped", "rejected") if counts.get(what)]
    return text + "".join(click.style(f"  {loss}", fg="yellow") for loss in lost)


def sinks(status: Status) -> Iterator[str]:
    """One line for everybody who is handed events, but for the console itself."""
    for handler in status.handlers:
        if handler["name"] == "console":
            continue
        state = str(handler["state"])
        colour = {"ok": "green", "retrying": "yellow"}.get(state, "red")
        waiting = int(handler["queued"]) + int(handler["spooled"])
        error = f"  {handler['last_error']}" if state != "ok" and handler["last_error"] else ""
        yield (
            f"  {click.style('→', fg=colour)} {handler['kind']:<10} "
            f"{terminal_safe(handler['name']):<33} "
            f"{handler['sent']:>10,} sent  {waiting:,} waiting{terminal_safe(error)}"
        )


def _losses(status: Status) -> Iterator[str]:
    for name, count in {**status.drops, **status.failures}.items():
        yield click.style(f"  ! {name}: {count:,}", fg="yellow")
    for problem in status.problems[-3:]:
        yield click.style(f"  ! {terminal_safe(problem)}", fg="yellow")


def _recent(status: Status) -> Iterator[str]:
    if status.recent:
        yield ""
    for event in status.recent[-5:]:
        yield f"  {event_line(event)}"


def event_line(event: dict[str, Any]) -> str:
    """One event: time, severity, type, description."""
    moment = str(event["timestamp"])[:19].replace("T", " ")
    text = event["details"].get("description", "")
    name = f"{event['type']:<18}"
    return f"{moment}  {console.severity(event['severity'])}  {terminal_safe(name + ' ' + text)}"


def duration(seconds: float) -> str:
    """Seconds as 3d 4h, 5h 6m, 7m 8s or 9s."""
    whole = int(seconds)
    parts = [
        (whole // 86400, "d"),
        (whole // 3600 % 24, "h"),
        (whole // 60 % 60, "m"),
        (whole % 60, "s"),
    ]
    shown = [f"{count}{unit}" for count, unit in parts if count] or ["0s"]
    return " ".join(shown[:2])
