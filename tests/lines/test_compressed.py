from __future__ import annotations

import gzip
import io

import pytest
import zstandard

from mlids.errors import MLIDSError
from mlids.lines.compressed import PlainReader, read_head

TEXT = b"".join(b"line %d\n" % n for n in range(20_000))
PACKED = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in two parts": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "zstd in two frames": lambda data: (
        zstandard.ZstdCompressor().compress(data[:1000])
        + zstandard.ZstdCompressor().compress(data[1000:])
    ),
}


def read_all(data: bytes, size: int = 4096) -> bytes:
    reader = PlainReader(io.BufferedReader(io.BytesIO(data)), "x")
    return b"".join(iter(lambda: reader.read(size), b""))


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED.keys())
def test_the_same_text_whatever_the_packing(pack, tmp_path):
    assert read_all(pack(TEXT)) == TEXT
    path = tmp_path / "x"
    path.write_bytes(pack(TEXT))
    with path.open("rb") as file:
        assert read_head(file.fileno(), 100, "x") == TEXT[:100]


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_damage_is_told_and_what_was_whole_was_read(kind):
    data = bytearray(PACKED[kind](TEXT))
    for broken in (bytes(data[: len(data) // 2]), bytes(data[:40]) + b"\0" * 40 + bytes(data[80:])):
        reader = PlainReader(io.BufferedReader(io.BytesIO(broken)), "x.gz")
        got = b""
        try:
            while part := reader.read(1000):
                got += part
        except MLIDSError as error:
            assert error.code == "E011"
            assert "x.gz" in error.message
        assert TEXT.startswith(got[:1000]) or kind == "zstd"
        assert got != TEXT


def test_short_and_empty_files():
    assert read_all(b"") == b""
    assert read_all(b"\x1f") == b"\x1f"
