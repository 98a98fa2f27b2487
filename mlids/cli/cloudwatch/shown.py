"""How answers of AWS are shown: tables and facts for people, one JSON document for scripts."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlids.cli import console
from mlids.cloudwatch.outcomes import worst
from mlids.encoders import cells, fitted, json_safe, terminal_safe
from mlids.errors import MLIDSError

GAP = "  "
_NARROWEST = 3


def width() -> int | None:
    """The columns of the terminal; None where the answer goes elsewhere, and nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    head: Sequence[str], rows: Sequence[Sequence[object]], room: int | None = None
) -> list[str]:
    """Aligned lines, the heading first; numbers to the right.

    room: columns for a line; where it is too narrow the widest cells are cut.
    """
    texts = [[terminal_safe(_text(value)) for value in row] for row in (head, *rows)]
    natural = [max(map(cells, column)) for column in zip(*texts, strict=True)]
    widths = natural if room is None else _narrowed(natural, room - len(GAP) * (len(head) - 1))
    numeric = [all(isinstance(row[n], int) for row in rows) for n in range(len(head))]
    return [
        GAP.join(
            _padded(fitted(text, width), width, right)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in texts
    ]


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _padded(text: str, width: int, right: bool) -> str:
    room = " " * (width - cells(text))
    return room + text if right else text + room


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """The widths, the widest cut until they fit."""
    cap = max(widths)
    while cap > _NARROWEST and sum(min(width, cap) for width in widths) > room:
        cap -= 1
    return [min(width, cap) for width in widths]


def tell(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table, if there are rows; as wide as the terminal."""
    lines = table(head, rows, width())
    if rows:
        console.out(lines[0], bold=True)
    for line in lines[1:]:
        console.out(line)


class Told:
    """Tells errors as they come; `exit_status` is what they make of the command's."""

    def __init__(self) -> None:
        self._statuses: list[int] = []

    def __call__(self, error: MLIDSError) -> None:
        """Print the error."""
        self._statuses.append(error.exit_status)
        console.tell(error)

    @property
    def exit_status(self) -> int:
        """That of the worst error, 0 without any."""
        return worst(self._statuses)


def facts(values: Mapping[str, object]) -> None:
    """Print names and what they stand for, one a line."""
    wide = max(map(len, values))
    for name, value in values.items():
        console.out(f"{name:<{wide}}{GAP}{terminal_safe(_text(value))}")


def document(value: Any) -> None:
    """Print one JSON document that can act on nobody who looks at it."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        shown = json_safe(text.encode()).decode()
    except UnicodeEncodeError:  # half of a surrogate pair
        shown = json.dumps(value, indent=2)
    console.out(shown)


def kept(days: int | None) -> str:
    """For how long AWS keeps events."""
    return "ever" if days is None else f"{days:,} day{'' if days == 1 else 's'}"
