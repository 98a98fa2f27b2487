"""A document as one HTML file that needs nothing else: plots inside, tables that sort, print style.

Text is escaped by the template engine, and a content security policy lets nothing run or load but
the one script that sorts, named by its hash.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from mlids.documents import Document, Figure, Table, Value
from mlids.encoders import terminal_safe

LONGEST = 20_000  # characters of one text
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?")


def render(document: Document) -> str:
    """The whole page."""
    script = _part("sorting.js")
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    return str(
        _template().render(
            document=document, style=_part("page.css"), script=script, script_hash=digest
        )
    )


@cache
def _template() -> Any:
    import jinja2

    engine = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    engine.filters |= {
        "shown": _shown,
        "number": _is_number,
        "moment": _is_moment,
        "numbers": _are_numbers,
        "counts": _are_counts,
        "sort_key": str,
        "embedded": _embedded,
    }
    return engine.from_string(_part("page.html"))


def _part(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float)


def _is_moment(value: Value) -> bool:
    """Whether it is a time as reports write it, which reads badly on two lines."""
    return isinstance(value, str) and _MOMENT.fullmatch(value) is not None


def _are_numbers(table: Table, at: int) -> bool:
    """Whether a column holds nothing else."""
    return bool(table.rows) and all(_is_number(row[at]) for row in table.rows)


def _are_counts(table: Table) -> bool:
    """Names with one number each: such tables stand side by side."""
    return len(table.columns) == 2 and _are_numbers(table, 1)


def _shown(value: Value) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else terminal_safe(value, LONGEST)


def _embedded(figure: Figure) -> str:
    return "data:image/png;base64," + base64.b64encode(figure.png).decode()
