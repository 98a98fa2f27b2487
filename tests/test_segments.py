import contextlib
import gzip
import os
import random
import threading

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


def test_what_only_has_the_name_of_a_segment_is_none(tmp_path):
    (tmp_path / "mlids-20250101T000000Z-1.jsonl").mkdir()
    (tmp_path / "mlids-20250101T000000Z-2.jsonl").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "mlids-20250101T000000Z-3.jsonl")
    (tmp_path / "mlids-20250101T000000Z-4.jsonl.bak").write_bytes(b"{}\n")
    whole = tmp_path / "mlids-20250101T000000Z-5.jsonl"
    whole.write_bytes(b"{}\n")
    assert segments.sealed(tmp_path) == [whole]


def test_no_segment_is_missed_while_others_are_compressed(tmp_path):
    paths = [tmp_path / f"mlids-20250101T000000Z-{n}.jsonl" for n in range(1500)]
    for path in paths:
        path.write_bytes(b"{}\n")

    def compress():
        for path in paths:
            packed = path.with_name(path.name + ".zst")
            partial = path.with_name(f".{packed.name}.partial")
            partial.write_bytes(b"")
            partial.replace(packed)
            path.unlink()

    compressing = threading.Thread(target=compress)
    compressing.start()
    while compressing.is_alive():
        assert len(segments.sealed(tmp_path)) == len(paths)
    compressing.join()


@pytest.mark.parametrize("kind", ["none", "gzip", "zstd"])
def test_a_segment_that_is_cut_is_damaged(tmp_path, kind):
    path = tmp_path / "mlids-20250101T000000Z-1.jsonl"
    path.write_bytes(b"".join(random.randbytes(50).hex().encode() + b"\n" for _ in range(5000)))
    made = segments.compress(path, kind)
    whole, data = list(segments.lines(made)), made.read_bytes()
    for keep in (len(data) - 1, len(data) // 3, 7, 0):
        made.write_bytes(data[:keep])
        found = []
        with contextlib.ExitStack() as stack:
            if keep or kind == "zstd":  # an empty file is a segment of which nothing was kept
                stack.enter_context(pytest.raises(EOFError, match="is damaged"))
            found.extend(segments.lines(made))
        assert found == whole[: len(found)]
    assert len(whole) == 5000


def test_lines_before_the_damage_are_read(tmp_path):
    path = tmp_path / "mlids-20250101T000000Z-1.jsonl"
    path.write_bytes(b"".join(random.randbytes(50).hex().encode() + b"\n" for _ in range(50_000)))
    made = segments.compress(path, "zstd")
    data = bytearray(made.read_bytes())
    data[-len(data) // 2 :] = random.randbytes(len(data) // 2)
    made.write_bytes(data)
    found = []
    with pytest.raises(EOFError):
        for line in segments.lines(made):
            found.append(line)
    assert len(found) > 20_000


def test_what_a_crash_left_half_done_is_cleared(tmp_path):
    plain = tmp_path / "mlids-20250101T000000Z-1.jsonl"
    packed = tmp_path / "mlids-20250101T000000Z-2.jsonl.zst"
    for path in (plain, packed, plain.with_name(f"{plain.name}.zst"), tmp_path / "mlids.jsonl"):
        path.write_bytes(b"{}\n")
    (tmp_path / f".{packed.name}.partial").write_bytes(b"{")
    segments.clear(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([plain, packed, tmp_path / "mlids.jsonl"])
