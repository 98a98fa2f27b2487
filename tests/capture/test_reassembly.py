"""Small fragments become the packet that they were cut from."""

from __future__ import annotations

import random

import pytest

from mlids.batches import PacketBatch
from mlids.capture import crafting as c
from mlids.capture import reassembly
from mlids.capture.crafting import Frame
from mlids.capture.reassembly import Reassembly
from mlids.testing import START_NS, cut, packets

A, B = "192.0.2.1", "198.51.100.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
SYN = c.tcp(40000, 22, "S", options=b"\x02\x04\x05\xb4")
SECOND = 1_000_000_000


def four(data: bytes, size: int, ident: int = 7, protocol: int = 6) -> list[bytes]:
    """An IPv4 datagram in pieces of `size` bytes."""
    return [
        c.ipv4(A, B, protocol, data[at : at + size], offset=at, more=at + size < len(data), ident=ident)
        for at in range(0, len(data), size)
    ]  # fmt: skip


def six(data: bytes, size: int, ident: int = 9) -> list[bytes]:
    made = []
    for at in range(0, len(data), size):
        mark = (at | (at + size < len(data))).to_bytes(2, "big")
        extension = b"\0" + mark + ident.to_bytes(4, "big")
        made.append(c.ipv6(A6, B6, 6, data[at : at + size], extensions=[(44, extension)]))
    return made


def joined(pieces: list[bytes], step: int = 1000) -> PacketBatch:
    frames = [Frame(START_NS + n * step, c.ethernet(p)) for n, p in enumerate(pieces)]
    return Reassembly().completed(packets(frames))


def whole(batch: PacketBatch) -> list[tuple[int, int, int, bytes]]:
    """Frame, port, flags and payload of the TCP packets that can be read."""
    return [
        (int(batch.frame[n]), int(batch.dport[n]), int(batch.flags[n]), batch.payload(n))
        for n in range(len(batch))
        if batch.transport[n] and not batch.fault[n] and not batch.fragment[n]
    ]


@pytest.mark.parametrize("size", [8, 16, 24, 40])
@pytest.mark.parametrize("cutter", [four, six])
def test_a_cut_packet_is_whole_again(cutter, size: int) -> None:  # type: ignore[no-untyped-def]
    segment = c.tcp(40000, 80, "PA", payload=b"GET /etc/passwd HTTP/1.1\r\n\r\n")
    pieces = cutter(segment, size)
    batch = joined(pieces)
    assert len(batch) == len(pieces) + 1
    assert whole(batch) == [(len(pieces), 80, 0x18, b"GET /etc/passwd HTTP/1.1\r\n\r\n")]
    assert (batch.time[1:] >= batch.time[:-1]).all()
    alone = packets([c.ethernet((c.ipv4 if cutter is four else c.ipv6)(*((A, B) if cutter is four else (A6, B6)), 6, segment))])  # fmt: skip
    names = ("src_hi", "src_lo", "dst_hi", "dst_lo", "protocol", "ttl", "sport", "dport", "flags")
    for name in names:
        assert getattr(batch, name)[-1] == getattr(alone, name)[0], name


def test_in_any_order_and_with_repeats() -> None:
    pieces = four(SYN, 8)
    for seed in range(20):
        chance = random.Random(seed)
        mixed = [*pieces, *chance.choices(pieces, k=2)]
        chance.shuffle(mixed)
        assert [found[1:] for found in whole(joined(mixed))][:1] == [(22, 2, b"")]


def test_over_batches() -> None:
    frames = [Frame(START_NS + n, c.ethernet(p)) for n, p in enumerate(four(SYN, 8))]
    one = Reassembly()
    found = [whole(one.completed(part)) for part in cut(packets(frames), 3)]
    assert found == [[], [], [(3, 22, 2, b"")]]


def test_a_large_piece_behind_a_tiny_one() -> None:
    segment = c.tcp(40000, 80, "PA", payload=b"x" * 900)
    first, rest = segment[:8], segment[8:]
    pieces = [c.ipv4(A, B, 6, first, more=True), c.ipv4(A, B, 6, rest, offset=8)]
    assert whole(joined(pieces)) == [(2, 80, 0x18, b"x" * 900)]


def test_datagrams_of_ordinary_size_are_left_alone() -> None:
    data = c.udp(2049, 2049, b"n" * 4000)
    pieces = four(data, 1480, protocol=17)
    assert len(joined(pieces)) == len(pieces)


def test_different_datagrams_are_not_mixed_up() -> None:
    one, other = four(SYN, 8, ident=1), four(c.tcp(1, 443, "S", options=bytes(4)), 8, ident=2)
    mixed = [piece for both in zip(one, other, strict=True) for piece in both]
    assert [found[1] for found in whole(joined(mixed))] == [22, 443]


def test_a_missing_piece_completes_nothing_and_late_ones_do_not_count() -> None:
    pieces = four(SYN, 8)
    assert whole(joined(pieces[:-1])) == []
    assert whole(joined(pieces[1:])) == []
    assert whole(joined(pieces, step=16 * SECOND)) == []


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "MOST", 10)
    one = Reassembly()
    flood = [four(SYN, 8, ident=n)[0] for n in range(100)]
    frames = [Frame(START_NS + n, c.ethernet(p)) for n, p in enumerate(flood)]
    one.completed(packets(frames))
    assert len(one._open) == 10
    assert one.evicted == 90


def test_many_at_once_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reassembly, "AT_ONCE", 5)
    one = Reassembly()
    frames = [Frame(START_NS + n, c.ethernet(four(SYN, 8, ident=n)[0])) for n in range(8)]
    one.completed(packets(frames))
    assert one.evicted == 3


def test_fragments_inside_a_tunnel() -> None:
    pieces = [c.ipv4("10.0.0.1", "10.0.0.2", 4, piece) for piece in four(SYN, 8)]
    assert [found[1] for found in whole(joined(pieces))] == [22]


def test_hostile_pieces_never_raise() -> None:
    chance = random.Random(4)
    for _ in range(300):
        pieces = []
        for _ in range(chance.randrange(1, 6)):
            data = chance.randbytes(chance.choice([0, 1, 7, 8, 40]))
            offset, more = 8 * chance.randrange(0, 8192), chance.random() < 0.5
            total = chance.choice([None, None, 20, 21, 65535])
            packet = c.ipv4(A, B, 6, data, offset=min(offset, 65528), more=more, total=total)
            if chance.random() < 0.3:
                packet = six(data or b"x", 8)[0][: chance.randrange(41, 60)]
            pieces.append(packet)
        batch = joined(pieces)
        assert len(batch) >= len(pieces)
