from __future__ import annotations

import numpy as np

from mlids.layouts.literals import Literals
from mlids.testing import lines


def test_rows_that_hold_any_of_them():
    batch = lines("a one", "two", "none", "one two one", "", "twoone")
    found = Literals((b"one", b"two"))
    assert found.rows(batch).tolist() == [0, 1, 2, 3, 5]  # "none" holds "one"
    assert Literals((b"zzz",)).rows(batch).tolist() == []
    assert Literals(()).rows(batch).tolist() == list(range(6))
    assert found.rows(lines()).tolist() == []


def test_lines_that_were_left_out_and_line_ends_are_no_part():
    batch = lines("one", "x", "on", "e", "one")
    assert Literals((b"one",)).rows(batch.take(np.array([1, 2, 3]))).tolist() == []
    assert Literals((b"one",)).rows(batch.take(np.array([1, 4]))).tolist() == [1]
    assert Literals((b"on\ne",)).rows(batch).tolist() == []
