"""QueryError: what cannot be read in a query, and where."""

from __future__ import annotations

from mlids.errors import MLIDSError

_BEFORE, _BEHIND = 60, 20  # characters of a long query that are shown around the place


class QueryError(MLIDSError):
    """E105: the query cannot be read, which is wrong use.

    position: of the character, from 0; expected: what was wrong there, in words; shown: the query,
    and below it a caret under the character with those words.
    """

    exit_status = 2

    def __init__(self, query: str, position: int, expected: str) -> None:
        self.position = position
        self.expected = expected
        start = max(0, position - _BEFORE)
        excerpt = query[start : position + _BEHIND]
        # One cell a character, whatever the query holds, so that the caret stands below its place.
        line = "".join(
            char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in excerpt
        )
        self.shown = (line, " " * (position - start) + f"^ {expected}")
        message = "the query cannot be read:\n    " + "\n    ".join(self.shown)
        super().__init__("E105", message, "docs/reference/query.md describes the language")
