from __future__ import annotations

from mlids.capture import crafting as c
from mlids.capture.fragments import fragments
from mlids.testing import packets

A, B = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8::2"


def six(data: bytes, offset: int, more: bool, ident: int) -> bytes:
    mark = b"\0" + (offset | more).to_bytes(2, "big") + ident.to_bytes(4, "big")
    return c.ipv6(A6, B6, 17, data, extensions=[(44, mark)])


def test_what_each_fragment_holds() -> None:
    batch = packets(
        [
            c.ethernet(c.ipv4(A, B, 17, c.udp(1, 2, b"12345678"), more=True, ident=5)),
            c.ethernet(c.ipv4(A, B, 17, b"whole")),
            c.ethernet(c.ipv4(A, B, 17, b"rest", offset=16, ident=5)),
            c.ethernet(six(b"abcdefgh", 0, True, 9), tags=[3]),
            c.ethernet(six(b"ijk", 8, False, 9)),
            c.ethernet(c.ipv4(A, B, 17, b"other", offset=16, ident=6)),
        ]
    )
    found = fragments(batch)
    assert found.row.tolist() == [0, 2, 3, 4, 5]
    assert found.offset.tolist() == [0, 16, 0, 8, 16]
    assert found.more.tolist() == [True, False, True, False, False]
    parts = [batch.data[a:b].tobytes() for a, b in zip(found.begin, found.end, strict=True)]
    assert parts[1:] == [b"rest", b"abcdefgh", b"ijk", b"other"]
    assert parts[0].endswith(b"12345678")
    keys = found.key.tolist()
    assert keys[0] == keys[1]
    assert keys[2] == keys[3]
    assert len(set(keys)) == 3


def test_take_and_nothing() -> None:
    batch = packets([c.ethernet(c.ipv4(A, B, 17, b"rest", offset=16))])
    found = fragments(batch)
    assert len(found.take(found.more).row) == 0
    assert len(fragments(packets([])).row) == 0
