from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture import records
from mlids.capture.crafting import Frame
from mlids.capture.pcap_format import PcapRecords
from mlids.capture.pcapng_format import PcapngRecords
from mlids.capture.records import MOST, Shape, walk_plainly

SHAPE = Shape("<", field=0, extra=4, header=4, least=4, step=1)  # a length, then as many bytes


def made_frames(count: int, size: int, seed: int) -> list[Frame]:
    rng = random.Random(seed)
    frames = []
    for n in range(count):
        segment = c.tcp(1000 + n % 60000, 80, "S", payload=rng.randbytes(rng.randrange(size)))
        data = c.ethernet(c.ip("192.0.2.1", "198.51.100.2", 6, segment))
        frames.append(Frame(1_736_764_245_000_000_000 + n * 1_000_000, data))
    return frames


INNER = made_frames(5, 80, 1)


def chain(*sizes: int) -> bytes:
    return b"".join(struct.pack("<I", size) + bytes(size) for size in sizes)


def test_plain_walk() -> None:
    whole = chain(3, 0, 10)
    found = walk_plainly(memoryview(whole), 0, len(whole), SHAPE)
    assert (found.starts.tolist(), found.following, found.broken) == ([0, 7, 11], 25, False)
    cut = walk_plainly(memoryview(whole), 0, len(whole) - 1, SHAPE)
    assert (cut.starts.tolist(), cut.following, cut.broken) == ([0, 7], 11, False)
    assert walk_plainly(memoryview(whole), 0, 3, SHAPE).starts.tolist() == []


@pytest.mark.parametrize("wrong", [MOST + 1, 2**32 - 1])
def test_plain_walk_stops_at_what_is_impossible(wrong: int) -> None:
    whole = chain(3) + struct.pack("<I", wrong)
    found = walk_plainly(memoryview(whole), 0, len(whole), SHAPE)
    assert (found.starts.tolist(), found.following, found.broken) == ([0], 7, True)
    odd = SHAPE._replace(step=4)
    assert walk_plainly(memoryview(whole), 0, len(whole), odd).broken


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("pcapng", [False, True])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_lanes_find_what_the_plain_walk_finds(order: str, pcapng: bool, seed: int) -> None:
    rng = random.Random(seed)
    frames = made_frames(1500, rng.choice([2, 400, 1400]), seed)
    if rng.random() < 0.5:  # frames that hold captures: records everywhere that are none
        inner = c.pcap(INNER, order=order) + c.pcapng(INNER, order=order)
        frames = [Frame(f.time_ns, f.data + inner) if rng.random() < 0.3 else f for f in frames]
    whole = bytearray((c.pcapng if pcapng else c.pcap)(frames, order=order))
    begin = 0 if pcapng else 24
    if rng.random() < 0.5:
        whole[rng.randrange(begin + 16, len(whole))] ^= 1 << rng.randrange(8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "LANE", 2048)
        calls = []
        plain = records.walk_plainly

        def noted(data: memoryview, at: int, end: int, shape: records.Shape) -> records.Walked:
            calls.append(end - at)
            return plain(data, at, end, shape)

        patch.setattr(records, "walk_plainly", noted)
        reader: PcapRecords | PcapngRecords = PcapngRecords() if pcapng else PcapRecords()
        data = memoryview(whole + bytes(64))
        frames_found, rest = reader.read(data, 0, len(whole))
    other: PcapRecords | PcapngRecords = PcapngRecords() if pcapng else PcapRecords()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "FEW", 1 << 30)
        same, same_rest = other.read(data, 0, len(whole))
    assert frames_found is not None and same is not None
    for a, b in zip(frames_found, same, strict=True):
        assert np.array_equal(a, b)
    assert (rest, reader.damage, reader.rejected) == (same_rest, other.damage, other.rejected)
    assert min(calls) < len(whole)
