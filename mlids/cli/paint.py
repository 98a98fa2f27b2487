"""Colours for reports on a terminal: severities and verdicts in cells, titles bold."""

from __future__ import annotations

import re

import click

from mlids.cli import console

STYLES = console.SEVERITY_STYLE | {
    "PASS": {"fg": "green"},
    "WARN": {"fg": "yellow"},
    "FAIL": {"fg": "red", "bold": True},
    "NOT ASSESSED": {"dim": True},
}
# A word is painted only where it is a whole cell: texts of attackers stay plain.
_CELL = re.compile(rf"(?<=  )({'|'.join(STYLES)})(?=  |$)", re.MULTILINE)
_TITLE = re.compile(r"^(.+)\n(?=(=+|-+)$)", re.MULTILINE)


def painted(text: str) -> str:
    """The same text with colours; whether they are shown is the terminal's affair."""
    titled = _TITLE.sub(lambda found: click.style(found[1], bold=True) + "\n", text)
    return _CELL.sub(lambda found: click.style(found[1], **STYLES[found[1]]), titled)
