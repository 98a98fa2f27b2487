from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlids.lines.cutting import Cutter

MAX = 6


def fed(pieces: list[bytes]) -> tuple[list[tuple[bytes, int, int]], int]:
    """Lines with number and offset, and how many were rejected."""
    cutter, found, rejected = Cutter(MAX), [], 0
    for cut in [*map(cutter.feed, pieces), cutter.finish()]:
        if cut is not None:
            rejected += cut.rejected
            for start, end, number in zip(cut.starts, cut.ends, cut.numbers, strict=True):
                found.append((cut.data[start:end], int(number), cut.base + int(start)))
    return found, rejected


def plainly(data: bytes) -> tuple[list[tuple[bytes, int, int]], int]:
    found, rejected, offset = [], 0, 0
    for number, raw in enumerate(data.split(b"\n"), 1):
        if offset < len(data):
            line = raw.removesuffix(b"\r")
            rejected += len(line) > MAX
            found += [(line, number, offset)] if len(line) <= MAX else []
        offset += len(raw) + 1
    return found, rejected


@given(st.lists(st.text(alphabet="ab\n\r", max_size=20).map(str.encode), max_size=8))
def test_lines_do_not_depend_on_how_bytes_come(pieces):
    assert fed(pieces) == plainly(b"".join(pieces))


def test_an_endless_line_is_not_held():
    cutter = Cutter(1000)
    rejected = 0
    for _ in range(1000):
        cut = cutter.feed(b"x" * 10_000)
        rejected += cut.rejected if cut else 0
        assert len(cutter.held) <= 1001
    cut = cutter.feed(b"tail\nnext\n")
    assert rejected == 1
    assert cut is not None
    assert (cut.data[cut.starts[0] : cut.ends[0]], cut.numbers[0]) == (b"next", 2)
    assert cut.base + cut.starts[0] == 10_000_000 + 5
