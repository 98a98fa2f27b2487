import time

import pytest

from mlids.sigma.patterns import SECONDS, Expression


def test_searches_anywhere_and_honours_flags():
    assert Expression("b+c").search("aabbc")
    assert not Expression("B").search("b")
    assert Expression("B", "i").search("b")
    assert Expression("^b$", "m").search("a\nb\nc")
    assert Expression("a.b", "s").search("a\nb")


def test_what_re2_cannot_is_searched_under_a_deadline():
    assert Expression(r"(a)\1").search("xaa")
    assert not Expression(r"foo(?!bar)").search("foobar")


def test_a_pattern_that_would_never_end_is_given_up():
    slow = Expression(r"^(?=(a|a?)+$)(a+)+\1$")
    began = time.monotonic()
    assert not slow.search("a" * 40 + "b")
    assert time.monotonic() - began < SECONDS * 20


def test_one_that_does_not_compile_is_refused():
    with pytest.raises(ValueError, match="does not compile"):
        Expression("(")


def test_half_a_surrogate_pair_does_no_harm():
    assert Expression("b").search("a\ud800b")
    assert not Expression("c").search("a\ud800b")
