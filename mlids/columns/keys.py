"""Keys that events are counted by: of an event in Python, of a row in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mlids.errors import MLIDSError
from mlids.events import Event, Severity, format_time
from mlids.query.fields import NAMES, Field, find, nearest, text_of
from mlids.query.nodes import SEPARATOR
from mlids.tally import HOUR_S

NS = 1_000_000_000
Value = str | int
_HOUR, _DAY = f"time // {3600 * NS}", f"time // {86_400 * NS}"


class Key(NamedTuple):
    """One key. of: its values for an event; sql: the same for an ordinary row, "" where none."""

    of: Callable[[Event], Iterable[Value]]
    sql: str


_TIMES = {
    "hour": Key(lambda event: [format_time(event.time_ns)[11:13]], f"printf('%02d', {_HOUR} % 24)"),
    "day": Key(
        lambda event: [format_time(event.time_ns)[:10]],
        "strftime(make_timestamp(time // 1000), '%Y-%m-%d')",
    ),
    "weekday": Key(
        lambda event: [str((event.time_ns // (86_400 * NS) + 3) % 7)],  # 1970 began on a Thursday
        f"(({_DAY} + 3) % 7)::VARCHAR",
    ),
}
# Hours as a roll-up has them: in seconds since 1970.
CELL_HOUR = Key(lambda event: [event.time_ns // NS // HOUR_S * HOUR_S], f"{_HOUR} * {HOUR_S}")


def key(name: str) -> Key:
    """The key of a name: a field of the language, or hour, day, weekday. Raises `MLIDSError`."""
    if name in _TIMES:
        return _TIMES[name]
    field = find(name)
    if not field:
        close = nearest(name)
        known = f"{close} is near" if close else ", ".join((*NAMES, *_TIMES))
        raise MLIDSError("E105", f"events cannot be counted by {name!r}: no such field", known)
    return Key(lambda event: map(text_of, field.values(event)), _column(field))


def window(seconds: int) -> Key:
    """The start, in ns, of the window of so many seconds that an event lies in."""
    length = seconds * NS
    return Key(lambda event: [event.time_ns // length * length], f"time // {length} * {length}")


def _column(field: Field) -> str:
    if field.kind in ("text", "address") and field.column:
        return f'"{field.column}"'
    if field.kind == "severity":
        names = ", ".join(f"'{name}'" for name in Severity)
        return f"list_extract([{names}], severity + 1)"
    if field.kind == "list":
        inner = f'"{field.column}"[2:-2]'
        return f"unnest(string_split({inner}, '{SEPARATOR}'))"
    return ""
