"""Well mixed numbers of addresses and ports, to find and to group by (multiply and xor-shift, as in
splitmix64 by Steele, Lea and Flood, 2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]


def endpoint(hi: Words, lo: Words, port: NDArray[Any]) -> Words:
    """A well mixed number of an address and a port."""
    x = lo * np.uint64(0x9E3779B97F4A7C15)
    x += hi * np.uint64(0xD6E8FEB86659FD93)
    x += port.astype(np.uint64) * np.uint64(0xA0761D6478BD642F)
    x ^= x >> np.uint64(29)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    return x ^ (x >> np.uint64(32))


def pair_key(a: Words, b: Words) -> Words:
    """A key of two endpoints, in this order."""
    x = a * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    x += b
    return x
