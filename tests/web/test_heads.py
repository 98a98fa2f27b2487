from __future__ import annotations

import random
from itertools import permutations

import msgspec
import pytest

from mlids.web import heads
from mlids.web.heads import DONE, EARLY_NS, LONGEST_NS, MOST_BYTES, WAIT_NS, Head, Heads
from mlids.web.segments import Key, Segment

MS = 1_000_000
KEY = Key(0, 1, 40000, 0, 2, 80)
TEXT = b"GET /?q=1%27%20union%20select%201,2 HTTP/1.1\r\nHost: x\r\n\r\n"
SEQ = (1 << 32) - 20  # so that it wraps


def piece(
    begin: int, end: int, at: int = 0, key: Key = KEY, text: bytes = TEXT, lost: int = 0
) -> Segment:
    part = text[begin:end]
    place = {"source": "t", "frame": at // MS + 1}
    return Segment(key, (SEQ + begin) % (1 << 32), 0, at, part, len(part) + lost, place)


def fed(kept: Heads, *pieces: Segment) -> list[Head]:
    """What comes of segments, of which the first of the text is what the detector knows to begin."""
    return [
        head
        for one in pieces
        for head in kept.take(one, begins=one.text.startswith(b"GET "), stray=True)
    ]


@pytest.mark.parametrize("cut", range(1, len(TEXT)))
def test_a_head_in_two(cut: int) -> None:
    [head] = fed(Heads(9), piece(0, cut), piece(cut, len(TEXT), MS))
    assert head.text == TEXT
    assert [place["frame"] for place in head.places] == [1, 2]
    assert (head.first_ns, head.last_ns) == (0, MS)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_head_in_four_in_any_order(order: tuple[int, ...]) -> None:
    bounds = [0, 9, 20, 33, len(TEXT)]
    pieces = [piece(bounds[n], bounds[n + 1], at * MS) for at, n in enumerate(order)]
    kept = Heads(9)
    [head] = fed(kept, *pieces)
    assert head.text == TEXT
    assert len(kept) == 0


def test_single_bytes() -> None:
    [head] = fed(Heads(9), *(piece(n, n + 1, n * MS) for n in range(len(TEXT))))
    assert head.text == TEXT
    assert len(head.places) == heads.MOST_PLACES


def test_what_is_sent_again_counts_once() -> None:
    first, second = piece(0, 20), piece(20, len(TEXT), 2 * MS)
    kept = Heads(9)
    [head] = fed(kept, first, first, first, piece(10, 20, MS), second, second, first)
    assert head.text == TEXT
    assert len(head.places) == 2
    assert len(kept) == 0


def test_of_overlaps_the_first_is_taken() -> None:
    liar = piece(10, 30)._replace(text=b"x" * 20)
    [head] = fed(Heads(9), piece(0, 20), liar, piece(30, len(TEXT)))
    assert head.text == TEXT[:20] + b"x" * 10 + TEXT[30:]


def test_a_body_is_waited_for() -> None:
    text = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nq=<script"
    begin = text.index(b"q=")
    kept = Heads(9)
    assert list(kept.take(piece(0, begin, text=text), begins=True, stray=True)) == []
    assert len(kept) == 1
    [head] = fed(kept, piece(begin, len(text), text=text))
    assert head.text == text


def test_it_ends_at_the_most_bytes() -> None:
    text = b"POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n" + b"x" * 9000
    found = []
    kept = Heads(9)
    for n in range(0, len(text), 1000):
        found += list(kept.take(piece(n, n + 1000, text=text), begins=n == 0, stray=False))
    assert [len(head.text) for head in found] == [5000]
    assert len(found[0].text) >= MOST_BYTES


def test_what_the_capture_cut_off_is_not_waited_for() -> None:
    [head] = fed(Heads(9), piece(0, 20, lost=30))
    assert head.text == TEXT[:20]
    [head] = fed(Heads(9), piece(0, 20), piece(20, 40, lost=9))
    assert head.text == TEXT[:40]


def test_what_never_comes_is_not_waited_for() -> None:
    kept = Heads(9)
    assert fed(kept, piece(0, 20)) == []
    assert list(kept.expire(WAIT_NS)) == []
    [head] = kept.expire(WAIT_NS + 1)
    assert head.text == TEXT[:20]
    assert fed(kept, piece(20, len(TEXT), WAIT_NS + 2)) == []


def test_a_gap_hides_nothing() -> None:
    kept = Heads(9)
    assert fed(kept, piece(0, 9), piece(20, 40)) == []
    [head] = kept.flush()
    assert head.text == TEXT[:9] + b"\n" + TEXT[20:40]


def test_a_slow_head_ends() -> None:
    kept = Heads(9)
    assert fed(kept, piece(0, 9), piece(9, 12, LONGEST_NS // 2)) == []
    [head] = fed(kept, piece(12, 20, LONGEST_NS + 1))
    assert head.text == TEXT[:12]


def test_pieces_before_the_beginning_are_kept_for_a_while() -> None:
    kept = Heads(9)
    assert fed(kept, piece(20, len(TEXT)), piece(0, 20, EARLY_NS + 1)) == []
    assert len(kept) == 1
    kept = Heads(9)
    assert list(kept.take(piece(20, len(TEXT)), begins=False, stray=False)) == []
    assert fed(kept, piece(0, 20)) == []  # such a piece was none of interest


def test_a_later_connection_of_the_same_ends() -> None:
    kept = Heads(9)
    other = piece(0, len(TEXT), 5)._replace(seq=123456)
    found = fed(kept, piece(0, 20), other)
    assert [head.text for head in found] == [TEXT[:20], TEXT]


def test_the_answer_ends_a_head() -> None:
    kept = Heads(9)
    fed(kept, piece(0, 20))
    early = Segment(KEY.turned(), 1, SEQ, 0, b"HTTP/1.1 200 OK", 15, {})
    assert list(kept.answered(early)) == []  # of a request before
    more = early._replace(ack=(SEQ + 20) % (1 << 32), text=b"HTTP/1.1 100 Continue")
    assert list(kept.answered(more)) == []
    [head] = kept.answered(more._replace(text=b"HTTP/1.1 400 Bad"))
    assert head.text == TEXT[:20]
    assert list(kept.answered(more)) == []


def test_room_is_bounded_and_what_goes_is_handed_over() -> None:
    kept = Heads(16)
    found = []
    for n in range(100):
        key = KEY._replace(sport=n + 1)
        found += fed(kept, piece(0, 20, n * MS, key))
        fed(kept, piece(30, 40, n * MS, KEY._replace(sport=n + 1, dport=81)))
    assert len(kept) == 16
    assert [head.key.sport for head in found] == list(range(1, 85))
    assert kept.evicted == 84 + 84
    for n in range(2 * DONE):
        fed(kept, piece(0, len(TEXT), MS, KEY._replace(src_lo=n)))
    assert len(kept._done) == DONE


def test_pieces_that_wait_are_bounded() -> None:
    kept = Heads(9)
    fed(kept, piece(0, 4))
    for n in range(1000):
        one = piece(0, 9)._replace(seq=(SEQ + 100 + 2 * n) % (1 << 32), text=b"y" * 40)
        fed(kept, one)
    [head] = kept.flush()
    assert len(head.text) < 2 * MOST_BYTES


def test_it_can_be_saved_at_any_time() -> None:
    rng = random.Random(5)
    pieces = []
    for n in range(40):
        key = KEY._replace(sport=1000 + n % 7)
        begin = rng.randrange(len(TEXT))
        at = rng.choice([0, 0, begin])
        pieces.append(piece(at, at + rng.randrange(1, 40), n * MS, key))
    whole, kept, found = fed(Heads(4), *pieces), Heads(4), []
    for one in pieces:
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(kept.save()))
        kept = Heads(4)
        kept.restore(state)
        found += fed(kept, one)
    assert [(head.key, head.text, head.places) for head in found] == [
        (head.key, head.text, head.places) for head in whole
    ]
