"""One pass over the raw lines finds which rules could match which of them (Aho-Corasick).

Each rule gives literals of which any matching line holds one; a rule without is held against every
line. A line that spells characters in another way (escapes, hexadecimal digits) may hold a literal
unseen: it is looked at once more as the record that it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import ahocorasick_rs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What escapes in JSON begin with, unless they stand for what is never part of a literal (quotes,
# backslashes, control characters); elsewhere any letter may be escaped. Then letters outside of
# ASCII that fold to ASCII ones.
ESCAPES = (b"\\u", b"\\x", b"\\/", *(b"\\%d" % digit for digit in range(8)))
BACKSLASH = ord("\\")
FOLDING = ("\u212a".encode(), "\u0130".encode(), "\u017f".encode())


class Screen:
    """Looks for literals; `wanted` are those of each rule, by its number, None: any line.

    json: lines are JSON, so that only some escapes can hide a literal.
    """

    def __init__(self, wanted: Sequence[frozenset[bytes] | None], json: bool = False) -> None:
        self.always = tuple(rule for rule, known in enumerate(wanted) if known is None)
        rules: dict[bytes, list[int]] = {}
        for rule, known in enumerate(wanted):
            for literal in known or ():
                rules.setdefault(literal, []).append(rule)
        self._json = json
        odd = (*(ESCAPES if json else ()), *FOLDING)
        self._literals = [*rules, *(one for one in odd if one not in rules)]
        self._rules = [tuple(rules.get(one, ())) for one in self._literals]
        self._odd = np.array([one in odd for one in self._literals], dtype=np.bool_)
        self._machine = ahocorasick_rs.BytesAhoCorasick(self._literals)

    def rules_of(self, text: bytes) -> set[int]:
        """The rules (without those of every line) that a folded text could match."""
        found = self._machine.find_matches_as_indexes(text, overlapping=True)
        return {rule for literal in {hit[0] for hit in found} for rule in self._rules[literal]}

    def lines(
        self, data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[dict[int, set[int]], set[int]]:
        """By row, the rules that its line could match; and the rows that must be looked at again.

        The lines lie in the order of their bytes.
        """
        if not len(starts):
            return {}, set()
        first, last = int(starts[0]), int(ends[-1])
        folded = data[first:last].lower()
        odd = set() if self._json else _backslashed(folded, starts - first)
        found: Any = self._machine.find_matches_as_indexes(folded, overlapping=True)
        if not found:
            return {}, odd
        flat = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=3 * len(found))
        hits = flat.reshape(-1, 3)
        rows = np.searchsorted(starts, hits[:, 1] + first, side="right") - 1
        inside = (rows >= 0) & (hits[:, 2] + first <= ends[rows])
        pairs = np.unique(rows[inside] * len(self._literals) + hits[inside, 0])
        rows, numbers = np.divmod(pairs, len(self._literals))
        odd |= set(rows[self._odd[numbers]].tolist())
        candidates: dict[int, set[int]] = {}
        for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
            if self._rules[number]:
                candidates.setdefault(row, set()).update(self._rules[number])
        return candidates, odd


def _backslashed(text: bytes, starts: NDArray[np.int64]) -> set[int]:
    """Rows with a backslash; a line may be full of them, so they are not looked for one by one."""
    if b"\\" not in text:
        return set()
    places = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == BACKSLASH)
    return set(np.unique(np.searchsorted(starts, places, side="right") - 1).tolist())
