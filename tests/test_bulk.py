"""Cutting, splitting and blaming: each event ends in exactly one place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.bulk import Bulk, PieceError
from mlids.errors import SinkError


@given(st.lists(st.integers(1, 50), max_size=40), st.sets(st.integers(0, 39)), st.booleans())
def test_the_events_at_fault_are_found_and_no_others(
    sizes: list[int], bad: set[int], names_them: bool
) -> None:
    bulk = Bulk([b"x" * size for size in sizes], 100)
    taken: list[int] = []

    def post(piece: list[int]) -> None:
        assert len(bulk.body(piece)) <= 100
        wrong = [n for n, position in enumerate(piece) if position in bad]
        if wrong:
            raise PieceError("wrong", wrong[0] if names_them else None)
        taken.extend(piece)

    expected = sorted(bad & set(range(len(sizes))))
    if expected:
        with pytest.raises(SinkError) as caught:
            bulk.send(post)
        assert sorted(caught.value.rejected) == expected
        assert not caught.value.refused
    else:
        bulk.send(post)
    assert taken == [n for n in range(len(sizes)) if n not in bad]


def test_a_failure_refuses_what_was_not_yet_sent() -> None:
    bulk = Bulk([b"x" * 10] * 10, 30)
    posted: list[int] = []

    def post(piece: list[int]) -> None:
        if posted:
            raise SinkError("busy", wait_s=7)
        posted.extend(piece)

    with pytest.raises(SinkError) as caught:
        bulk.send(post)
    assert posted == [0, 1, 2]
    assert caught.value.refused == [3, 4, 5, 6, 7, 8, 9]
    assert caught.value.wait_s == 7


def test_one_event_beyond_the_limit_goes_alone() -> None:
    bulk = Bulk([b"x", b"x" * 500, b"x"], 100)
    pieces: list[list[int]] = []
    bulk.send(pieces.append)
    assert pieces == [[0], [1], [2]]


def test_an_index_outside_the_piece_is_not_believed() -> None:
    bulk = Bulk([b"x"] * 4, 100)

    def post(piece: list[int]) -> None:
        if 2 in piece:
            raise PieceError("wrong", 99)

    with pytest.raises(SinkError) as caught:
        bulk.send(post)
    assert caught.value.rejected == [2]
