"""A document as plain text for terminals and mail, as wide as it is told to be."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from mlids.documents import Document, Section, Table, Value
from mlids.encoders import cells, fitted, terminal_safe

WIDTH = 100
NARROWEST, WIDEST = 60, 120  # below it tables break, beyond it eyes lose the line
BAR = 20
SHORT = 20  # columns of a cell that is never wrapped: a moment, a severity, a name
LEAST = 24  # columns for texts below which they stand below the others
DEEPEST = 3  # lines of a cell in its column
GAP = "  "
_DOT = " · "  # between texts that have no columns


def render(document: Document, width: int = WIDTH) -> str:
    """The whole document, `width` columns wide (of a terminal: some are too narrow or too wide)."""
    return "\n".join(_lines(document, min(max(width, NARROWEST), WIDEST))) + "\n"


def _lines(document: Document, width: int) -> Iterator[str]:
    yield terminal_safe(document.title)
    yield "=" * cells(terminal_safe(document.title))
    yield from _wrapped(document.subtitle, width)
    yield f"Written {terminal_safe(document.made)}"
    for section in document.sections:
        yield ""
        yield from _section(section, width)


def _section(section: Section, width: int) -> Iterator[str]:
    title = terminal_safe(section.title)
    yield title
    yield "-" * cells(title)
    for paragraph in section.paragraphs:
        yield from _wrapped(paragraph, width)
    for number, table in enumerate(section.tables):
        if table.title or number or section.paragraphs:
            yield ""
        yield from _table(table, width)


def _wrapped(text: str, width: int, indent: str = "") -> Iterator[str]:
    for line in _folded(terminal_safe(text, 20_000), width - len(indent)):
        yield indent + line


def _folded(text: str, width: int) -> list[str]:
    """A safe text in lines of at most so many columns."""
    lines: list[str] = []
    for line in textwrap.wrap(text, width, break_on_hyphens=False) or [""]:
        rest = line
        while cells(rest) > width:  # wide letters: there were more columns than letters
            head = fitted(rest, width + 1)[:-1]
            lines.append(head)
            rest = rest[len(head) :]
        lines.append(rest)
    return lines


def _table(table: Table, width: int) -> Iterator[str]:
    if table.title:
        yield terminal_safe(table.title)
    yield from _body(table, width) if table.rows else [GAP + "(none)"]
    if table.note:
        yield from _wrapped(table.note, width, GAP)


def _body(table: Table, width: int) -> Iterator[str]:
    """Names and rows: with bars, in columns, or as records where columns would be too narrow."""
    rows = [list(map(terminal_safe, table.columns)), *(list(map(_shown, r)) for r in table.rows)]
    most = _most(table)
    room = width - len(GAP) - (BAR + len(GAP) if most else 0)
    widths, squeezed = _widths(table, rows, room)
    if most:
        yield from _bars(table, rows, widths, most)
    elif squeezed and _depth(rows, widths, squeezed) > DEEPEST:
        yield from _records(rows, squeezed[0], width)
    else:
        right = [_is_number(values) for values in zip(*table.rows, strict=True)]
        for row in rows:
            yield from _row(row, widths, right)


def _shown(value: Value) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else terminal_safe(value)


def _is_number(values: Sequence[Value]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _most(table: Table) -> float:
    """The largest count of a table of names and counts, which is shown with bars; 0 for others."""
    if len(table.columns) != 2 or not all(isinstance(row[1], int) for row in table.rows):
        return 0
    return float(max(row[1] for row in table.rows))


def _widths(table: Table, rows: list[list[str]], width: int) -> tuple[list[int], list[int]]:
    """Of each column how wide it is, and which ones have less than their longest cell needs.

    Numbers and short texts have what they need; what is left is shared among the others.
    """
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    room = width - len(GAP) * (len(widths) - 1)
    firm = {
        at
        for at, values in enumerate(zip(*table.rows, strict=True))
        if widths[at] <= SHORT or _is_number(values)
    }
    room -= sum(widths[at] for at in firm)
    texts = sorted(set(range(len(widths))) - firm, key=lambda at: widths[at])
    squeezed: list[int] = []
    for place, at in enumerate(texts):
        share = max(8, room // (len(texts) - place))
        if widths[at] > share:
            widths[at] = share
            squeezed.append(at)
        room -= widths[at]
    return widths, sorted(squeezed)


def _depth(rows: list[list[str]], widths: Sequence[int], squeezed: Sequence[int]) -> int:
    """Of how many lines the deepest cell would be."""
    return max(len(_folded(row[at], widths[at])) for row in rows for at in squeezed)


def _bars(table: Table, rows: list[list[str]], widths: list[int], most: float) -> Iterator[str]:
    """Names, cut where they are too long, with their counts and a bar for each."""
    head, *others = ([fitted(row[0], widths[0]), row[1]] for row in rows)
    yield from _row(head, widths, [False, True])
    for row, values in zip(others, table.rows, strict=True):
        bar = "█" * max(1, round(BAR * float(values[1]) / most))
        yield next(_row(row, widths, [False, True])) + GAP + bar


def _row(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    """The lines of a row, each cell wrapped in its column."""
    folded = [_folded(cell, width) for cell, width in zip(row, widths, strict=True)]
    for line in zip_longest(*folded, fillvalue=""):
        padded = map(_padded, line, widths, right)
        yield (GAP + GAP.join(padded)).rstrip()


def _records(rows: list[list[str]], long: int, width: int) -> Iterator[str]:
    """Rows with too much text for columns: what comes first in columns, the rest in lines below.

    long: the first column that is not short.
    """
    needed = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    widths = needed[:long]
    short = [need <= SHORT for need in needed[long:]]
    beside = len(GAP) + sum(width + len(GAP) for width in widths)
    below = "" if width - beside >= LEAST else GAP * 2  # where there is no room beside them
    room = width - (len(below) or beside)
    for number, row in enumerate(rows):
        first = next(_row(row[:long], widths, [False] * long)) if long else ""
        texts = _packed(row[long:], short, room) if number else [_DOT.join(row[long:])]
        lines = [line for text in texts for line in _folded(text, room)] or [""]
        if not below:
            yield (first + " " * (beside - cells(first)) + lines.pop(0)).rstrip()
        elif first:
            yield first
        yield from ((below or " " * beside) + line for line in lines)


def _packed(texts: Sequence[str], short: Sequence[bool], width: int) -> list[str]:
    """Texts one a line, but short ones that are neighbours in one, where they fit."""
    lines: list[str] = []
    joins = False
    for text, is_short in zip(texts, short, strict=True):
        if not text:
            continue
        if joins and is_short and cells(lines[-1]) + cells(text) + len(_DOT) <= width:
            lines[-1] += _DOT + text
        else:
            lines.append(text)
        joins = is_short
    return lines


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - cells(text))
    return space + text if right else text + space
