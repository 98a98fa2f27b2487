import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.query.patterns import Pattern, Wild

PIECES = st.lists(st.sampled_from(["a", "B", "ab", ".", Wild.MANY, Wild.ONE]), max_size=6)
TEXTS = st.text("abB.", max_size=12)


def plainly(pieces):
    """The pattern as an ordinary regular expression."""
    meaning = {Wild.MANY: ".*", Wild.ONE: "."}
    return "".join(meaning.get(piece) or re.escape(piece.casefold()) for piece in pieces)


@given(PIECES, TEXTS)
def test_it_matches_as_a_backtracking_one_does(pieces, text):
    pattern, folded = Pattern(pieces), text.casefold()
    expression = plainly(pieces)
    assert pattern.equals(folded) == bool(re.fullmatch(expression, folded, re.DOTALL))
    assert pattern.within(folded) == bool(re.search(expression, folded, re.DOTALL))
    assert pattern.equals(folded) == bool(re.fullmatch(pattern.expression(), folded, re.DOTALL))


@pytest.mark.parametrize("pieces", [[Wild.MANY, "a"] * 100 + ["b"], [Wild.ONE, Wild.MANY] * 100])
def test_it_does_not_blow_up(pieces):
    began = time.perf_counter()
    Pattern(pieces).equals("a" * 100_000)
    Pattern(pieces).within("a" * 100_000)
    assert time.perf_counter() - began < 2


def test_case_and_line_ends_make_no_difference():
    assert Pattern(["stra", Wild.MANY, "SSE"]).equals("Stra\nße".casefold())
    assert Pattern.literally("A*").equals("a*")
    assert not Pattern.literally("A*").equals("ab")
