from __future__ import annotations

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.pcap_format import HEADER, PcapRecords

FRAMES = [Frame(1_736_764_245_000_000_000 + n * 1000, bytes([n]) * (20 + n)) for n in range(5)]


def view(whole: bytes) -> memoryview:
    return memoryview(whole + bytes(64))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanos", [False, True])
def test_frames_of_one_file(order: str, nanos: bool) -> None:
    whole = c.pcap(FRAMES, order=order, nanos=nanos, kind=101)
    assert PcapRecords.knows(whole[:4])
    records = PcapRecords()
    frames, rest = records.read(view(whole), 0, len(whole))
    assert frames is not None
    assert frames.time.tolist() == [frame.time_ns for frame in FRAMES]
    assert frames.captured.tolist() == [len(frame.data) for frame in FRAMES]
    assert [whole[at] for at in frames.start] == [0, 1, 2, 3, 4]
    assert (frames.kinds, frames.number.tolist(), rest) == (101, [0, 1, 2, 3, 4], len(whole))
    assert (records.rejected, records.damage) == (0, "")


def test_numbers_go_on_from_buffer_to_buffer() -> None:
    whole = c.pcap(FRAMES)
    records = PcapRecords()
    assert records.read(view(whole), 0, HEADER - 1) == (None, 0)
    first, rest = records.read(view(whole), 0, HEADER + 16 + 20 + 30)
    assert first is not None and first.number.tolist() == [0]
    assert rest == HEADER + 16 + 20
    second, _ = records.read(view(whole[rest:]), 0, len(whole) - rest)
    assert second is not None and second.number.tolist() == [1, 2, 3, 4]


def test_impossible_length_is_damage() -> None:
    whole = bytearray(c.pcap(FRAMES))
    at = HEADER + 16 + 20 + 8
    whole[at : at + 4] = b"\xff\xff\xff\x7f"
    records = PcapRecords()
    frames, rest = records.read(view(bytes(whole)), 0, len(whole))
    assert frames is not None and len(frames.start) == 1
    assert records.damage == "impossible record length after frame 1"
    assert rest == HEADER + 16 + 20


def test_link_type_without_the_check_sum_bits() -> None:
    whole = bytearray(c.pcap(FRAMES[:1]))
    whole[20:24] = b"\x01\x00\x00\x24"
    frames, _ = PcapRecords().read(view(bytes(whole)), 0, len(whole))
    assert frames is not None and frames.kinds == 1


@pytest.mark.parametrize("head", [b"", b"\xd4\xc3\xb2", b"text", c.section()[:4]])
def test_other_files_are_not_known(head: bytes) -> None:
    assert not PcapRecords.knows(head)


def test_a_recording_over_a_moment_where_the_upper_half_of_the_seconds_changes() -> None:
    """Every 18 hours; small packets, so that a lane without a head would be long."""
    turn = 0x6785_0000
    packet = c.ethernet(c.ipv4("192.0.2.1", "192.0.2.2", 6, c.tcp(1, 2, "S")))
    frames = [Frame((turn - 500 + n // 10) * 1_000_000_000, packet) for n in range(10_000)]
    data = memoryview(c.pcap(frames) + bytes(64))
    records = PcapRecords()
    found, used = records.read(data, 0, len(data) - 64)
    assert found is not None
    assert len(found.time) == 10_000
    assert used == len(data) - 64
    assert found.time.tolist() == [frame.time_ns for frame in frames]
