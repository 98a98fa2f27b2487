from __future__ import annotations

import random

import msgspec
import numpy as np

from mlids.lookups.sightings import Sightings, sighting

WINDOW = 300


def mixed(values: list[int]) -> np.ndarray:
    return np.array([v * 0x9E3779B97F4A7C15 % 2**64 | 1 for v in values], np.uint64)


def records(pairs: list[int], times: list[int], refused: int = 0) -> np.ndarray:
    made = np.zeros(len(pairs), sighting())
    made["pair"], made["time"], made["refused"] = mixed(pairs), times, refused
    return made


def plain(names: list[int], times: list[int]) -> list[int]:
    """Which are sightings, one after the other."""
    since: dict[int, int] = {}
    found = []
    for n, (name, time) in enumerate(zip(names, times, strict=True)):
        if name not in since or time - since[name] >= WINDOW:
            since[name] = time
            found.append(n)
    return found


def test_distinct_names_as_one_by_one_wherever_batches_end() -> None:
    rng = random.Random(1)
    for gap in (1, 50, 200):
        names = [rng.randrange(20) for _ in range(300)]
        times = np.cumsum([rng.randrange(gap) for _ in names]).tolist()
        for pieces in (1, 2, 7, 300):
            seen, found = Sightings(1000, WINDOW), []
            for n in range(pieces):
                a, b = len(names) * n // pieces, len(names) * (n + 1) // pieces
                part = seen.distinct(mixed(names[a:b]), np.array(times[a:b], np.int64))
                found += (part + a).tolist()
            assert found == plain(names, times)


def test_what_is_remembered() -> None:
    seen = Sightings(8, WINDOW)
    seen.add(records([1, 2, 1], [0, 10, 20]))
    assert seen.of(mixed([1]))["time"].tolist() == [0, 20]
    seen.add(records([1, 2], [305, 306]))
    assert seen.of(mixed([1, 2]))["time"].tolist() == [10, 20, 305, 306]
    for n in range(20):
        seen.add(records([3, 4], [310 + n, 310 + n]))
    assert len(seen.of(mixed([1, 2, 3, 4]))) == 8
    assert seen.lost > 30


def test_upper_bound_of_names_a_pair_has() -> None:
    seen = Sightings(100, WINDOW)
    pairs, total = seen.counted(records([1, 1, 2], [0, 1, 2]))
    assert dict(zip(pairs.tolist(), total.tolist(), strict=True)) == dict(
        zip(mixed([1, 2]).tolist(), [2, 1], strict=True)
    )
    assert seen.counted(records([1], [100]))[1].tolist() == [3]
    assert seen.counted(records([1], [400]))[1].tolist() == [1]  # after a pause
    assert seen.counted(records([1, 1], [401, 402], refused=1))[1].tolist() == []


def test_state_and_bounds() -> None:
    rng = random.Random(2)
    seen = Sightings(100, WINDOW)
    for n in range(50):
        names = [rng.randrange(10**9) for _ in range(100)]
        times = np.full(100, n, np.int64)
        chosen = seen.distinct(mixed(names), times)
        made = records(names, times.tolist())[chosen]
        seen.add(made)
        seen.counted(made)
    assert seen.evicted > 5000
    other = Sightings(100, WINDOW)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(seen.save())))
    assert other.save() == seen.save()
