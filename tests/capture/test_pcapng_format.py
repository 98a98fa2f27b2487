from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.pcap_format import Frames
from mlids.capture.pcapng_format import PcapngRecords, nanoseconds

START = 1_736_764_245_000_000_000
FRAMES = [Frame(START + n * 1000, bytes([n]) * (20 + n)) for n in range(5)]


def read(whole: bytes) -> tuple[Frames | None, int, PcapngRecords]:
    records = PcapngRecords()
    frames, rest = records.read(memoryview(whole + bytes(64)), 0, len(whole))
    return frames, rest, records


@given(st.integers(0, 2**64 - 1), st.sampled_from([1, 10**6, 10**9, 10**12, 2**20, 2**40, 2**62]))
def test_nanoseconds(ticks: int, units: int) -> None:
    found = int(nanoseconds(np.array([ticks], np.uint64), units)[0])
    most = (2**63 - 1) - 2**31 * 10**9
    exact = ticks * 10**9 // units
    assert abs(found - exact) <= 2 if exact < most - 10**9 else found >= most - 2 * 10**9


@pytest.mark.parametrize("order", ["<", ">"])
def test_frames_of_one_section(order: str) -> None:
    whole = c.pcapng(FRAMES, order=order, kind=101, resolution=9)
    assert PcapngRecords.knows(whole[:4])
    frames, rest, records = read(whole)
    assert frames is not None
    assert frames.time.tolist() == [frame.time_ns for frame in FRAMES]
    assert [whole[at] for at in frames.start] == [0, 1, 2, 3, 4]
    assert np.unique(frames.kinds).tolist() == [101]
    assert (rest, records.damage, records.rejected) == (len(whole), "", 0)


def test_seconds_that_an_interface_adds() -> None:
    option = struct.pack("<HHq", 14, 8, 100) + bytes(4)
    described = c.block(1, struct.pack("<HHI", 1, 0, 0) + option)
    frames, _, _ = read(c.section() + described + c.enhanced(0, FRAMES[0]))
    assert frames is not None and frames.time.tolist() == [START + 100 * 10**9]


def test_interfaces_end_with_their_section() -> None:
    whole = c.pcapng(FRAMES[:1]) + c.section(">") + c.enhanced(0, FRAMES[1], order=">")
    frames, _, records = read(whole)
    assert frames is not None and frames.number.tolist() == [0]
    assert (records.rejected, records.count) == (1, 2)


@pytest.mark.parametrize(
    ("whole", "damage"),
    [
        (c.section()[:8] + bytes(20), "section header without byte order after frame 0"),
        (
            c.section()[:4] + struct.pack("<I", 12) + c.section()[8:],
            "impossible section header after frame 0",
        ),
        (
            c.pcapng(FRAMES[:2]) + struct.pack("<III", 6, 13, 0),
            "impossible block length after frame 2",
        ),
    ],
)
def test_damage_is_told_with_its_place(whole: bytes, damage: str) -> None:
    assert read(whole)[2].damage == damage


def test_interface_description_that_is_cut_short_counts_all_the_same() -> None:
    whole = c.section() + c.block(1, b"") + c.enhanced(0, FRAMES[0])
    frames, _, records = read(whole)
    assert frames is not None and frames.kinds.tolist() == [-1]  # type: ignore[union-attr]
    assert records.damage == ""
