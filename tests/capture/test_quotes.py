from __future__ import annotations

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.addresses import address
from mlids.capture.quotes import Quotes, quotes
from mlids.testing import packets

V4, V6 = ("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8::2")


def error(pair: tuple[str, str], inner: bytes, to: str = "") -> bytes:
    """The second says that the first one's packet could not be delivered."""
    src, dst = pair
    six = ":" in src
    message = c.icmp(1 if six else 3, 3, inner)
    return c.ethernet(c.ip(dst, to or src, 58 if six else 1, message))


def read(*frames: bytes) -> Quotes:
    return quotes(packets(frames), np.arange(len(frames)))


@pytest.mark.parametrize("pair", [V4, V6])
@pytest.mark.parametrize("protocol", [6, 17])
def test_whose_packet_it_was(pair: tuple[str, str], protocol: int) -> None:
    segment = c.tcp(40000, 22, "S") if protocol == 6 else c.udp(40000, 22)
    found = read(error(pair, c.ip(*pair, protocol, segment)))
    assert found.protocol.tolist() == [protocol]
    assert (found.sport.tolist(), found.dport.tolist()) == ([40000], [22])
    assert address(int(found.src_hi[0]), int(found.src_lo[0])) == pair[0]
    assert address(int(found.dst_hi[0]), int(found.dst_lo[0])) == pair[1]


def test_both_families_at_once_each_with_its_row() -> None:
    frames = [error(pair, c.ip(*pair, 17, c.udp(1, port))) for port, pair in ((7, V6), (9, V4))]
    found = read(*frames)
    assert sorted(zip(found.row.tolist(), found.dport.tolist(), strict=True)) == [(0, 7), (1, 9)]


def test_packets_of_others_blame_nobody() -> None:
    assert len(read(error(V4, c.ip(*V4, 17, c.udp(1, 2)), to="203.0.113.9")).row) == 0


@pytest.mark.parametrize("pair", [V4, V6])
def test_too_short_to_be_believed(pair: tuple[str, str]) -> None:
    inner = c.ip(*pair, 17, c.udp(1, 2))
    enough = (40 if ":" in pair[0] else 20) + 4
    lengths = [len(read(error(pair, inner[:size])).row) for size in range(len(inner) + 1)]
    assert lengths == [0] * enough + [1] * (len(inner) + 1 - enough)


def test_later_fragments_show_no_ports() -> None:
    assert len(read(error(V4, c.ipv4(*V4, 17, c.udp(1, 2), offset=8))).row) == 0
