"""Input gaps: what each input did not give, as Monitoring Gap events told it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mlids.events import Event
from mlids.moments import parse_time

NS = 1_000_000_000
GAPS = 1000  # inputs told apart; file names come from outside
NAMED = 10  # events named as evidence


class InputGap(msgspec.Struct):
    """What one input did not give, of one kind.

    count: how often it was told; amount: the largest figure told (packets, entries, seconds);
    silent_s: seconds of silence in the period, as far as they are known; events: ids.
    """

    input: str
    what: str
    count: int = 0
    amount: float = 0.0
    silent_s: float = 0.0
    first: str = ""
    last: str = ""
    description: str = ""
    events: list[str] = []


def gaps(events: Iterable[Event], until_ns: int) -> list[InputGap]:
    """What Monitoring Gap events told of each input; beyond `GAPS` inputs all as one.

    until_ns: what is silent then and was not heard again is silent until then.
    """
    found: dict[tuple[str, str], InputGap] = {}
    open_since: dict[str, int] = {}
    for event in events:
        told = metadata(event)
        name = str(told.get("input") or told.get("pattern") or event.get("rule", ""))
        what = str(told.get("what") or told.get("code") or "failed")
        key = (name, "silent" if what == "resumed" else what)
        if key not in found and len(found) >= GAPS:
            key = ("further inputs", "various")
        gap = found.setdefault(key, InputGap(*key))
        _count(gap, event, told, again=what == "resumed")
        if what == "resumed":
            gap.silent_s += _number(told.get("amount"))
            open_since.pop(name, None)
        elif what == "silent" and (begun := _moment(told.get("from"))):
            open_since[name] = begun
    for name, begun in open_since.items():
        if silent := found.get((name, "silent")):
            silent.silent_s += max(0, until_ns - begun) / NS
    return list(found.values())


def _count(gap: InputGap, event: Event, told: dict[str, Any], again: bool) -> None:
    gap.count += not again  # that an input speaks again is no further gap
    gap.amount = max(gap.amount, _number(told.get("amount")))
    gap.first = min(gap.first or event.timestamp, event.timestamp)
    gap.last = max(gap.last, event.timestamp)
    gap.description = str(event["details"].get("description", ""))
    if len(gap.events) < NAMED:
        gap.events = [*gap.events, str(event.get("id", ""))]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _moment(value: object) -> int:
    try:
        return parse_time(str(value)) if value else 0
    except ValueError:
        return 0


def metadata(event: Event) -> dict[str, Any]:
    """The metadata of an event's details, empty where there is none."""
    found = event["details"].get("metadata")
    return found if isinstance(found, dict) else {}
