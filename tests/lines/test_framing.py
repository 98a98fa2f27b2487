from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.lines.framing import Deframer, clean


def fed(*parts: bytes, max_line: int = 1000):
    deframer = Deframer(max_line)
    found = [message for part in parts for message in deframer.feed(part)]
    return found + deframer.finish(), deframer.rejected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<34>one\n<34>two\r\n", [b"<34>one", b"<34>two"]),
        (b"7 <34>one7 <34>two", [b"<34>one", b"<34>two"]),
        (b"7 <34>one<34>two\n7 <34>six", [b"<34>one", b"<34>two", b"<34>six"]),
        (b"<34>one\0<34>two\0", [b"<34>one", b"<34>two"]),
        (b"12 <34>one\n<34>", [b"<34>one <34>"]),  # a line end inside cannot forge a line
        (b"8 <34>one\n7 <34>two", [b"<34>one", b"<34>two"]),
        (b"2025-01-13T10:30:45Z host a: b\n", [b"2025-01-13T10:30:45Z host a: b"]),
        (b"13 Jan is no length\n", [b"13 Jan is no length"]),
        (b"\n\n<34>one\n\n", [b"<34>one"]),
        (b"<34>no end", [b"<34>no end"]),
        (b"", []),
    ],
)
def test_frames(data, expected):
    assert fed(data) == (expected, 0)
    assert fed(*(data[n : n + 1] for n in range(len(data)))) == (expected, 0)


def test_half_a_counted_message_is_rejected():
    assert fed(b"100 <34>one") == ([], 1)
    assert fed(b"100 ") == ([], 1)


@pytest.mark.parametrize("piece", [1, 7, 5000])
def test_messages_that_are_too_long_are_left_out(piece):
    data = (
        b"<1>" + b"x" * 98 + b"\n<1>ok\n" + b"5000 <1>" + b"y" * 4997 + b"5 <1>ok<1>" + b"z" * 5000
    )
    parts = [data[n : n + piece] for n in range(0, len(data), piece)]
    assert fed(*parts, max_line=100) == ([b"<1>ok", b"<1>ok"], 3)


def test_little_is_held_of_what_never_ends():
    deframer = Deframer(1000)
    for _ in range(1000):
        assert deframer.feed(b"x" * 1000) == []
        assert len(deframer._held) <= 1001
    assert (deframer.rejected, deframer.waiting) == (1, True)
    assert deframer.feed(b"\n<1>ok\n") == [b"<1>ok"]
    assert not deframer.waiting


def test_one_message_is_one_line():
    assert clean(b"<1>a\r\nb\0c\n\0") == b"<1>a  b c"
    assert clean(b"\n") == b""


MESSAGES = st.lists(st.binary(min_size=0, max_size=20).map(lambda b: b"<1>" + b), max_size=8)


@given(MESSAGES, st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_no_cut_changes_what_is_found(messages, seed):
    data = b"".join(b"%d %s" % (len(message), message) for message in messages)
    chance = random.Random(seed)
    parts, place = [], 0
    while place < len(data):
        size = chance.randint(1, 9)
        parts.append(data[place : place + size])
        place += size
    found, rejected = fed(*parts)
    assert found == [clean(message) for message in messages]
    assert rejected == 0


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_garbage_never_raises_and_never_gives_two_lines_in_one(data):
    for message in fed(data, data, max_line=50)[0]:
        assert not set(message) & {0, 10, 13}
        assert 0 < len(message) <= 50
