from __future__ import annotations

import numpy as np

from mlids.capture.mixing import endpoint, pair_key


def test_neighbouring_addresses_are_spread_over_the_whole_range() -> None:
    low = np.arange(1 << 16, dtype=np.uint64)
    nothing = np.zeros(1 << 16, np.uint64)
    keys = endpoint(nothing, low, nothing.astype(np.uint16))
    assert len(np.unique(keys)) == len(keys)
    counts = np.bincount((keys >> np.uint64(56)).astype(np.int64), minlength=256)
    assert counts.min() > 150
    assert counts.max() < 370  # 256 on average


def test_the_order_of_a_pair_matters() -> None:
    a, b = np.array([5], np.uint64), np.array([9], np.uint64)
    assert pair_key(a, b) != pair_key(b, a)
    assert pair_key(a, b) == pair_key(a.copy(), b.copy())
