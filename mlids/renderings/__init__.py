"""How documents look: text, Markdown, HTML, PDF, tables as CSV; or their data as JSON.

What is shown cannot act on its reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from mlids.documents import Document
from mlids.errors import MLIDSError

NAMES = ("txt", "json", "csv", "md", "html", "pdf")


def render(name: str, data: Any, document: Document, width: int = 0) -> bytes:
    """A report in one of the formats `NAMES`; data: what JSON carries of it.

    width: of text, in columns (0: as it is usual). Raises `MLIDSError` E105 for another name, E005
    where PDF cannot be written here.
    """
    from mlids.renderings import html, markdown, pdf, tables, text

    if name == "json":
        return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"
    if name == "pdf":
        return pdf.render(document)
    writers: dict[str, Callable[[Document], str]] = {
        "txt": lambda document: text.render(document, width or text.WIDTH),
        "csv": tables.render,
        "md": markdown.render,
        "html": html.render,
    }
    if name not in writers:
        raise MLIDSError("E105", f"{name!r} is no report format", f"use {', '.join(NAMES)}")
    return writers[name](document).encode("utf-8", "backslashreplace")
