from __future__ import annotations

import random
import struct

import pytest

from mlids.batches import PacketBatch
from mlids.capture import wifi
from mlids.capture.beacons import Beacons, Security, beacons, safe_text
from mlids.testing import packets

AP = bytes.fromhex("3c5282000001")


def element(kind: int, value: bytes) -> bytes:
    return bytes([kind, len(value)]) + value


def rsn(*suites: int, pairwise: int = 1) -> bytes:
    body = b"\1\0\0\x0f\xac\4" + struct.pack("<H", pairwise) + b"\0\x0f\xac\4" * pairwise
    return element(
        48, body + struct.pack("<H", len(suites)) + struct.pack(f">{len(suites)}I", *suites)
    )


def beacon(*elements: bytes, private: bool = True, subtype: int = 8) -> bytes:
    head = bytes([subtype << 4, 0, 0, 0]) + b"\xff" * 6 + AP + AP + b"\0\0"
    return head + bytes(8) + struct.pack("<HH", 100, 0x10 if private else 0) + b"".join(elements)


def read(*frames: bytes, kind: int = wifi.PLAIN) -> tuple[PacketBatch, Beacons]:
    batch = packets(frames, kind)
    return batch, beacons(batch, wifi.management(batch))


NAME = element(0, b"Corp")
WPA = element(221, b"\x00\x50\xf2\x01\x01\x00")


@pytest.mark.parametrize(
    ("elements", "private", "security"),
    [
        ([], False, Security.OPEN),
        ([], True, Security.WEP),
        ([WPA], True, Security.WPA),
        ([element(221, b"\x00\x50\xf2\x04xx")], True, Security.WEP),  # WPS says nothing
        ([WPA, rsn(0x000FAC02)], True, Security.WPA2),
        ([rsn(0x000FAC01, pairwise=3)], True, Security.WPA2),
        ([rsn(0x000FAC02, 0x000FAC08)], True, Security.WPA3),
        ([rsn(0x000FAC08, pairwise=2)], True, Security.WPA3),
        ([rsn(0x000FAC12)], True, Security.WEP),
        ([element(48, b"\1\0")], True, Security.WPA2),  # cut: the rest is by default
        ([element(48, b"\1\0\0\x0f\xac\4\xff\xff")], True, Security.WPA2),
    ],
)
def test_security(elements: list[bytes], private: bool, security: Security) -> None:
    _, found = read(beacon(NAME, *elements, private=private))
    assert found.security.tolist() == [security]


def test_names() -> None:
    names = [b"Corp", b"corp", b"Corp\0", b"", b"\0\0\0\0", b"\0x", b"x" * 32, b"Corp", b"Cor "]
    batch, found = read(*(beacon(element(0, name)) for name in names))
    assert [found.ssid(batch, n) for n in range(len(names))] == names
    keys = found.ssid_key.tolist()
    assert keys[0] == keys[7] != 0
    assert keys[3] == keys[4] == 0  # hidden
    assert len({keys[n] for n in (0, 1, 2, 5, 6, 8)}) == 6
    batch, found = read(beacon(element(0, b"y" * 200)))
    assert found.ssid(batch, 0) == b"y" * 32
    assert read(beacon(element(1, b"\x82")))[1].row.tolist() == []  # no name at all


def test_channels() -> None:
    high = element(61, bytes([36]) + bytes(21))
    frames = [
        beacon(NAME, element(3, b"\x06")),
        beacon(NAME, element(3, b"\x06"), high),
        beacon(NAME, high),
        beacon(NAME),
    ]
    assert read(*frames)[1].channel.tolist() == [6, 6, 36, 0]
    for frequency, channel in (
        (2412, 1),
        (2472, 13),
        (2484, 14),
        (5180, 36),
        (5825, 165),
        (5955, 1),
    ):
        tap = struct.pack("<BBHIHH", 0, 0, 12, 0x08, frequency, 0)
        assert read(tap + frames[3], kind=wifi.RADIOTAP)[1].channel.tolist() == [channel]
        assert read(tap + frames[0], kind=wifi.RADIOTAP)[1].channel.tolist() == [6]


def test_kinds_of_frames() -> None:
    frames = [beacon(NAME, subtype=kind) for kind in (0, 4, 5, 8, 12)]
    _, found = read(*frames)
    assert found.row.tolist() == [2, 3]
    assert found.response.tolist() == [True, False]


def test_garbage_stays_within_its_frame() -> None:
    rng = random.Random(4)
    whole = beacon(NAME, element(3, b"\x06"), rsn(0x000FAC02, 0x000FAC08), WPA)
    frames = [whole[:n] for n in range(len(whole))]
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[rng.randrange(36, len(whole))] = rng.randrange(256)
        frames.append(bytes(damaged))
    batch, found = read(*frames)
    ends = batch.start[found.row] + batch.captured[found.row]
    assert (found.ssid_at + found.ssid_size <= ends).all()
    assert read()[1].row.tolist() == []


def test_text_is_safe() -> None:
    assert safe_text("Café".encode()) == "Café"
    assert safe_text(b"\x1b[31m\n\xff\0") == "?[31m???"
    assert safe_text("a\u202eb".encode()) == "a?b"
    assert len(safe_text(b"x" * 99)) == 32
