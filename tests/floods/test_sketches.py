from __future__ import annotations

import msgspec
import numpy as np
import pytest

from mlids.floods.records import addresses
from mlids.floods.sketches import KEPT, TOP, Sketch, merged, sketch


def hashes(values: np.ndarray) -> np.ndarray:
    words = values.astype(np.uint64)
    return addresses(np.zeros(len(words), np.uint64), words)


def test_few_things_are_counted_exactly() -> None:
    values = np.repeat(np.arange(KEPT), np.arange(1, KEPT + 1))
    found = sketch(hashes(values), values)
    assert found.distinct() == KEPT
    assert found.top()[0] == (KEPT, KEPT - 1)
    assert found.top()[1] == (KEPT - 1, KEPT - 2)
    assert sum(value[0] for value in found.seen.values()) == len(values)


@pytest.mark.parametrize("count", [100, 1000, 30_000])
def test_many_things_are_estimated(count: int) -> None:
    values = np.arange(count)
    found = sketch(hashes(values), values)
    assert 0.6 < found.distinct() / count < 1.6
    assert len(found.seen) <= KEPT + TOP


def test_the_most_frequent_are_kept_whatever_their_hash() -> None:
    values = np.concatenate((np.arange(5000), np.full(900, 77), np.full(800, 4711)))
    found = sketch(hashes(values), values)
    assert [one[1] for one in found.top()[:2]] == [77, 4711]
    assert found.top()[0][0] == 901


def test_merging_is_as_counting_together() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.integers(0, 50, 400) for _ in range(5)]
    together = np.concatenate(parts)
    found = merged(sketch(hashes(part), part) for part in parts)
    whole = sketch(hashes(together), together)
    assert found.distinct() == whole.distinct() == 50
    assert found.top() == whole.top()


def test_merging_many() -> None:
    parts = [np.arange(n * 1000, n * 1000 + 2000) for n in range(10)]
    found = merged(sketch(hashes(part), part) for part in parts)
    assert 0.6 < found.distinct() / 11_000 < 1.6
    assert len(found.seen) <= KEPT + TOP
    assert merged([]).distinct() == 0


def test_rare_sightings() -> None:
    values = np.concatenate((np.arange(40), np.full(500, 99)))
    found = sketch(hashes(values), values)
    assert found.rare(3, len(values)) == 40
    alone = np.arange(9999)
    assert sketch(hashes(alone), alone).rare(1, 9999) == 9999  # exact: nothing is frequent
    many = np.concatenate((np.arange(10_000), np.full(5000, 99)))
    assert 0.5 < sketch(hashes(many), many).rare(3, len(many)) / 10_000 < 1.5


def test_survives_a_restart() -> None:
    values = np.arange(1000)
    found = sketch(hashes(values), values)
    data = msgspec.msgpack.decode(msgspec.msgpack.encode(msgspec.to_builtins(found)))
    again = msgspec.convert(data, Sketch)
    assert again.distinct() == found.distinct()
    assert again.top() == found.top()
