import gzip

import pytest
import zstandard

from mlids import records
from mlids.testing import event

WHOLE = event(details={"ip": "192.0.2.7", "n": 1}).encoded()


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe",
        b'{"a": 1}',
        WHOLE.replace(b'"severity":"MEDIUM"', b'"severity":"WEIRD"'),
        WHOLE.replace(b'"severity":"MEDIUM"', b'"severity":["MEDIUM"]'),
        WHOLE.replace(b'"source":"application"', b'"source":null'),
        WHOLE.replace(b'"timestamp":"', b'"timestamp":"x'),
    ],
)
def test_a_line_that_is_no_event_is_passed_over(tmp_path, line):
    path = tmp_path / "mlids.jsonl"
    path.write_bytes(WHOLE + b"\n" + line + b"\n" + WHOLE + b"\n")
    assert line != WHOLE
    assert [found.encoded() for found in records.events(path)] == [WHOLE, WHOLE]


def test_only_lines_that_have_the_needle(tmp_path):
    path = tmp_path / "mlids.jsonl"
    path.write_bytes(WHOLE + b"\n")
    assert len(list(records.events(path, b"192.0.2.7"))) == 1
    assert list(records.events(path, b"192.0.2.8")) == []


def damaged_gzip():
    whole = gzip.compress((WHOLE + b"\n") * 50_000)
    return whole[: len(whole) // 2]


def damaged_zstd():
    whole = zstandard.ZstdCompressor().compress((WHOLE + b"\n") * 50_000)
    return whole + b"garbage" * 100


@pytest.mark.parametrize(("ending", "made"), [(".gz", damaged_gzip), (".zst", damaged_zstd)])
def test_of_a_damaged_file_what_can_be_read_is_read(tmp_path, ending, made):
    path = tmp_path / f"mlids-20250113T103045Z-1.jsonl{ending}"
    path.write_bytes(made())
    found = []
    with pytest.raises(EOFError, match="is damaged"):
        for one in records.events(path):
            found.append(one)
    assert len(found) > 1000


def test_text_is_found_at_any_depth():
    value = {"a": [{"b": "Grüße"}, 7]}
    assert records.holds(value, "grüsse".casefold())
    assert records.holds(value, "7")
    assert not records.holds(value, "a")
