from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest

from mlids.capture.unzstd import Unzstd

zstandard = pytest.importorskip("zstandard")
TEXT = b"".join(b"line %d of a log\n" % n for n in range(20_000))


def pack(text: bytes) -> bytes:
    return bytes(zstandard.ZstdCompressor().compress(text))


def read(packed: bytes, room: int) -> bytes:
    raw: Any = io.BytesIO(packed)
    reader, found = Unzstd(raw), []
    buffer = memoryview(bytearray(room))
    while count := reader.readinto(buffer):
        found.append(bytes(buffer[:count]))
    return b"".join(found)


@pytest.mark.parametrize("room", [1000, 1 << 20])
def test_one_and_several_frames(room: int) -> None:
    assert read(pack(TEXT), room) == TEXT
    assert read(pack(TEXT) + pack(b"") + pack(b"end"), room) == TEXT + b"end"
    assert read(b"", room) == b""


def test_cut_is_noticed() -> None:
    packed = pack(TEXT)
    for cut in (1, 5, len(packed) // 2, len(packed) - 1):
        with pytest.raises(EOFError):
            read(packed[:cut], 1 << 20)


def test_bomb_is_opened_in_pieces() -> None:
    packed = pack(bytes(200_000_000))
    raw: Any = io.BytesIO(packed)
    reader, buffer = Unzstd(raw), memoryview(bytearray(1 << 16))
    tracemalloc.start()
    total = 0
    while count := reader.readinto(buffer):
        total += count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 200_000_000
    assert peak < 100_000_000
