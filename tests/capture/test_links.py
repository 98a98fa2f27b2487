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
    assert found.vlan.tolist() == [0, *[1] * depth, 0]
    assert found.size.tolist() == [14 + 4 * n for n in range(depth + 1)] + [0]
    assert found.ethertype.tolist() == [links.IPV4] * (depth + 1) + [0]
    assert found.short.tolist() == [False] * (depth + 1) + [True]


def test_frame_cut_inside_a_tag_is_short() -> None:
    tagged = c.ethernet(FOUR, tags=[5, 6])
    found = read([tagged[:n] for n in (17, 18, 21, 22)], links.ETHERNET)
    assert found.short.tolist() == [True, True, True, False]
    assert found.vlan.tolist() == [0, 0, 0, 5]


def test_family_that_nobody_knows_is_no_network() -> None:
    assert read([struct.pack("<I", 77) + FOUR], 0).ethertype.tolist() == [0]


def test_802_3_frames_name_their_type_behind_an_llc_header() -> None:
    named = c.ethernet(b"\xaa\xaa\x03\0\0\0\x08\x00" + FOUR, 60)
    other = c.ethernet(b"\xaa\xaa\x03\0\0\x0c\x20\x00" + bytes(30), 60)  # Cisco's, no ethertype
    spanning_tree = c.ethernet(b"\x42\x42\x03" + bytes(35), 38)
    found = read([named, other, spanning_tree, named[:21]], links.ETHERNET)
    assert found.ethertype.tolist() == [links.IPV4, 60, 38, 60]
    assert found.size.tolist() == [22, 14, 14, 14]
    assert not found.short.any()


def test_pppoe_sessions_and_mpls_labels_are_stepped_over() -> None:
    frames = [
        c.ethernet(c.pppoe(FOUR), links.PPPOE),
        c.ethernet(c.pppoe(SIX), links.PPPOE, tags=[7]),
        c.ethernet(c.pppoe(b"\x01\x01\0\x04", 0xC021), links.PPPOE),  # link control
        c.ethernet(c.mpls(FOUR, 1), 0x8847),
        c.ethernet(c.mpls(SIX, 1, 2, 3), 0x8848),
        c.ethernet(c.mpls(FOUR, *range(1, links.MOST_LABELS + 2)), 0x8847),
    ]
    found = read(frames, links.ETHERNET)
    assert found.ethertype.tolist() == [0x0800, 0x86DD, links.PPPOE, 0x0800, 0x86DD, 0]
    assert found.size.tolist() == [22, 26, 14, 18, 26, 0]
    assert found.short.tolist() == [False] * 5 + [True]
    assert found.vlan.tolist() == [0, 7, 0, 0, 0, 0]


def test_pppoe_and_mpls_cut_short() -> None:
    frames = [
        c.ethernet(c.pppoe(FOUR), links.PPPOE)[:21],
        c.ethernet(c.mpls(FOUR, 1), 0x8847)[:18],
        c.ethernet(c.mpls(FOUR, 1, 2), 0x8847)[:22],
    ]
    assert read(frames, links.ETHERNET).short.tolist() == [True, True, True]


WIFI = struct.pack("<BBH", 0x08, 0x01, 0) + bytes(18) + b"\0\0"  # data, to the access point
WIFI_QUALITY = struct.pack("<BBH", 0x88, 0x03, 0) + bytes(18) + b"\0\0" + bytes(6) + bytes(2)
WIFI_SECRET = struct.pack("<BBH", 0x08, 0x41, 0) + bytes(18) + b"\0\0"
BEACON = struct.pack("<BBH", 0x80, 0x00, 0) + bytes(18) + b"\0\0" + bytes(12)
LLC = b"\xaa\xaa\x03\0\0\0"


@pytest.mark.parametrize(
    ("kind", "before"),
    [
        (105, b""),
        (127, struct.pack("<BBHI", 0, 0, 8, 0)),
        (127, struct.pack("<BBHI", 0, 0, 18, 0x2F) + bytes(10)),
        (192, struct.pack("<BBHI", 0, 0, 8, 105)),
        (119, struct.pack("<II", 0x44, 144) + bytes(136)),
        (163, struct.pack(">II", 0x80211001, 64) + bytes(56)),
        (119, struct.pack(">II", 0x80211001, 64) + bytes(56)),
    ],
)
def test_wireless_frames_carry_packets_unless_encrypted(kind: int, before: bytes) -> None:
    frames = [
        before + WIFI + LLC + b"\x08\x00" + FOUR,
        before + WIFI_QUALITY + LLC + b"\x86\xdd" + SIX,
        before + WIFI_SECRET + bytes(8) + FOUR,
        before + BEACON,
        before + WIFI + LLC + b"\x08",
    ]
    found = read(frames, kind)
    size = len(before)
    assert found.ethertype.tolist() == [links.IPV4, links.IPV6, 0, 0, 0]
    assert found.size.tolist() == [size + 32, size + 40, size, size, size]
    assert not found.short.any()


def test_a_wireless_header_that_is_longer_than_its_frame() -> None:
    lying = struct.pack("<BBHI", 0, 0, 60000, 0) + WIFI
    assert read([lying, lying[:3], b""], 127).short.tolist() == [True, True, True]


def test_ppi_of_something_else() -> None:
    wired = struct.pack("<BBHI", 0, 0, 8, 1) + c.ethernet(FOUR)
    assert read([wired], 192).ethertype.tolist() == [0]
