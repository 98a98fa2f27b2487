"""Patterns over hostile text: literals first, then re2 (linear time), on bytes."""

from __future__ import annotations

from functools import cache
from typing import Any

import re2


class Pattern:
    """A re2 pattern that must match a whole text; gives its named groups as bytes, in order.

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
        self.names = tuple(_text(name) for name, _ in sorted(groups, key=lambda item: item[1]))
        self._numbers = sorted(number for _, number in groups)
        # The object below re2's wrapper answers four times as fast; its absence only costs time.
        self._quick: Any = getattr(self._compiled, "_regexp", None)
        self._whole: Any = re2._Anchor.ANCHOR_BOTH if hasattr(re2, "_Anchor") else None

    def match(self, text: bytes) -> list[bytes | None] | None:
        """The named groups (None: took no part) if the whole text matches, else None."""
        if len(text) > self.max_text:
            return None
        if self._quick is None or self._whole is None:
            return self.match_plainly(text)
        spans = self._quick.Match(self._whole, text, 0, len(text))
        if not spans or spans[0][0] < 0:
            return None
        return [
            text[spans[number][0] : spans[number][1]] if spans[number][0] >= 0 else None
            for number in self._numbers
        ]

    def match_plainly(self, text: bytes) -> list[bytes | None] | None:
        """The same by re2's public interface."""
        found = self._compiled.fullmatch(text)
        return [found.group(number) for number in self._numbers] if found else None


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
