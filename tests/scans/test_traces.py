from __future__ import annotations

import msgspec
import numpy as np

from mlids.scans.traces import HOUR_NS, Traces

NOW = 480_000 * HOUR_NS  # some day in 2024


def keys(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 1 << 64, count, dtype=np.uint64)


def put(traces: Traces, some: np.ndarray, at: int = NOW, count: int = 1) -> None:
    traces.put(some, np.full(len(some), at), np.full(len(some), count))


def test_what_failed_is_remembered_once() -> None:
    traces, some = Traces(), keys(1000)
    assert traces.take(some, NOW).sum() == 0
    put(traces, some, count=2)
    assert traces.take(some[:10], NOW + HOUR_NS).tolist() == [2] * 10
    assert traces.take(some[:10], NOW + HOUR_NS).tolist() == [0] * 10
    assert (traces.take(some, NOW) == 2).sum() >= 980


def test_nobody_else_is_taken_for_one_of_them() -> None:
    traces = Traces(12)
    put(traces, keys(50_000))
    assert (traces.take(keys(50_000, 2), NOW) > 0).sum() < 10


def test_it_fades_after_a_week_and_counts_are_cut() -> None:
    traces, some = Traces(), keys(2)
    put(traces, some, count=99)
    assert traces.take(some[:1], NOW + 7 * 24 * HOUR_NS).tolist() == [7]
    assert traces.take(some[1:], NOW + (7 * 24 + 1) * HOUR_NS).tolist() == [0]


def test_the_latest_stay_and_memory_is_bounded() -> None:
    traces = Traces(10)
    for seed in range(20):
        put(traces, keys(1000, seed))
    assert (traces.take(keys(1000, 19), NOW) > 0).mean() > 0.5
    assert (traces.take(keys(1000, 0), NOW) > 0).mean() < 0.01


def test_state_is_kept() -> None:
    traces, again, some = Traces(), Traces(), keys(50)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(traces.save())))
    assert again.take(some, NOW).sum() == 0
    put(traces, some)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(traces.save())))
    assert again.take(some, NOW).sum() == 50
    smaller = Traces(4)
    smaller.restore(traces.save())
    assert smaller.take(some, NOW).sum() == 0
