"""Tables and heads that several reports have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest

import msgspec

from mlids.controls.words import duration, moment
from mlids.coverage import Period
from mlids.documents import Document, Section, Table, Value
from mlids.inputgaps import InputGap
from mlids.tally import Tally

SHOWN = 20  # rows of tables that could be long


def document(title: str, since: str, until: str, made: str, sections: list[Section]) -> Document:
    """A document with the usual head; all moments as events carry them."""
    subtitle = f"{moment(since)} to {moment(until)} UTC"
    return Document(title, subtitle, f"{made[:19].replace('T', ' ')} UTC", sections)


def counts(title: str, column: str, values: Mapping[str, int] | Mapping[int, int]) -> Table:
    """A table of counts."""
    return Table(title, [column, "events"], [[name, count] for name, count in values.items()])


def cut(table: Table, most: int) -> Table:
    """The table without the rows behind the first `most`, and how many these are."""
    more = len(table.rows) - most
    if more <= 0:
        return table
    note = " ".join(filter(None, [f"And {more:,} more.", table.note]))
    return msgspec.structs.replace(table, rows=table.rows[:most], note=note)


def top(tally: Tally, field: str, most: int) -> dict[str, int]:
    """The most frequent values of a field of `tally.FIELDS`; cheaper than to sort all of them."""
    values = tally.values.get(field, {})
    return dict(nlargest(most, values.items(), key=lambda pair: pair[1]))


def unwatched(periods: Sequence[Period]) -> list[Table]:
    """The longest periods in which MLIDS did not watch, in their order; no table for none."""
    if not periods:
        return []
    longest = nlargest(SHOWN, periods, key=lambda period: period.seconds)
    rows: list[list[Value]] = [
        [moment(one.since), moment(one.until), duration(one.seconds), one.reason]
        for one in sorted(longest, key=lambda period: period.since)
    ]
    title = "When MLIDS did not watch"
    return [Table(title, ["from", "to", "time", "why"], rows, rest(periods, "periods"))]


def gaps(found: Iterable[InputGap]) -> list[Table]:
    """What inputs did not give; no table for nothing."""
    listed = sorted(found, key=lambda gap: (-gap.silent_s, -gap.count))
    if not listed:
        return []
    rows: list[list[Value]] = [
        [gap.input, gap.what, gap.count, moment(gap.last), gap.description]
        for gap in listed[:SHOWN]
    ]
    columns = ["input", "what", "told", "last", "in words"]
    return [Table("What inputs did not give", columns, rows, rest(listed, "inputs"))]


def rest(listed: Sequence[object], noun: str) -> str:
    """A note on what a table leaves out, "" for nothing."""
    return f"{len(listed) - SHOWN:,} further {noun} are not shown" if len(listed) > SHOWN else ""
