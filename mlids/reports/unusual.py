"""What was unusual: the anomalies of a period as a section of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlids.controls.words import counted, moment, named
from mlids.documents import Section, Table, Value

TITLE = "Unusual"
SHOWN = 8
NOUNS = {"type": "type", "ip": "address", "user": "user"}
PLURALS = {"type": "types", "ip": "addresses", "user": "users"}


def section(found: Sequence[Mapping[str, Any]], hours: float) -> Section:
    """The oddest moments with what is usual there; found: `anomalies.Anomaly` as plain data.

    What was unusual at the same moment has one line: one burst shows in a type, an address and in
    many users.
    """
    title = f"{TITLE} in the last {hours:g} hours"
    if not found:
        return Section(title, ["Nothing came unusually often or seldom."])
    moments: dict[str, list[Mapping[str, Any]]] = {}
    for one in found:  # the oddest first
        moments.setdefault(one["since"], []).append(one)
    rows: list[list[Value]] = [
        [moment(since), _what(same[0]), _how_often(same[0]), named(list(_others(same[1:])))]
        for since, same in list(moments.items())[:SHOWN]
    ]
    first = found[0]
    note = f"Judged by {first['method']}, from {first['threshold']:g} on; usual: {first['basis']}."
    more = len(moments) - SHOWN
    note += f" {counted(more, 'further moment')} in --json." if more > 0 else ""
    columns = ["from (UTC)", "what", "how often", "at the same time"]
    return Section(title, [], [Table("", columns, rows, note)])


def _what(one: Mapping[str, Any]) -> str:
    return f"{NOUNS.get(one['by'], one['by'])} {one['value']}"


def _how_often(one: Mapping[str, Any]) -> str:
    return f"{one['observed']:,}; {one['usual']:,.3g} is usual"


def _others(same: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What else was unusual then: one of a kind by its name, several by their number."""
    for by in dict.fromkeys(one["by"] for one in same):
        values = [one for one in same if one["by"] == by]
        yield _what(values[0]) if len(values) == 1 else f"{len(values)} {PLURALS.get(by, by)}"
