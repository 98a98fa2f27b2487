"""Patterns: texts in which ``*`` stands for anything and ``?`` for one character, case aside.

Matching takes time that is linear in the text: every part between two stars is looked for once,
from the left, and what was found is not tried again (atomic groups).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from itertools import groupby


class Wild(Enum):
    """The two wildcards."""

    MANY = "*"
    ONE = "?"


Piece = str | Wild


class Pattern:
    """A text with or without wildcards; pieces: literal texts and wildcards, in order."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = [piece.casefold() if isinstance(piece, str) else piece for piece in pieces]
        self.literals = [piece for piece in self.pieces if isinstance(piece, str)]
        self.wild = len(self.literals) < len(self.pieces)
        self.literal = "".join(self.literals)
        if self.wild:
            self._prepare()
        else:
            self.literals = [self.literal]

    def _prepare(self) -> None:
        self._open_start = self.pieces[0] is Wild.MANY
        self._open_end = self.pieces[-1] is Wild.MANY
        self._parts = [
            "".join(map(_expression, part))
            for star, part in groupby(self.pieces, lambda piece: piece is Wild.MANY)
            if not star
        ]
        self._whole = re.compile(self._whole_expression(), re.DOTALL)
        self._inside = re.compile(self._inside_expression(), re.DOTALL)

    @classmethod
    def literally(cls, text: str) -> Pattern:
        """A text in which nothing is a wildcard."""
        return cls([text])

    def equals(self, folded: str) -> bool:
        """True where a (casefolded) text is this one as a whole."""
        return bool(self._whole.match(folded)) if self.wild else folded == self.literal

    def within(self, folded: str) -> bool:
        """True where a (casefolded) text has this one in it."""
        return bool(self._inside.match(folded)) if self.wild else self.literal in folded

    def expression(self, many: str = ".*", one: str = ".") -> str:
        """It as a regular expression for RE2, which knows no atomic groups and needs none."""
        meaning = {Wild.MANY: many, Wild.ONE: one}
        return "".join(
            re.escape(piece) if isinstance(piece, str) else meaning[piece] for piece in self.pieces
        )

    def _whole_expression(self) -> str:
        parts = list(self._parts)
        first = "" if self._open_start or not parts else parts.pop(0)
        last = "" if self._open_end else (f".*{parts.pop()}\\Z" if parts else "\\Z")
        return first + "".join(f"(?>.*?{part})" for part in parts) + last

    def _inside_expression(self) -> str:
        return "".join(f"(?>.*?{part})" for part in self._parts)


def _expression(piece: Piece) -> str:
    return re.escape(piece) if isinstance(piece, str) else "."
