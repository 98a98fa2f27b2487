"""A document as Markdown (GitHub's tables)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlids.documents import Document, Table, Value
from mlids.encoders import terminal_safe

_ACTIVE = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$@:-])")


def render(document: Document) -> str:
    """The whole document."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield f"# {escaped(document.title)}"
    yield ""
    yield f"{escaped(document.subtitle)}  "
    yield f"Written {escaped(document.made)}"
    for section in document.sections:
        yield ""
        yield f"## {escaped(section.title)}"
        for paragraph in section.paragraphs:
            yield ""
            yield escaped(paragraph)
        for table in section.tables:
            yield ""
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"### {escaped(table.title)}"
        yield ""
    if not table.rows:
        yield "(none)"
        return
    numbers = [
        all(isinstance(value, int | float) for value in column)
        for column in zip(*table.rows, strict=True)
    ]
    yield _row(map(escaped, table.columns))
    yield _row("---:" if number else "---" for number in numbers)
    for row in table.rows:
        yield _row(map(_shown, row))
    if table.note:
        yield ""
        yield escaped(table.note)


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(value: Value) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else escaped(value)


def escaped(text: str) -> str:
    """Text in which nothing is markup, a link, HTML or a mention, however it is rendered."""
    return _ACTIVE.sub(r"\\\1", terminal_safe(text, 20_000))
