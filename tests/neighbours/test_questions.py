from __future__ import annotations

import random

import numpy as np

from mlids.neighbours.questions import MOST, Questions

SECOND = 10**9


def keys(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def times(*values: float) -> np.ndarray:
    return np.array([int(v * SECOND) for v in values], np.int64)


def rows(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_only_questions_before_and_lately_count() -> None:
    asked = Questions(5 * SECOND)
    found = asked.asked(
        keys(1, 1, 2, 3), times(1, 3, 3, 4), rows(1, 5, 6, 8),
        (keys(1, 3), times(2, 5), rows(4, 9)),
    )  # fmt: skip
    assert found.tolist() == [False, True, False, False]
    found = asked.asked(keys(1, 1, 3), times(6, 7, 9.9), rows(0, 1, 2), (keys(), times(), rows()))
    assert found.tolist() == [True, False, True]


def test_it_does_not_matter_where_batches_end() -> None:
    rng = random.Random(1)
    story, now = [], 0.0
    for _ in range(500):
        now += rng.choice([0, 0.5, 2])
        story.append((rng.random() < 0.5, rng.randrange(6), now))

    def told(pieces: int) -> list[bool]:
        asked, found = Questions(5 * SECOND), []
        for n in range(pieces):
            part = story[len(story) * n // pieces : len(story) * (n + 1) // pieces]
            sides = [
                [(row, key, at) for row, (is_ask, key, at) in enumerate(part) if is_ask == side]
                for side in (False, True)
            ]
            a, b = (
                (
                    keys(*(s[1] for s in side)),
                    times(*(s[2] for s in side)),
                    rows(*(s[0] for s in side)),
                )
                for side in sides
            )
            found += asked.asked(*a, b).tolist()
            saved, asked = asked.save(), Questions(5 * SECOND)
            asked.restore(saved)
        return found

    expected = []
    for n, (is_ask, key, at) in enumerate(story):
        if not is_ask:
            before = [t for other, k, t in story[:n] if other and k == key]
            expected.append(bool(before) and at - before[-1] < 5)
    for pieces in (1, 2, 7, 500):
        assert told(pieces) == expected


def test_memory_is_bounded() -> None:
    asked = Questions(5 * SECOND)
    many = np.arange(MOST + 1000, dtype=np.uint64)
    asked.asked(
        keys(), times(), rows(), (many, np.zeros(len(many), np.int64), np.arange(len(many)))
    )
    assert len(asked.save()[0]) == 8 * MOST
    late = asked.asked(keys(500, 5000), times(0, 0), rows(0, 0), (keys(), times(), rows()))
    assert late.tolist() == [False, True]
