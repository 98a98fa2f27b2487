"""Who takes part, and how often: a bounded table of distinct things with an honest estimate.

Of the distinct things those with the smallest hashes are kept, which is a fair sample of them, so
that their number can be told from how dense it is (k minimum values: Bar-Yossef and others,
"Counting distinct elements in a data stream", 2002; about 12 % off with `KEPT` of them, exact
below). The most frequent ones are kept beside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

KEPT = 64
TOP = 4
WHOLE = (1 << 64) - 1


class Sketch(msgspec.Struct, array_like=True):
    """Distinct things and how often each was seen: ``{hash: (count, name…)}``."""

    seen: dict[int, tuple[int, ...]] = {}
    bound: int = WHOLE  # every thing with a hash below was kept

    def distinct(self) -> int:
        """About how many there are; exact up to `KEPT`."""
        sample = sum(h < self.bound for h in self.seen)
        return sample if self.bound == WHOLE else max(sample, round(sample * WHOLE / self.bound))

    def top(self) -> list[tuple[int, ...]]:
        """The most frequent ones, ``(count, name…)``."""
        return sorted(self.seen.values(), key=lambda one: (-one[0], one[1:]))[:TOP]

    def rare(self, most: int, sightings: int) -> float:
        """About how many of so many sightings are of things seen `most` times or less.

        Exact where there are no others, since the most frequent ones are kept.
        """
        if all(value[0] <= most for value in self.seen.values()):
            return sightings
        sample = sum(v[0] for h, v in self.seen.items() if h < self.bound and v[0] <= most)
        return min(float(sightings), sample * (WHOLE / self.bound))


def sketch(hashes: Words, *names: NDArray[Any]) -> Sketch:
    """The sketch of these sightings; names: what things with this hash are called."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    count = np.diff(first, append=len(ordered))
    kept = np.arange(min(KEPT, len(first)))
    if len(first) > KEPT:
        often = np.argsort(-count, kind="stable")[:TOP]
        kept = np.concatenate((kept, often[often >= KEPT]))
    rows = order[first[kept]]
    things = zip(
        count[kept].tolist(), *(np.asarray(name)[rows].tolist() for name in names), strict=True
    )
    bound = int(ordered[first[KEPT]]) if len(first) > KEPT else WHOLE
    return Sketch(dict(zip(ordered[first[kept]].tolist(), things, strict=True)), bound)


def merged(parts: Iterable[Sketch]) -> Sketch:
    """The sketch of all of them together."""
    seen: dict[int, tuple[int, ...]] = {}
    bound = WHOLE
    for part in parts:
        bound = min(bound, part.bound)
        for key, value in part.seen.items():
            known = seen.get(key)
            seen[key] = (value[0] + known[0], *value[1:]) if known else tuple(value)
    sample = sorted(key for key in seen if key < bound)
    if len(sample) > KEPT:
        bound = sample[KEPT]
    often = sorted(seen, key=lambda key: (-seen[key][0], key))[:TOP]
    kept = {key: seen[key] for key in sample[:KEPT]}
    kept.update({key: seen[key] for key in often})
    return Sketch(kept, bound)
