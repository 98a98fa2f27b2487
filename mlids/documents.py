"""What a report says, apart from how it looks: a document of sections, tables and figures.

A report is made once as a document and written as text, Markdown, HTML or PDF from there.
"""

from __future__ import annotations

import msgspec

Value = str | int | float


class Table(msgspec.Struct, frozen=True):
    """Rows under a heading; each row has one value a column. `note` stands below it."""

    title: str
    columns: list[str]
    rows: list[list[Value]]
    note: str = ""


class Figure(msgspec.Struct, frozen=True):
    """A plot (PNG bytes), with a title and the text for those who do not see it."""

    title: str
    alternative: str
    png: bytes


class Section(msgspec.Struct, frozen=True):
    """A heading with paragraphs, then tables, then figures. All of it is plain text."""

    title: str
    paragraphs: list[str] = []
    tables: list[Table] = []
    figures: list[Figure] = []


class Document(msgspec.Struct, frozen=True):
    """A whole report; `subtitle` names period and host, `made` the moment it was written (UTC)."""

    title: str
    subtitle: str
    made: str
    sections: list[Section] = []
