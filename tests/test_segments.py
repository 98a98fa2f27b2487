import gzip

import pytest
import zstandard

from mlids import segments


def test_sealing_gives_names_in_order(tmp_path):
    for n in range(12):
        (tmp_path / segments.OPEN).write_text(f"{n}\n")
        segments.seal(tmp_path)
    (tmp_path / segments.OPEN).write_text("12\n")
    (tmp_path / "mlids-notes.jsonl").write_text("not a segment\n")
    read = [line for path in segments.files(tmp_path) for line in segments.lines(path)]
    assert read == [b"%d\n" % n for n in range(13)]


@pytest.mark.parametrize("kind", ["gzip", "zstd", "none"])
def test_compression_keeps_every_byte(tmp_path, kind):
    path = tmp_path / "mlids-20250113T103045Z-1.jsonl"
    data = b"".join(b'{"n": %d}\n' % n for n in range(5000))
    path.write_bytes(data)
    made = segments.compress(path, kind)
    assert b"".join(segments.lines(made)) == data
    assert segments.files(tmp_path) == [made]
    if kind == "gzip":
        assert gzip.decompress(made.read_bytes()) == data
    if kind == "zstd":
        assert zstandard.ZstdDecompressor().decompressobj().decompress(made.read_bytes()) == data


def test_a_reader_finds_a_segment_that_was_compressed_meanwhile(tmp_path):
    path = tmp_path / "mlids-20250113T103045Z-1.jsonl"
    path.write_bytes(b"x\n")
    before = segments.files(tmp_path)
    segments.compress(path, "zstd")
    assert [line for one in before for line in segments.lines(one)] == [b"x\n"]


def test_while_compressing_the_plain_file_counts_once(tmp_path):
    (tmp_path / "mlids-20250113T103045Z-1.jsonl").write_bytes(b"x\n")
    (tmp_path / "mlids-20250113T103045Z-1.jsonl.zst").write_bytes(b"half")
    assert [path.suffix for path in segments.sealed(tmp_path)] == [".jsonl"]


@pytest.mark.parametrize(
    ("content", "kept", "torn"),
    [
        (b"", b"", b""),
        (b"a\n", b"a\n", b""),
        (b"a\nbc", b"a\n", b"bc"),
        (b"abc", b"", b"abc"),
        (b"a\n" + b"x" * 200_000, b"a\n", b"x" * 200_000),
        (b"x" * 70_000 + b"\ny", b"x" * 70_000 + b"\n", b"y"),
    ],
)
def test_a_torn_record_is_cut_off(tmp_path, content, kept, torn):
    path = tmp_path / segments.OPEN
    path.write_bytes(content)
    assert segments.mend(path) == torn
    assert path.read_bytes() == kept
