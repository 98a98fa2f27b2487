from __future__ import annotations

import msgspec

from mlids.airspace.behaviours import MOST_POINTS, NS, Burst, Frame, Rings, answered, bursting

BURSTS = (Burst(3, NS), Burst(5, 60 * NS))


def frame(seconds: float, name: str = "") -> Frame:
    return Frame(int(seconds * NS), 0, int(seconds), name)


def test_bursts_are_half_open() -> None:
    assert bursting([frame(0), frame(0.5), frame(0.99)], BURSTS) == BURSTS[0]
    assert bursting([frame(0), frame(0.5), frame(1)], BURSTS) is None
    assert bursting([frame(n * 14.9) for n in range(5)], BURSTS) == BURSTS[1]
    assert bursting([frame(n * 15) for n in range(5)], BURSTS) is None
    assert bursting([], BURSTS) is None


def test_rings_keep_the_latest() -> None:
    rings = Rings(3)
    for n in range(5):
        ring = rings.add(1, frame(n))
    assert [f.frame for f in ring] == [2, 3, 4]
    assert len(rings.add(2, frame(9))) == 1
    other = Rings(3)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(rings.save())))
    assert other.add(1, frame(5)) == [frame(3), frame(4), frame(5)]


def test_rings_are_bounded_and_the_longest_unheard_goes_first() -> None:
    rings = Rings(3)
    rings.add(-1, frame(0))
    for n in range(MOST_POINTS):
        rings.add(n, frame(n))
        rings.add(-1, frame(n))
    assert rings.evicted == 1
    assert len(rings.add(-1, frame(9))) == 3
    assert len(rings.save()) == MOST_POINTS


def test_answers_for_unrelated_names() -> None:
    limit = Burst(3, 60 * NS)
    ring = [frame(0, "Airport"), frame(1, "Hotel")]
    assert answered(ring, "Home", limit) == ring
    assert answered(ring, "Airport 2", limit) == []
    assert answered([*ring, frame(2, "Airport")], "Home", limit) == [ring[1], frame(2, "Airport")]
    assert answered([frame(0, "Airport"), frame(60, "Hotel")], "Home", limit) == []
    assert answered([frame(0, "Airport"), frame(59, "Hotel")], "Home", limit) != []
