"""Regular expressions of rules: re2 (linear time), or `regex` with a deadline where re2 cannot."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

SECONDS = 0.05  # that one search outside re2 may take; then it counts as no match
MOST_TEXT = 65536  # characters that are searched
MOST_BYTES = 1 << 22  # memory of one compiled expression

Search = Callable[[str], bool]


class Expression:
    """An expression that is searched for in a text; flags are among ``i m s``.

    Raises ValueError where no engine can compile it. `overdue` counts searches that were given up.
    """

    def __init__(self, pattern: str, flags: str = "") -> None:
        self.pattern = pattern
        self.flags = flags
        self.overdue = 0
        self._search = self._linear() or self._timed()

    def search(self, text: str) -> bool:
        """Whether the expression matches somewhere in the text."""
        try:
            return self._search(text[:MOST_TEXT])
        except UnicodeEncodeError:  # half a surrogate pair, as JSON may hold
            return self._search(text[:MOST_TEXT].encode("utf-8", "backslashreplace").decode())

    def _linear(self) -> Search | None:
        import re2

        marked = f"(?{self.flags}){self.pattern}" if self.flags else self.pattern
        try:
            compiled = re2.compile(marked, _options())
        except (re2.error, UnicodeEncodeError):
            return None
        # The object below re2's wrapper answers four times as fast; its absence only costs time.
        quick = getattr(compiled, "_regexp", None)
        anywhere = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)
        if quick is None or anywhere is None:
            return lambda text: compiled.search(text) is not None

        def search(text: str) -> bool:
            encoded = text.encode()
            spans = quick.Match(anywhere, encoded, 0, len(encoded))
            return bool(spans) and spans[0][0] >= 0

        return search

    def _timed(self) -> Search:
        import regex

        marks = {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}
        try:
            compiled = regex.compile(self.pattern, sum(marks[flag] for flag in self.flags))
        except regex.error as error:
            raise ValueError(f"expression does not compile: {error}") from None

        def search(text: str) -> bool:
            try:
                return compiled.search(text, timeout=SECONDS) is not None
            except TimeoutError:
                self.overdue += 1
                return False

        return search


@cache
def _options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = MOST_BYTES
    return options
