"""Lines that hold any of some literals, found in one pass over a chunk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import LineBatch


class Literals:
    """A set of literals, compiled into one automaton (Aho and Corasick 1975)."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        import ahocorasick_rs

        self.texts = tuple(texts)
        self._automaton = ahocorasick_rs.BytesAhoCorasick(self.texts) if self.texts else None

    def rows(self, batch: LineBatch) -> NDArray[np.intp]:
        """The rows whose line holds one of them, ascending; all where there are no literals.

        The lines of the batch must lie in the order of their bytes, as monitors give them.
        """
        if self._automaton is None or not len(batch):
            return np.arange(len(batch))
        part, begin = batch.span()
        hits = self._automaton.find_matches_as_indexes(part)
        if not hits:
            return np.empty(0, dtype=np.intp)
        spans = np.array(hits, dtype=np.int64)[:, 1:] + begin
        rows = np.searchsorted(batch.starts, spans[:, 0], side="right") - 1
        rows = rows[(rows >= 0) & (spans[:, 1] <= batch.ends[rows])]
        return rows[np.concatenate(([True], rows[1:] != rows[:-1]))] if len(rows) else rows
