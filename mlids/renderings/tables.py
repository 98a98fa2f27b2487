"""The tables of a document as CSV, one below the other, each under its title."""

from __future__ import annotations

import csv
import io

from mlids.documents import Document, Value
from mlids.encoders import csv_safe


def render(document: Document) -> str:
    """All tables; no cell is taken for a formula by a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for section in document.sections:
        for table in section.tables:
            writer.writerow([csv_safe(table.title or section.title)])
            writer.writerow(map(csv_safe, table.columns))
            writer.writerows([_shown(value) for value in row] for row in table.rows)
            writer.writerow([])
    return buffer.getvalue()


def _shown(value: Value) -> str:
    return csv_safe(value) if isinstance(value, str) else str(value)
