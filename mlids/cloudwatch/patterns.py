"""Which streams are meant: names, and patterns of names."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

LATEST = "[$LATEST]"  # in names of streams of functions; nobody means one of these letters by it


class StreamPatterns:
    """Names and patterns (``*``, ``?``, ``[ab]``) of streams; none of them means every stream."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self.patterns = tuple(dict.fromkeys(patterns))
        escaped = (one.replace(LATEST, f"[[]{LATEST[1:]}") for one in self.patterns)
        self._match = re.compile("|".join(map(fnmatch.translate, escaped))).match
        self._names = frozenset(self.patterns)

    def matches(self, name: str) -> bool:
        """Whether a stream of that name is meant."""
        return not self.patterns or name in self._names or self._match(name) is not None

    @property
    def only(self) -> str | None:
        """The one stream that is meant, where it is a name and no pattern."""
        if len(self.patterns) != 1:
            return None
        name = self.patterns[0]
        return None if set("*?[") & set(name.replace(LATEST, "")) else name
