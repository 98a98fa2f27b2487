from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.lines.matching import Pattern

PATTERN = r"a(?P<user>.*) from (?P<src>[^ ]+)(?: port (?P<port>\d{1,5}))?"


@given(st.text(alphabet="ab from1 port\nÿ", max_size=60).map(lambda s: s.encode("latin-1")))
def test_quick_plain_and_the_standard_library_agree(text):
    pattern = Pattern(PATTERN)
    expected = re.fullmatch(PATTERN.encode(), text, re.DOTALL)
    for spans in (pattern.spans(text), pattern.spans_plainly(text)):
        assert (spans is None) == (expected is None)
        if spans is not None and expected is not None:
            assert [tuple(span) for span in spans] == list(expected.regs)


def test_groups_have_names():
    assert Pattern(PATTERN).numbers == {"user": 1, "src": 2, "port": 3}


def test_a_text_that_is_too_long_does_not_match():
    assert Pattern("a*", max_text=10).spans(b"a" * 11) is None


def test_a_pattern_that_does_not_compile_is_told():
    with pytest.raises(ValueError, match="does not compile"):
        Pattern("(")
