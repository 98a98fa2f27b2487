"""The account of what was not stored: how often, by whose decision, from when to when."""

from __future__ import annotations

from typing import Any

import msgspec

from mlids.events import Event, detection_id, format_time

MOST = 1000  # lines of the account; what is beyond them is one more line
SHOWN = 100  # lines that an event has


class Line(msgspec.Struct, array_like=True):
    """What one suppression or threshold kept back of one type. Times are the events' own."""

    by: str  # the suppression's id, or the threshold's text
    type: str
    hits: int = 0
    first_ns: int = 0
    last_ns: int = 0


class Account:
    """Counts since the last telling."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], Line] = {}

    def add(self, by: str, event: Event) -> None:
        """Count one event that was kept back."""
        key = (by, str(event["type"])[:100])
        if key not in self.lines and len(self.lines) >= MOST:
            key = ("", "")
        line = self.lines.setdefault(key, Line(*key))
        now = event.time_ns
        line.first_ns = min(line.first_ns, now) if line.hits else now
        line.last_ns = max(line.last_ns, now)
        line.hits += 1

    def told(self, now_ns: int, names: dict[str, str]) -> list[Event]:
        """The event that tells the account, which begins anew; none where there is nothing.

        names: what an id stands for.
        """
        if not self.lines:
            return []
        lines = sorted(self.lines.values(), key=lambda line: -line.hits)
        self.lines = {}
        total = sum(line.hits for line in lines)
        first, last = min(one.first_ns for one in lines), max(one.last_ns for one in lines)
        deciders = len({line.by for line in lines})
        text = f"{total:,} events were not stored, by {deciders} suppressions or thresholds"
        details: dict[str, Any] = {
            "description": text,
            "suppressed": total,
            "metadata": {
                "first": format_time(first),
                "last": format_time(last),
                "lines": [_line(line, names) for line in lines[:SHOWN]],
                "left_out": sum(line.hits for line in lines[SHOWN:]),
            },
        }
        return [
            Event.new(
                "Events Suppressed",
                "LOW",
                "system",
                details,
                time_ns=now_ns,
                rule="suppression",
                tags=["suppression"],
                explanation=f"{text} between {format_time(first)} and {format_time(last)}",
                correlation_id=detection_id("suppression", now_ns, total),
            )
        ]

    def save(self) -> list[Line]:
        """The state, as data that msgpack can carry."""
        return list(self.lines.values())

    def restore(self, state: Any) -> None:
        """Take up a state that `save` gave."""
        self.lines = {(one.by, one.type): one for one in msgspec.convert(state, list[Line])}


def _line(line: Line, names: dict[str, str]) -> dict[str, Any]:
    return {
        "suppression": line.by,
        "meant": names.get(line.by, ""),
        "type": line.type,
        "hits": line.hits,
        "first": format_time(line.first_ns),
        "last": format_time(line.last_ns),
    }
