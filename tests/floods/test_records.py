from __future__ import annotations

import numpy as np

from mlids.capture import crafting as c
from mlids.capture.flows import flows
from mlids.floods.records import (
    GRACE_NS,
    GRID_NS,
    Captures,
    grouped,
    joined,
    nothing,
    records,
    settled,
    taken,
)
from mlids.testing import START_NS, packets


def some(count: int = 5) -> np.ndarray:
    batch = packets(
        [
            c.ethernet(c.ip("203.0.113.9", "192.168.1.10", 17, c.udp(n, 53, b"x" * n)))
            for n in range(count)
        ]
    )
    return records(batch, np.arange(count), flows(batch).key, 3)


def test_a_record_holds_what_the_packet_said() -> None:
    made = some()
    assert made["sport"].tolist() == [0, 1, 2, 3, 4]
    assert made["size"].tolist() == [0, 1, 2, 3, 4]
    assert made["time"].tolist() == [START_NS + n * 1_000_000 for n in range(5)]
    assert made["frame"].tolist() == [1, 2, 3, 4, 5]
    assert set(made["capture"].tolist()) == {3}
    assert len(set(made["key"].tolist())) == 1
    assert made["dst_lo"][0] & 0xFFFFFFFF == 0xC0A8010A


def test_taken_and_joined() -> None:
    made = some()
    assert taken(made, np.array([3, 1]))["sport"].tolist() == [3, 1]
    assert taken(made, made["size"] > 2)["sport"].tolist() == [3, 4]
    assert joined(nothing(), made, nothing(), made)["sport"].tolist() == [0, 1, 2, 3, 4] * 2
    assert len(joined(nothing(), nothing())) == 0


def test_grouped_brings_equal_keys_together_in_order() -> None:
    rng = np.random.default_rng(1)
    for size in (0, 1, 1000, 70_000):
        keys = rng.integers(0, 50, size).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        order = grouped(keys)
        assert sorted(order.tolist()) == list(range(size))
        ordered = keys[order]
        changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        assert len(changes) == max(0, len(set(keys.tolist())) - 1)
        for group in np.split(order, changes):
            assert (np.diff(group) > 0).all()


def test_settled_waits_for_answers() -> None:
    assert settled(START_NS) <= START_NS - GRACE_NS
    assert settled(START_NS) % GRID_NS == 0
    assert settled(START_NS + GRID_NS) == settled(START_NS) + GRID_NS
    assert settled(START_NS + GRID_NS - 1 - START_NS % GRID_NS) == settled(START_NS)


def test_captures_have_numbers() -> None:
    captures = Captures()
    assert [captures.number(name) for name in ("a", "b", "a", "b", "c")] == [0, 1, 0, 1, 2]
    assert captures.names == ["a", "b", "c"]
