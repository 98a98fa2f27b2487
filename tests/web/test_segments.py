from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.testing import START_NS, packets
from mlids.web.requests import METHODS
from mlids.web.segments import (
    Key,
    among,
    segment,
    segments,
    slots,
    strays,
    suspicious,
    unfinished,
)

OUT, HOST = "203.0.113.9", "192.168.1.10"
OUT6, HOST6 = "2001:db8:bad::9", "2001:db8:1::10"


def seg(
    text: bytes,
    dport: int = 80,
    flags: str = "PA",
    src: str = OUT,
    dst: str = HOST,
    sport: int = 40000,
) -> bytes:
    return c.ethernet(c.ip(src, dst, 6, c.tcp(sport, dport, flags, seq=7, ack=9, payload=text)))


@pytest.mark.parametrize("port", [80, 8080, 443, 31337])
@pytest.mark.parametrize("method", METHODS)
def test_requests_on_any_port(method: bytes, port: int) -> None:
    found = segments(packets([seg(method + b" / HTTP/1.1\r\n\r\n", port)]))
    assert found.rows[found.requests].tolist() == [0]


def test_answers_and_what_is_neither() -> None:
    texts = [
        b"HTTP/1.1 200 OK\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"SSH-2.0-x\r\n",
        b"GETTING ready",
        b"GET",
        b"",
    ]
    found = segments(packets([seg(text) for text in texts]))
    assert found.rows[found.answers].tolist() == [0]
    assert not found.requests.any()
    assert found.rows.tolist() == [0, 1, 2, 3, 4]


def test_other_protocols_are_left_out() -> None:
    udp = c.ethernet(c.ip(OUT, HOST, 17, c.udp(1, 80, b"GET / HTTP/1.1\r\n\r\n")))
    six = seg(b"GET / HTTP/1.1\r\n\r\n", src=OUT6, dst=HOST6)
    found = segments(packets([udp, six]))
    assert found.rows.tolist() == [1]
    assert found.requests.tolist() == [True]


def test_the_last_bytes_of_a_buffer() -> None:
    batch = packets([seg(b"GET /?q=' HTTP/1.1\r\n\r\n")])
    short = replace(batch, data=batch.data[: int(batch.start[0] + batch.captured[0])].copy())
    found = segments(short)
    assert found.requests.tolist() == [True]
    assert suspicious(short, found.rows).tolist() == [True]


def test_suspicious_rows_only() -> None:
    sizes = [0, 1, 30, 41, 63, 64, 65, 127, 128, 200, 1400]
    frames, wanted = [], []
    for size in sizes:
        for bad in (False, True):
            text = b"GET /?q=" + b"b" * size + (b"%27" if bad else b"") + b" HTTP/1.1\r\n\r\n"
            frames.append(seg(text))
            wanted.append(bad)
    batch = packets(frames)
    assert suspicious(batch, np.arange(len(frames))).tolist() == wanted
    assert suspicious(batch, np.zeros(0, np.intp)).tolist() == []
    order = np.array([3, 0, 1])
    assert suspicious(batch, order).tolist() == [True, False, True]


def test_what_was_not_captured_is_not_read() -> None:
    whole = seg(b"GET /?q=bbbbbbbbbbbbbbbbbb%27 HTTP/1.1\r\n\r\n")
    batch = packets([Frame(START_NS, whole[:75], len(whole)), Frame(START_NS + 1, seg(b"'" * 60))])
    assert suspicious(batch, np.array([0])).tolist() == [False]
    assert segment(batch, 0).cut
    assert unfinished(batch, np.array([0])).tolist() == [False]  # nothing can be joined to it


@pytest.mark.parametrize(
    ("text", "more"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", True),
        (b"GET /?q=' uni", True),
        (b"POST / HTTP/1.1\r\n\r\n", True),  # a body may follow
        (b"PUT / HTTP/1.1\r\n\r\n", True),
        (b"GET ", True),
    ],
)
def test_unfinished(text: bytes, more: bool) -> None:
    assert unfinished(packets([seg(text)]), np.array([0])).tolist() == [more]


def test_strays_go_to_chosen_ports() -> None:
    ports = np.zeros(1 << 16, bool)
    ports[80] = True
    frames = [
        seg(b"on select 1"),
        seg(b"on select 1", 81),
        seg(b"GET / HTTP/1.1\r\n\r\n"),
        seg(b"x" * 1400, flags="A"),
        seg(b"x" * 1400, flags="PA"),
        seg(b"x", dport=80, sport=80),
        seg(b"HTTP/1.1 200", dport=40000, sport=80),
    ]
    batch = packets(frames)
    assert np.flatnonzero(strays(batch, segments(batch), ports)).tolist() == [0, 4]


def test_one_row_as_an_object() -> None:
    batch = packets([seg(b"hello", src=OUT6, dst=HOST6)])
    one = segment(batch, 0)
    assert (one.seq, one.ack, one.text, one.length, one.cut) == (7, 9, b"hello", 5, False)
    assert one.time_ns == START_NS
    assert one.place == {"source": "test.pcap", "frame": 1}
    assert one.key.turned().turned() == one.key
    assert (one.key.sport, one.key.turned().dport) == (40000, 40000)


def test_slots_of_both_sides_are_the_same() -> None:
    rng = random.Random(1)
    pairs = [(rng.randrange(1, 65536), rng.randrange(1, 65536)) for _ in range(200)]
    batch = packets([seg(b"x", dport=b, sport=a) for a, b in pairs])
    rows = np.arange(len(pairs))
    keys = [Key(0, 0, a, 0, 0, b) for a, b in pairs]
    assert slots(batch, rows).tolist() == [key.slot for key in keys]
    assert slots(batch, rows, back=True).tolist() == [key.turned().slot for key in keys]
    wanted = {keys[3].slot, keys[7].slot}
    assert among(slots(batch, rows), wanted).tolist() == [key.slot in wanted for key in keys]


def test_garbage_harms_nothing() -> None:
    rng = random.Random(3)
    frames = [bytes(rng.randrange(256) for _ in range(rng.randrange(100))) for _ in range(200)]
    whole = seg(b"GET /?q=' HTTP/1.1\r\n\r\n")
    frames += [whole[:length] for length in range(len(whole))]
    batch = packets(frames)
    found = segments(batch)
    assert len(suspicious(batch, found.rows)) == len(found.rows)
    for row in found.rows.tolist():
        segment(batch, row)
    assert segments(packets([])).rows.tolist() == []
