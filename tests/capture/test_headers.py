from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture import headers
from mlids.capture.headers import gather


@given(st.binary(min_size=1, max_size=80), st.data())
def test_gathered_records_are_the_bytes_at_their_offsets(data: bytes, drawn: st.DataObject) -> None:
    record = np.dtype([("a", "u1"), ("b", ">u2")])
    at = drawn.draw(st.lists(st.integers(0, len(data) - 1), max_size=20))
    found = gather(np.frombuffer(data, np.uint8), np.array(at, np.int64), record)
    assert len(found) == len(at)
    for place, row in zip(at, found, strict=True):
        if place + 3 <= len(data):
            assert int(row["a"]) == data[place]
            assert int(row["b"]) == int.from_bytes(data[place + 1 : place + 3], "big")


def test_no_data_and_no_offsets() -> None:
    none = np.zeros(0, np.int64)
    assert len(gather(np.zeros(0, np.uint8), none, headers.tcp_header())) == 0
    assert len(gather(np.zeros(0, np.uint8), np.array([3]), headers.tcp_header())) == 1


@pytest.mark.parametrize(
    ("record", "size", "data", "expected"),
    [
        (headers.ethernet_header, 14, c.ethernet(b"\x45"), {"type": 0x0800}),
        (headers.tag_header, 4, b"\x20\x07\x08\x00", {"tci": 0x2007, "type": 0x0800}),
        (
            headers.ipv4_header,
            20,
            c.ipv4("192.0.2.1", "10.0.0.1", 6, b"", ttl=9, offset=8, more=True),
            {"total": 20, "fragment": 0x2001, "ttl": 9, "protocol": 6, "src": 0xC0000201},
        ),
        (
            headers.ipv6_header,
            40,
            c.ipv6("2001:db8::1", "::2", 17, b"abc", ttl=9),
            {"length": 3, "next": 17, "ttl": 9, "src_hi": 0x20010DB8 << 32, "dst_lo": 2},
        ),
        (
            headers.tcp_header,
            20,
            c.tcp(1, 65535, "SA", seq=7, ack=8),
            {"sport": 1, "dport": 65535, "seq": 7, "ack": 8, "offset": 0x50, "flags": 0x12},
        ),
        (headers.udp_header, 8, c.udp(5, 6, b"x"), {"sport": 5, "dport": 6, "length": 9}),
        (
            headers.arp_header,
            28,
            c.arp(2, "10.0.0.1", "10.0.0.2"),
            {"protocol": 0x800, "operation": 2, "src": 0x0A000001, "dst": 0x0A000002},
        ),
    ],
)
def test_layouts(record, size: int, data: bytes, expected: dict[str, int]) -> None:  # type: ignore[no-untyped-def]
    assert record().itemsize == size
    row = gather(np.frombuffer(data + bytes(64), np.uint8), np.array([0]), record())[0]
    assert {name: int(row[name]) for name in expected} == expected


def test_pad_is_enough_for_the_widest_header() -> None:
    assert max(headers.ipv6_header().itemsize, headers.arp_header().itemsize) <= headers.PAD
