from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture import wifi
from mlids.capture.macs import mac_text
from mlids.testing import packets

AP, CLIENT = "3c:52:82:00:00:01", "a4:5e:60:00:00:07"


def raw(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def frame(subtype: int, flags: int = 0, kind: int = 0, body: bytes = b"body") -> bytes:
    first = subtype << 4 | kind << 2
    return bytes([first, flags, 0, 0]) + raw(CLIENT) + raw(AP) + raw(AP) + b"\0\0" + body


def radiotap(inner: bytes, present: int, fields: bytes, more: bytes = b"") -> bytes:
    return struct.pack("<BBHI", 0, 0, 8 + len(more) + len(fields), present) + more + fields + inner


def wrapped(inner: bytes, kind: int) -> bytes:
    if kind == wifi.RADIOTAP:
        return radiotap(inner, 0x08, struct.pack("<HH", 2437, 0))
    if kind == wifi.PPI:
        return struct.pack("<BBHI", 0, 0, 8, wifi.PLAIN) + inner
    if kind == wifi.AVS:
        return struct.pack(">II", 0x80211001, 64) + bytes(56) + inner
    if kind == wifi.PRISM:
        return struct.pack("<II", 0x44, 144) + bytes(136) + inner
    return inner


@pytest.mark.parametrize("kind", wifi.LINK_TYPES)
def test_management_frames(kind: int) -> None:
    made = [
        frame(8),
        frame(12),
        frame(5, 0x08),
        frame(12, 0x40),
        frame(13, kind=1),
        frame(0, kind=2),
    ]
    batch = packets([wrapped(each, kind) for each in made], kind)
    assert wifi.is_radio(batch)
    found = wifi.management(batch)
    assert found.row.tolist() == [0, 1, 2, 3]
    assert found.subtype.tolist() == [8, 12, 5, 12]
    assert {mac_text(mac) for mac in found.sender.tolist()} == {AP}
    assert {mac_text(mac) for mac in found.bssid.tolist()} == {AP}
    assert {mac_text(mac) for mac in found.receiver.tolist()} == {CLIENT}
    assert found.retry.tolist() == [False, False, True, False]
    assert found.protected.tolist() == [False, False, False, True]
    for begin, end in zip(found.body.tolist(), found.end.tolist(), strict=True):
        assert batch.data[begin:end].tobytes() == b"body"


def test_high_throughput_control_stands_before_the_body() -> None:
    batch = packets([frame(8, 0x80, body=b"htc!body")], wifi.PLAIN)
    found = wifi.management(batch)
    assert batch.data[int(found.body[0]) : int(found.end[0])].tobytes() == b"body"


@pytest.mark.parametrize(
    ("present", "more", "fields", "expected"),
    [
        (0x08, b"", struct.pack("<HH", 5180, 0), 5180),
        (0x0F, b"", bytes(8) + b"\0\x02" + struct.pack("<HH", 2412, 0), 2412),
        (0x0E, b"", b"\0\x02" + struct.pack("<HH", 2417, 0), 2417),
        (0x80000008, struct.pack("<I", 0), struct.pack("<HH", 2422, 0), 2422),
        (0x80000009, struct.pack("<I", 0), bytes(4) + bytes(8) + struct.pack("<HH", 2427, 0), 2427),
        (0x04, b"", b"\x02", 0),
        (0x08, b"", b"", 0),  # the header ends before it
    ],
)
def test_frequency(present: int, more: bytes, fields: bytes, expected: int) -> None:
    batch = packets([radiotap(frame(8), present, fields, more)], wifi.RADIOTAP)
    assert wifi.management(batch).frequency.tolist() == [expected]


def test_network_layer_in_data_frames() -> None:
    packet = c.ip("10.0.0.1", "10.0.0.2", 17, c.udp(1, 2, b"x"))
    llc = b"\xaa\xaa\x03\0\0\0\x08\0" + packet
    data = [
        frame(0, 0x01, 2, llc),  # to the access point
        frame(8, 0x02, 2, b"\0\0" + llc),  # with quality of service
        frame(0, 0x03, 2, bytes(6) + llc),  # between access points
        frame(0, 0x41, 2, llc),  # encrypted
        frame(4, 0x01, 2, llc),  # without data
    ]
    batch = packets(data, wifi.PLAIN)
    assert batch.dport.tolist() == [2, 2, 2, 0, 0]


def test_wired_captures_have_none() -> None:
    batch = packets([c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 17, c.udp(1, 2)))])
    assert not wifi.is_radio(batch)
    assert not wifi.is_radio(packets([]))
    assert not len(wifi.management(batch).row)
    assert not len(wifi.management(packets([])).row)


@pytest.mark.parametrize("kind", wifi.LINK_TYPES)
def test_garbage_stays_within_its_frame(kind: int) -> None:
    rng = random.Random(kind)
    whole = wrapped(frame(8), kind)
    frames = [whole[:n] for n in range(len(whole))]
    frames += [rng.randbytes(rng.randrange(100)) for _ in range(300)]
    batch = packets(frames, kind)
    found = wifi.management(batch)
    assert (found.end <= batch.start[found.row] + batch.captured[found.row]).all()
    assert (found.body - 28 >= batch.start[found.row] - 28).all()
    assert (np.diff(found.row) > 0).all()
