from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.batches import PacketBatch
from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.pcapng_format import PcapngRecords
from mlids.capture.recordings import Capture, is_capture, sniff
from mlids.errors import MLIDSError
from mlids.monitors.pcap import Pcap
from mlids.testing import START_NS


def made_frames(count: int, size: int = 80, seed: int = 1) -> list[Frame]:
    rng = random.Random(seed)
    frames = []
    for n in range(count):
        segment = c.tcp(1000 + n % 60000, 80, "S", payload=rng.randbytes(rng.randrange(size)))
        data = c.ethernet(c.ip("192.0.2.1", "198.51.100.2", 6, segment))
        frames.append(Frame(START_NS + n * 1_000_000 + rng.randrange(1000) * 1000, data))
    return frames


FRAMES = made_frames(300)


def read(path: Path | str, window: int = 1 << 16) -> tuple[list[PacketBatch], Capture]:
    capture = Capture(str(path), window)
    batches = list(capture.batches(threading.Event()))
    capture.close()
    return batches, capture


def rows(batches: list[PacketBatch]) -> list[tuple[int, int, bytes, int]]:
    """Number, time, bytes and length of every frame."""
    found = []
    for b in batches:
        for n in range(len(b)):
            start, size = int(b.start[n]), int(b.captured[n])
            data = b.data[start : start + size].tobytes()
            found.append((int(b.frame[n]), int(b.time[n]), data, int(b.length[n])))
    return found


def expected(frames: list[Frame]) -> list[tuple[int, int, bytes, int]]:
    return [(n, f.time_ns, f.data, f.length or len(f.data)) for n, f in enumerate(frames, 1)]


def save(folder: Path, content: bytes, name: str = "capture") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanos", [False, True])
@pytest.mark.parametrize("window", [300, 4096, 1 << 20])
def test_pcap(tmp_path: Path, order: str, nanos: bool, window: int) -> None:
    path = save(tmp_path, c.pcap(FRAMES, order=order, nanos=nanos))
    batches, capture = read(path, window)
    assert rows(batches) == expected(FRAMES)
    assert (capture.read, capture.rejected, capture.damage) == (300, 0, "")
    assert (capture.position, capture.size) == (path.stat().st_size,) * 2


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("resolution", [None, 6, 9, 10, 0x80 | 30])
@pytest.mark.parametrize("window", [300, 1 << 20])
def test_pcapng(tmp_path: Path, order: str, resolution: int | None, window: int) -> None:
    path = save(tmp_path, c.pcapng(FRAMES, order=order, resolution=resolution))
    found = rows(read(path, window)[0])
    assert [row[2:] for row in found] == [row[2:] for row in expected(FRAMES)]
    assert all(abs(a[1] - b.time_ns) <= 2 for a, b in zip(found, FRAMES, strict=True))


