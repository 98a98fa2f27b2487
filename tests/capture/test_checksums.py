"""Checksums, against the plain sum of RFC 1071 and against packets of a real stack."""

from __future__ import annotations

import ipaddress
import os
import random
import struct
from pathlib import Path

import numpy as np
import pytest

from mlids.batches import PacketBatch
from mlids.capture import checksums
from mlids.capture import crafting as c
from mlids.capture.checksums import Checksum
from mlids.testing import packets

FOUR = ("192.0.2.1", "198.51.100.2")
SIX = ("2001:db8::1", "2001:db8:ffff::2")
FIELD = {6: 16, 17: 6, 1: 2, 58: 2}


def pseudo(addresses: tuple[str, str], protocol: int, size: int) -> bytes:
    if protocol == 1:
        return b""
    packed = b"".join(ipaddress.ip_address(a).packed for a in addresses)
    return packed + struct.pack(">IHBB", size, 0, 0, protocol)


def summed(addresses: tuple[str, str], protocol: int, segment: bytes) -> bytes:
    """The segment with its checksum."""
    at = FIELD[protocol]
    right = c.checksum(pseudo(addresses, protocol, len(segment)) + segment)
    return segment[:at] + struct.pack(">H", right or 0xFFFF) + segment[at + 2 :]


def segments(chance: random.Random) -> list[tuple[tuple[str, str], int, bytes]]:
    data = chance.randbytes(chance.choice([0, 1, 5, 30, 31, 200, 1400, 1460]))
    return [
        (pair, protocol, segment)
        for pair, icmp in ((FOUR, 1), (SIX, 58))
        for protocol, segment in (
            (6, c.tcp(1, 2, "PA", payload=data)),
            (17, c.udp(1, 2, data)),
            (icmp, c.icmp(8, payload=data)),
        )
    ]


def judged(frames: list[bytes]) -> list[int]:
    batch = packets(frames)
    return checksums.transport(batch, np.arange(len(batch))).tolist()


def test_right_and_wrong_ones_of_every_protocol_and_length() -> None:
    chance, right, wrong = random.Random(1), [], []
    for _ in range(30):
        for pair, protocol, segment in segments(chance):
            good = summed(pair, protocol, segment)
            right.append(c.ethernet(c.ip(*pair, protocol, good)))
            at = chance.randrange(len(good))
            bad = bytearray(good)
            bad[at] ^= chance.randrange(1, 256)
            wrong.append((bytes(bad), pair, protocol))
    assert set(judged(right)) == {Checksum.RIGHT}
    changed = [c.ethernet(c.ip(*pair, protocol, bad)) for bad, pair, protocol in wrong]
    assert judged(changed).count(Checksum.RIGHT) == 0
    assert judged(changed).count(Checksum.WRONG) > len(changed) * 0.9


def test_what_a_card_works_out_later() -> None:
    for pair in (FOUR, SIX):
        segment = c.tcp(1, 2, "PA", payload=b"some data")
        partial = ~c.checksum(pseudo(pair, 6, len(segment))) & 0xFFFF
        waiting = segment[:16] + struct.pack(">H", partial) + segment[18:]
        frames = [c.ethernet(c.ip(*pair, 6, one)) for one in (waiting, segment)]
        assert judged(frames) == [Checksum.LEFT_TO_THE_CARD] * 2


def test_what_cannot_be_judged() -> None:
    segment = c.tcp(1, 2, "PA", payload=b"x" * 100)
    cut = c.ethernet(c.ip(*FOUR, 6, segment))
    batch = packets([c.Frame(1, cut[:100], len(cut))])
    assert checksums.transport(batch, np.arange(1)).tolist() == [Checksum.UNKNOWN]
    pieces = c.ethernet(c.ipv4(*FOUR, 6, segment, more=True))
    giant = c.ethernet(c.ip(*FOUR, 6, c.tcp(1, 2, payload=b"y" * 4000)))
    none = c.ethernet(c.ip(*FOUR, 17, c.udp(1, 2, b"without")))
    assert judged([pieces, giant, none, c.ethernet(c.ip(*FOUR, 99, b""))]) == [0, 0, 0, 0]


def test_headers_of_ipv4() -> None:
    good = c.ipv4(*FOUR, 17, c.udp(1, 2))
    bad = good[:8] + b"\x01" + good[9:]
    empty = good[:10] + b"\0\0" + good[12:]
    options = c.ipv4(*FOUR, 17, c.udp(1, 2), options=b"\x94\x04\0\0")
    batch = packets(
        [c.ethernet(p) for p in (good, bad, empty, options, c.ip(*SIX, 17, c.udp(1, 2)))]
    )
    verdict = checksums.network(batch, np.arange(5)).tolist()
    assert verdict == [Checksum.RIGHT, Checksum.WRONG, Checksum.LEFT_TO_THE_CARD, 0, 0]


@pytest.mark.skipif(not os.environ.get("MLIDS_CORPORA"), reason="MLIDS_CORPORA is not set")
def test_real_captures_named_after_their_checksums() -> None:
    from threading import Event

    from mlids.monitors.pcap import Pcap

    folder = Path(os.environ["MLIDS_CORPORA"]) / "pcaps/zeek/chksums"
    verdicts = {}
    for path in sorted(folder.glob("*.pcap")):
        batches: list[PacketBatch] = list(Pcap(path=str(path)).batches(Event()))
        for batch in batches:
            rows = np.flatnonzero(batch.transport)
            found = {*checksums.transport(batch, rows).tolist()}
            found |= {*checksums.network(batch, np.arange(len(batch))).tolist()}
            verdicts[path.stem] = found
    assert verdicts
    for name, found in verdicts.items():
        if "-good-" in name:
            assert Checksum.WRONG not in found, name
        elif not any(word in name for word in ("route0", "hoa", "mip6")):
            assert Checksum.WRONG in found, name
