from __future__ import annotations

import random

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.oddities.fragments import Cuts
from mlids.testing import START_NS, cut, packets

A, B = "192.0.2.1", "198.51.100.2"
SECOND = 1_000_000_000
Part = tuple[int, int, bool]


def frames(parts: list[Part], ident: int = 1) -> list[Frame]:
    return [
        Frame(
            START_NS + n * SECOND,
            c.ethernet(c.ipv4(A, B, 99, bytes(size), offset=offset, more=more, ident=ident)),
        )
        for n, (offset, size, more) in enumerate(parts)
    ]


def overlaps(parts: list[Part], pieces: int = 1, most: int = 1000) -> list[int]:
    cuts, told = Cuts(most), []
    for batch in cut(packets(frames(parts)), pieces):
        told += [int(batch.frame[row]) for row in cuts.inspect(batch)[1]]  # type: ignore[union-attr, arg-type]
    return told


def plain(parts: list[Part]) -> list[int]:
    """Byte by byte: the first fragment of a datagram that says anew what was said otherwise."""
    told, seen, ended = [], [], -1
    done = False
    for n, (offset, size, more) in enumerate(parts):
        if not offset and not more:
            continue  # no fragment
        mine = set(range(offset, offset + size))
        over = any(mine & set(range(o, o + s)) for o, s in seen)
        if over and (offset, size) not in seen and not done:
            told.append(n + 1)
            done = True
        seen.append((offset, size))
        ended = offset + size if not more else ended
        if ended >= 0 and set(range(ended)) <= {b for o, s in seen for b in range(o, o + s)}:
            seen, ended, done = [], -1, False
    return told


def test_a_plain_twin_says_the_same_however_it_is_cut() -> None:
    for seed in range(150):
        chance = random.Random(seed)
        parts = []
        for _ in range(chance.randrange(2, 8)):
            offset = 8 * chance.randrange(6)
            parts.append((offset, 8 * chance.randrange(1, 4), chance.random() < 0.8))
        if sum(not more for *_, more in parts) > 1:
            continue  # two ends: what is whole is a matter of taste
        expected = plain(parts)
        for pieces in (1, 2, len(parts)):
            assert overlaps(parts, pieces) == expected, (seed, parts)


def test_tiny_ones_are_those_that_more_follow() -> None:
    cuts = Cuts(100)
    batch = packets(frames([(0, 56, True), (56, 64, True), (120, 8, False)]))
    assert cuts.inspect(batch)[0].tolist() == [0]


def test_state_survives_and_lack_of_room_is_counted() -> None:
    first, second = cut(packets(frames([(0, 800, True), (400, 800, True)])), 2)
    one, other = Cuts(100), Cuts(100)
    one.inspect(first)  # type: ignore[arg-type]
    other.restore(one.save())
    assert len(other.inspect(second)[1]) == 1  # type: ignore[arg-type]
    small = Cuts(2)
    small.inspect(packets(frames([(n * 800, 800, True) for n in range(5)])))
    assert small.evicted == 3
