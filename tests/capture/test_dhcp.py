from __future__ import annotations

import random
import struct

from mlids.capture import crafting as c
from mlids.capture import dhcp
from mlids.capture.macs import mac_text
from mlids.testing import packets

MAC = "3c:52:82:00:00:01"


def message(
    *options: tuple[int, bytes], reply: bool = False, given: bytes = bytes(4), magic: int = dhcp.MAGIC,
    hardware: int = 1, end: bytes = b"\xff",
) -> bytes:  # fmt: skip
    head = struct.pack(">BBBBIHH", 2 if reply else 1, hardware, 6, 0, 7, 0, 0) + bytes(4)
    head += given + bytes(8) + bytes.fromhex(MAC.replace(":", "")) + bytes(10 + 192)
    data = head + struct.pack(">I", magic)
    data += b"".join(bytes([code, len(value)]) + value for code, value in options) + end
    ports = (67, 68) if reply else (68, 67)
    return c.ethernet(c.ip("0.0.0.0", "255.255.255.255", 17, c.udp(*ports, data)))


def test_options() -> None:
    frames = [
        message((53, b"\x01"), (12, b"laptop"), (50, b"\x0a\0\0\x09")),
        message((53, b"\x05"), (3, b"\x0a\0\0\x01"), (6, b"\x0a\0\0\x35\x0a\0\0\x36"),
                reply=True, given=b"\x0a\0\0\x09"),
    ]  # fmt: skip
    batch = packets(frames)
    found = dhcp.messages(batch)
    assert found.kind.tolist() == [dhcp.DISCOVER, dhcp.ACK]
    assert found.reply.tolist() == [False, True]
    assert [mac_text(mac) for mac in found.mac.tolist()] == [MAC, MAC]
    assert found.given.tolist() == [0, 0x0A000009]
    assert found.value(batch, 0, dhcp.HOST_NAME) == b"laptop"
    assert found.value(batch, 1, dhcp.HOST_NAME) == b""
    assert found.addresses(batch, 0, dhcp.REQUESTED) == [0x0A000009]
    assert found.addresses(batch, 1, dhcp.ROUTER) == [0x0A000001]
    assert found.addresses(batch, 1, dhcp.NAMESERVER) == [0x0A000035, 0x0A000036]
    assert dhcp.messages(batch) is found


def test_padding_and_options_that_lie() -> None:
    padded = message((53, b"\x01"), end=b"\0" * 20 + b"\x0c\x02ab\xff")
    beyond = message((53, b"\x01"), end=b"\x0c\xf0ab")
    after = message((53, b"\x01"), end=b"\xff\x0c\x02ab")
    batch = packets([padded, beyond, after])
    found = dhcp.messages(batch)
    assert [found.value(batch, n, dhcp.HOST_NAME) for n in range(3)] == [b"ab", b"", b""]
    assert found.kind.tolist() == [1, 1, 1]


def test_what_is_no_message() -> None:
    plain = message()
    assert dhcp.messages(packets([plain])).kind.tolist() == [0]  # BOOTP
    assert not len(dhcp.messages(packets([message(magic=7)])).row)
    assert dhcp.messages(packets([message(hardware=6)])).mac.tolist() == [0]
    elsewhere = c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 17, c.udp(9, 10, bytes(300))))
    assert not len(dhcp.messages(packets([elsewhere])).row)
    tcp = c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 6, c.tcp(68, 67, payload=bytes(300))))
    assert not len(dhcp.messages(packets([tcp])).row)
    assert not len(dhcp.messages(packets([])).row)


def test_garbage_is_read_within_its_bounds() -> None:
    rng = random.Random(1)
    whole = message((53, b"\x05"), (12, b"x" * 60), reply=True)
    frames = [whole[:n] for n in range(14, len(whole), 3)]
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(5):
            damaged[rng.randrange(270, len(whole))] = rng.randrange(256)
        frames.append(bytes(damaged))
    batch = packets(frames)
    found = dhcp.messages(batch)
    for n in range(len(found.row)):
        row = int(found.row[n])
        end = int(batch.start[row] + batch.captured[row])
        for option in dhcp.WANTED:
            assert int(found.places[option][n] + found.sizes[option][n]) <= end
            assert len(found.addresses(batch, n, option)) <= dhcp.MOST_ADDRESSES
