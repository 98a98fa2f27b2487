from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlids.lines import chunks
from mlids.testing import lines

bytes_of_lines = st.binary(max_size=300).map(
    lambda raw: raw.replace(b"a", b"\n").replace(b"b", b"\r\n").replace(b"c", b"sshd")
)


def plain_bounds(data: bytes) -> list[tuple[int, int]]:
    bounds, start = [], 0
    while (end := data.find(b"\n", start)) >= 0:
        last = end - 1 if end > start and data[end - 1 : end] == b"\r" else end
        bounds.append((start, last))
        start = end + 1
    return bounds


@given(bytes_of_lines)
def test_bounds_are_those_of_a_plain_loop(data):
    starts, ends = chunks.line_bounds(data)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == plain_bounds(data)


text = st.lists(st.text(alphabet="shd: x\0é", max_size=30), max_size=12)


@given(text, st.sampled_from([b"sshd", b"sshd: x", b"xxxx"]))
def test_rows_with_a_literal_are_those_of_a_plain_loop(strings, literal):
    batch = lines(*strings)
    expected = [row for row, line in enumerate(strings) if literal in line.encode()]
    assert chunks.rows_with(batch, literal).tolist() == expected
    odd = np.arange(1, len(batch), 2)
    narrow = [n for n, row in enumerate(odd) if literal in strings[row].encode()]
    assert chunks.rows_with(batch.take(odd), literal).tolist() == narrow


@given(text, st.integers(1, 20))
def test_heads_are_padded_with_zeros(strings, width):
    batch = lines(*strings)
    head = chunks.heads(batch, width)
    assert [bytes(row) for row in head] == [s.encode()[:width].ljust(width, b"\0") for s in strings]
