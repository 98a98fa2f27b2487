from __future__ import annotations

import random

import msgspec
import pytest

from mlids.lookups.watch import MOST_MARKS, Finding, Limits, Seen, Watch

LIMITS = Limits(300, 20, 42.0, 15, 100.0, 30, 0.5, 300, 12_000, 18.0)


def seen(time: int, size: int = 60, label: int = 0, odd: int = 0, refused: int = 0) -> Seen:
    return Seen(time, time, 0, size, min(label or size, 63), odd, refused)


def told(watch: Watch, *each: Seen, **more: float) -> list[Finding]:
    found = (watch.observe(one, LIMITS, **more) for one in each)
    return [finding for finding in found if finding is not None]


@pytest.mark.parametrize(
    ("one", "technique", "names"),
    [
        ({"size": 60}, "long-labels", 20),
        ({"size": 110, "label": 30}, "long-names", 15),
        ({"size": 18, "odd": 1}, "odd-records", 30),
        ({"size": 40}, "many-names", 300),
    ],
)
def test_thresholds(one: dict[str, int], technique: str, names: int) -> None:
    watch = Watch()
    assert told(watch, *(seen(n // 2, **one) for n in range(names - 1))) == []
    [found] = told(watch, seen(names // 2, **one))
    assert (found.technique, found.names) == (technique, names)
    assert found.bytes == names * one["size"]
    assert len(found.places) == 10
    assert found.places[0] == (0, names // 2)
    assert LIMITS.fewest == 15


def test_what_is_ordinary() -> None:
    assert told(Watch(), *(seen(n, 17, odd=1) for n in range(200))) == []
    assert told(Watch(), *(seen(n, 40, odd=n % 3 == 0) for n in range(299))) == []
    assert told(Watch(), *(seen(n // 9, 39, label=10) for n in range(900))) == []


def test_window_slides_half_open() -> None:
    watch = Watch()
    assert told(watch, *(seen(n * 15) for n in range(19)), seen(300)) == []
    assert len(told(watch, seen(301))) == 1  # 20 from 15 to 301
    assert watch.last == 301


def test_names_that_do_not_exist() -> None:
    watch = Watch()
    told(watch, *(seen(n, refused=1) for n in range(10)))
    [found] = told(watch, *(seen(300 + n) for n in range(20)))
    assert found.refused == 0
    told(watch, seen(321, refused=1))
    assert told(watch, seen(322))[0].refused == 1


def test_share_of_what_is_let_through() -> None:
    assert len(told(Watch(), *(seen(n) for n in range(10)), sampled=0.5)) == 1


def test_sums_stay_right_and_survive_a_restart() -> None:
    rng, watch, kept, now = random.Random(1), Watch(), [], 0
    for _ in range(9000):
        now += rng.choice([0, 0, 0, 1, 5])
        one = seen(now, rng.randrange(100, 200), rng.randrange(1, 63), rng.randrange(2))
        kept = [*[k for k in kept if k.time > now - 300][-MOST_MARKS + 1 :], one]
        found = watch.observe(one, LIMITS)
        if rng.random() < 0.01:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(watch.save()))
            watch = Watch.restored(state)
        if len(kept) < 15:
            assert found is None
            continue
        assert found is not None
        assert found.names == len(kept)
        assert found.bytes == sum(k.size for k in kept)
        assert found.odd == pytest.approx(sum(k.odd for k in kept) / len(kept))


def test_memory_is_bounded() -> None:
    watch = Watch()
    told(watch, *(seen(5, 20) for _ in range(3 * MOST_MARKS)))
    assert len(watch.save()[0]) == 8 * MOST_MARKS
