"""Patterns over hostile text: literals first, then re2 (linear time), on bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import re2


class Pattern:
    """A re2 pattern that must match a whole text; `numbers` are those of its named groups.

    Raises ValueError where re2 cannot compile it. `max_text` bounds what is looked at.
    """

    def __init__(self, pattern: str, max_text: int = 65536) -> None:
        self.pattern = pattern
        self.max_text = max_text
        try:
            self._compiled = re2.compile(pattern.encode(), _options())
        except re2.error as error:
            raise ValueError(f"pattern does not compile: {error.args[0]!r}: {pattern}") from None
        groups = self._compiled.groupindex.items()
        self.numbers = {_text(name): number for name, number in groups}
        self._groups = self._compiled.groups
        # The object below re2's wrapper answers four times as fast; its absence only costs time.
        quick = getattr(self._compiled, "_regexp", None)
        whole = getattr(getattr(re2, "_Anchor", None), "ANCHOR_BOTH", None)
        self._quick = partial(quick.Match, whole) if quick and whole else None

    def spans(self, text: bytes) -> Sequence[tuple[int, int]] | None:
        """Begin and end of the whole and of each group if the text matches; (-1, -1): no part."""
        if len(text) > self.max_text:
            return None
        if self._quick is None:
            return self.spans_plainly(text)
        spans: Sequence[tuple[int, int]] = self._quick(text, 0, len(text))
        return spans if spans and spans[0][0] == 0 else None

    def spans_plainly(self, text: bytes) -> Sequence[tuple[int, int]] | None:
        """The same by re2's public interface."""
        found = self._compiled.fullmatch(text)
        return [found.span(number) for number in range(self._groups + 1)] if found else None


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


@cache
def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # a byte is a character: junk stays junk
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 64 << 20
    return options
