"""Patterns that users give for their own logs: what one holds, and how it is matched.

Whatever a pattern is, it cannot freeze the process: re2 takes linear time; what re2 does not know
(lookaround, backreferences) runs with a time limit a line, and is switched off where it runs into
it again and again.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import msgspec
import re2
from msgspec import Meta

LIMIT_S = 0.05  # a line
MOST_LATE = 100  # lines that a pattern may not finish before it is switched off
RE2_BYTES = 16 << 20


class UserPattern(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One pattern (`monitoring.app_log_patterns`). Raises ValueError where it makes no sense."""

    name: Annotated[str, Meta(min_length=1, pattern=r"^[\w.-]+$", description="of the rule")]
    pattern: Annotated[
        str, Meta(min_length=1, description="regular expression with named groups, found anywhere")
    ]
    fields: Annotated[
        dict[str, str],
        Meta(description="named group: field of the event (ip, user, path …); else its own name"),
    ] = {}
    severity: Annotated[
        Literal["LOW", "MEDIUM", "MIDDLE", "HIGH", "CRITICAL"], Meta(description="of its events")
    ] = "MEDIUM"
    event_type: Annotated[str, Meta(min_length=1, description="of its events")] = "Rule Match"
    techniques: Annotated[list[str], Meta(description="MITRE ATT&CK ids")] = []
    tags: list[str] = []
    sources: Annotated[list[str], Meta(description="inputs (globs) it is for; empty: all")] = []
    threshold: Annotated[
        int, Meta(ge=1, le=10_000, description="lines of one ip or user within window_s")
    ] = 1
    window_s: Annotated[int, Meta(ge=1, le=86_400, description="seconds")] = 600

    def __post_init__(self) -> None:
        groups = Matching(self).groups
        if unknown := self.fields.keys() - groups.keys():
            raise ValueError(f"fields: the pattern has no group {', '.join(sorted(unknown))}")


class Matching:
    """A pattern that is ready to match. `late` counts lines that it did not finish in time.

    quick: re2 knows it. Raises ValueError where nobody does.
    """

    def __init__(self, user: UserPattern) -> None:
        self.user = user
        self.late = 0
        try:
            self._compiled: Any = re2.compile(user.pattern.encode(), _options())
            self.quick = True
        except re2.error as error:
            self._compiled = _slow(user.pattern, str(error.args[0]))
            self.quick = False
        named = self._compiled.groupindex.items()
        self.groups = {n.decode() if isinstance(n, bytes) else n: number for n, number in named}

    @property
    def off(self) -> bool:
        """Whether it was late too often to be asked again."""
        return self.late >= MOST_LATE

    def find(self, line: bytes) -> dict[str, bytes] | None:
        """What the named groups hold where the pattern is found in a line."""
        if self.quick:
            found = self._compiled.search(line)
        else:
            try:
                found = self._compiled.search(line, timeout=LIMIT_S)
            except TimeoutError:
                self.late += 1
                return None
        if found is None:
            return None
        held = ((name, found.group(number)) for name, number in self.groups.items())
        return {name: value for name, value in held if value is not None}


def _slow(pattern: str, why: str) -> Any:
    import regex

    try:
        return regex.compile(pattern.encode())
    except regex.error as error:
        raise ValueError(f"pattern does not compile: {error or why}") from None


@cache
def _options() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = RE2_BYTES
    return options


class Candidates:
    """Finds the places in a whole chunk where any of some quick patterns may be."""

    def __init__(self, patterns: list[Matching]) -> None:
        # Anchors of a text are those of each of its lines here.
        spelt = "|".join(f"(?:{one.user.pattern})" for one in patterns)
        for name in {name for one in patterns for name in one.groups}:
            spelt = spelt.replace(f"(?P<{name}>", "(?:").replace(f"(?<{name}>", "(?:")
        self.whole = any(r"\A" in one.user.pattern or r"\z" in one.user.pattern for one in patterns)
        self._every = re2.compile(f"(?m)(?:{spelt})[^\\n]*".encode(), _options())

    def places(self, text: bytes) -> list[tuple[int, int]]:
        """Begin and end of each, to the end of a line; several lines where a pattern spans them."""
        return [found.span() for found in self._every.finditer(text)]