def test_modified_pcap(tmp_path: Path) -> None:
    parts = [struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, 1)]
    for frame in FRAMES:
        seconds, part = divmod(frame.time_ns, 10**9)
        size = len(frame.data)
        parts.append(struct.pack("<IIIIIHBB", seconds, part // 1000, size, size, 3, 8, 0, 0))
        parts.append(frame.data)
    assert rows(read(save(tmp_path, b"".join(parts)))[0]) == expected(FRAMES)


def test_several_sections_and_interfaces(tmp_path: Path) -> None:
    raw = c.ip("192.0.2.1", "192.0.2.2", 17, c.udp(1, 53))
    whole = b""
    times = []
    for number in range(200):
        order = "<>"[number % 2]
        frames = [Frame(START_NS + number * 10**9, raw), Frame(START_NS + number * 10**9 + 5, raw)]
        whole += c.section(order) + c.block(5, bytes(20), order)
        whole += c.interface(101, order, 9) + c.enhanced(0, frames[0], order=order, resolution=9)
        whole += c.block(0x0BAD, b"odd", order) + c.interface(1, order, 6)
        other = Frame(frames[1].time_ns // 1000 * 1000, c.ethernet(raw))
        whole += c.enhanced(1, other, order=order)
        times += [frames[0].time_ns, other.time_ns]
    for window in (400, 1 << 20):
        batches, capture = read(save(tmp_path, whole), window)
        assert [row[1] for row in rows(batches)] == times
        assert {port for b in batches for port in b.dport.tolist()} == {53}
        assert capture.damage == ""


def test_simple_and_old_packets(tmp_path: Path) -> None:
    whole = c.pcapng(FRAMES[:2], resolution=9)
    data = FRAMES[2].data
    whole += c.block(3, struct.pack("<I", len(data)) + data)
    low = FRAMES[3].time_ns
    head = struct.pack("<HHIIII", 0, 0, low >> 32, low & 0xFFFFFFFF, len(data), len(data))
    whole += c.block(2, head + data)
    found = rows(read(save(tmp_path, whole))[0])
    assert [row[1] for row in found] == [FRAMES[0].time_ns, *[FRAMES[1].time_ns] * 2, low]
    assert found[2][2] == found[3][2] == data
    simple = rows(read(save(tmp_path, c.pcapng(FRAMES, simple=True, snap=60)))[0])
    assert [row[2] for row in simple] == [frame.data[:60] for frame in FRAMES]


def test_packet_of_no_interface_is_rejected(tmp_path: Path) -> None:
    whole = c.pcapng(FRAMES[:3]) + c.enhanced(7, FRAMES[3]) + c.enhanced(0, FRAMES[4])
    batches, capture = read(save(tmp_path, whole))
    assert [row[0] for row in rows(batches)] == [1, 2, 3, 5]
    assert capture.rejected == 1


@pytest.mark.parametrize("kind", ["gzip", "gzip-twice", "zstd", "zstd-twice"])
def test_compressed(tmp_path: Path, kind: str) -> None:
    zstandard = pytest.importorskip("zstandard")
    whole = c.pcap(FRAMES, nanos=True)
    pack = gzip.compress if kind.startswith("gzip") else zstandard.ZstdCompressor().compress
    cut = len(whole) // 2 if kind.endswith("twice") else len(whole)
    content = b"".join(pack(part) for part in (whole[:cut], whole[cut:]) if part)
    assert sniff(content[:512]) or kind.startswith("zstd")
    path = save(tmp_path, content)
    assert is_capture(str(path))
    batches, capture = read(path)
    assert rows(batches) == expected(FRAMES)
    assert capture.position == path.stat().st_size
    broken, damaged = read(save(tmp_path, content[: len(content) * 2 // 3]))
    assert damaged.damage
    got = rows(broken)
    assert got == expected(FRAMES)[: len(got)]


def test_sniff() -> None:
    assert sniff(c.pcap([])) and sniff(c.pcap([], order=">", nanos=True)) and sniff(c.section(">"))
    for head in (b"", b"Jan 13", b"\x1f\x8b", b"\x1f\x8b" + bytes(50), b"\x28\xb5\x2f\xfd12345678"):
        assert not sniff(head)
    assert not sniff(gzip.compress(b"a log line\n" * 100))
    assert not is_capture("/nonexistent")


def test_every_cut_gives_what_stands_before_it(tmp_path: Path) -> None:
    frames = FRAMES[:4]
    for whole in (c.pcap(frames, nanos=True), c.pcapng(frames, resolution=9)):
        ends = [n for n in range(len(whole) + 1) if ends_record(whole[:n], frames)]
        for cut in range(32, len(whole) + 1):
            batches, capture = read(save(tmp_path, whole[:cut]))
            got = rows(batches)
            assert got == expected(frames)[: len(got)]
            assert bool(capture.damage) == (cut not in ends), cut
            assert capture.rejected == (1 if capture.damage else 0)


def ends_record(part: bytes, frames: list[Frame]) -> bool:
    """Whether a file cut so ends where a record or block ends."""
    sizes = {len(c.pcap(frames[:n], nanos=True)) for n in range(len(frames) + 1)}
    blocks = {len(c.pcapng(frames[:n], resolution=9)) for n in range(len(frames) + 1)}
    return len(part) in (blocks if sniff_pcapng(part) else sizes)


def sniff_pcapng(part: bytes) -> bool:
    return PcapngRecords.knows(part)


def test_frames_out_of_order_are_sorted_and_now_never_goes_back(tmp_path: Path) -> None:
    mixed = [FRAMES[n ^ 1] for n in range(300)]
    batches, _ = read(save(tmp_path, c.pcap(mixed, nanos=True)), 5000)
    assert len(batches) > 3
    assert all((b.time[1:] >= b.time[:-1]).all() for b in batches)
    nows = [b.now for b in batches]
    assert nows == sorted(nows)
    assert sorted(row[0] for row in rows(batches)) == list(range(1, 301))


def test_record_larger_than_the_window(tmp_path: Path) -> None:
    frames = [FRAMES[0], Frame(START_NS + 10**9, bytes(200_000)), FRAMES[1]]
    for content in (c.pcap(frames, nanos=True), c.pcapng(frames, resolution=9)):
        assert len(rows(read(save(tmp_path, content), 1000)[0])) == 3


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_captures_harm_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(
        data.draw(
            st.sampled_from(
                [
                    c.pcap(FRAMES[:6]),
                    c.pcapng(FRAMES[:6], resolution=9),
                    c.pcapng(FRAMES[:6], order=">", simple=True),
                    c.section() + c.interface(1) + c.section(">") + c.interface(1, ">"),
                ]
            )
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = save(
        tmp_path_factory.getbasetemp(), bytes(whole[: data.draw(st.integers(4, len(whole)))])
    )
    try:
        read(path, data.draw(st.sampled_from([64, 4096])))
    except MLIDSError as error:
        assert error.code == "E012"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as stdin, os.fdopen(writer, "wb") as out:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stdin))
        out.write(c.pcap(FRAMES[:10], nanos=True))
        out.flush()
        monitor = Pcap(path="-")
        got: list[PacketBatch] = []
        for batch in monitor.batches(threading.Event()):
            got.append(batch)
            if len(got) == 1:  # the first are there while the writer still thinks
                assert len(batch) == 10
                out.write(c.pcap(FRAMES[10:20], nanos=True)[24:])
                out.close()
        assert [row[1:] for row in rows(got)] == [row[1:] for row in expected(FRAMES[:20])]
        assert monitor.inputs()[0].counts["size"] == 0
        monitor.close()


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "E007"), (b"no capture at all, but a text", "E012"), (b"", "E012"), (b"\xd4", "E012")],
)
def test_what_is_no_capture(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "x" if content is None else save(tmp_path, content)
    with pytest.raises(MLIDSError) as error:
        list(Pcap(path=str(path)).batches(threading.Event()))
    assert error.value.code == code
    with pytest.raises(MLIDSError) as error:
        Capture(str(tmp_path))
    assert error.value.code == "E012"


def test_all_labelled_captures_decode(corpora: Path) -> None:
    paths = sorted((corpora / "pcaps").rglob("*.*cap*"))
    assert paths
    for path in paths:
        try:
            _, capture = read(path)
        except MLIDSError as error:
            assert error.code == "E012", path
            continue
        if shutil.which("tcpdump") and not capture.damage:
            asked = subprocess.run(
                ["tcpdump", "--count", "-r", str(path)], capture_output=True, text=True
            )
            if asked.returncode == 0:
                assert int(asked.stdout.split()[0]) == capture.read, path


def test_batches_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlids.capture import recordings

    monkeypatch.setattr(recordings, "MOST_ROWS", 7)
    path = tmp_path / "many.pcap"
    packet = c.ethernet(c.ipv4("192.0.2.1", "192.0.2.2", 17, c.udp(1, 2)))
    c.write_pcap(path, [c.Frame(n * 1_000_000, packet) for n in range(20)])
    batches = list(Capture(str(path)).batches(threading.Event()))
    assert [len(batch) for batch in batches] == [7, 7, 6]
    assert np.concatenate([batch.frame for batch in batches]).tolist() == list(range(1, 21))


def test_small_fragments_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "fragments.pcap"
    segment = c.tcp(40000, 22, "S")
    pieces = [
        c.ipv4("192.0.2.1", "192.0.2.2", 6, segment[at : at + 8], offset=at, more=at < 16)
        for at in (0, 8, 16)
    ]
    c.write_pcap(path, [c.Frame(n * 1_000_000, c.ethernet(p)) for n, p in enumerate(pieces)])
    capture = Capture(str(path))
    (batch,) = capture.batches(threading.Event())
    assert batch.dport.tolist()[-1] == 22
    assert batch.flags.tolist()[-1] == 2
    assert capture.read == 3


def test_stamps_beyond_what_times_can_hold_are_held_back(tmp_path: Path) -> None:
    """A pcapng may say any of 2^64 moments; sums of times must not overflow behind it."""
    from mlids.capture.recordings import LATEST_NS

    path = tmp_path / "far.pcapng"
    packet = c.ethernet(c.ipv4("192.0.2.1", "192.0.2.2", 17, c.udp(1, 2)))
    late = c.Frame(((1 << 63) - 1) // 1000 * 1000, packet)
    c.write_pcapng(path, [c.Frame(START_NS, packet), late])
    (batch,) = Capture(str(path)).batches(threading.Event())
    assert batch.time.tolist() == [START_NS // 1000 * 1000, LATEST_NS]
