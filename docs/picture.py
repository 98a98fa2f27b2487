"""Draws what a terminal showed (ANSI text on standard input) as an SVG for the README.

tmux capture-pane -p -e | python -m docs.picture TITLE docs/images/console.svg
"""

from __future__ import annotations

import io
import sys

from rich.console import Console
from rich.text import Text


def main(title: str, target: str) -> None:
    """Read, draw, write."""
    text = Text.from_ansi(sys.stdin.read().rstrip())
    width = max((len(line) for line in text.plain.splitlines()), default=80)
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(text, no_wrap=True)
    console.save_svg(target, title=title)


if __name__ == "__main__":
    main(*sys.argv[1:3])
