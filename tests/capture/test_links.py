from __future__ import annotations

import struct

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture import links

FOUR, SIX = b"\x45" + bytes(19), b"\x60" + bytes(39)


def read(frames: list[bytes], kind: int) -> links.Link:
    sizes = np.array([len(frame) for frame in frames], np.int64)
    data = np.frombuffer(b"".join(frames) + bytes(64), np.uint8)
    return links.link(data, np.cumsum(sizes) - sizes, sizes, kind)


@pytest.mark.parametrize(
    ("kind", "four", "six", "size"),
    [
        (links.ETHERNET, c.ethernet(FOUR), c.ethernet(SIX), 14),
        *((raw, FOUR, SIX, 0) for raw in links.RAW),
        (links.COOKED, bytes(14) + b"\x08\x00" + FOUR, bytes(14) + b"\x86\xdd" + SIX, 16),
        (links.COOKED2, b"\x08\x00" + bytes(18) + FOUR, b"\x86\xdd" + bytes(18) + SIX, 20),
        (0, struct.pack("<I", 2) + FOUR, struct.pack("<I", 30) + SIX, 4),
        (108, struct.pack(">I", 2) + FOUR, struct.pack(">I", 24) + SIX, 4),
    ],
)
def test_every_kind_that_is_known(kind: int, four: bytes, six: bytes, size: int) -> None:
    assert kind in links.KNOWN
    found = read([four, six, four[: max(size - 1, 0)]], kind)
    assert found.size.tolist() == [size, size, 0]
    assert found.ethertype.tolist() == [links.IPV4, links.IPV6, 0]
    assert found.short.tolist() == [False, False, True]
    assert found.vlan.tolist() == [0, 0, 0]


def test_tags_are_followed_so_deep_and_no_deeper() -> None:
    frames = [c.ethernet(FOUR, tags=list(range(1, n + 1))) for n in range(links.MOST_TAGS + 2)]
    found = read(frames, links.ETHERNET)
    depth = links.MOST_TAGS
    assert found.vlan.tolist() == [0, *[1] * (depth + 1)]
    assert found.size.tolist() == [14 + 4 * min(n, depth) for n in range(depth + 2)]
    assert found.ethertype.tolist() == [links.IPV4] * (depth + 1) + [0x8100]


def test_frame_cut_inside_a_tag_is_short() -> None:
    tagged = c.ethernet(FOUR, tags=[5, 6])
    found = read([tagged[:n] for n in (17, 18, 21, 22)], links.ETHERNET)
    assert found.short.tolist() == [True, True, True, False]
    assert found.vlan.tolist() == [0, 0, 0, 5]


def test_family_that_nobody_knows_is_no_network() -> None:
    assert read([struct.pack("<I", 77) + FOUR], 0).ethertype.tolist() == [0]
