import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlids.lines.chunks import line_bounds
from mlids.sigma.screening import Screen


def screened(screen, *texts):
    data = b"".join(text + b"\n" for text in texts)
    return screen.lines(data, *line_bounds(data))


def test_rows_with_the_rules_that_could_match_them():
    screen = Screen([frozenset((b"curl", b"wget")), None, frozenset((b"url",))])
    found, odd = screened(screen, b"x CURL y", b"nothing", b"wget")
    assert found == {0: {0, 2}, 2: {0}}
    assert not odd
    assert screen.always == (1,)


def test_a_literal_never_spans_two_lines():
    found, _ = screened(Screen([frozenset((b"ab\ncd", b"ab cd"))]), b"ab", b"cd")
    assert found == {}


def test_lines_that_may_hide_a_literal_are_told():
    json, text = Screen([frozenset((b"curl",))], json=True), Screen([frozenset((b"curl",))])
    lines = (b'"\\u0063url"', b'"\\""', "\u212a".encode(), b"plain", b"\\x63url", b'"\\/"')
    assert screened(json, *lines)[1] == {0, 2, 4, 5}
    assert screened(text, *lines)[1] == {0, 1, 2, 4, 5}


def test_only_the_lines_of_the_batch_are_looked_at():
    data = b"curl\ncurl\ncurl\n"
    starts, ends = line_bounds(data)
    found, _ = Screen([frozenset((b"curl",))]).lines(data, starts[1:2], ends[1:2])
    assert found == {0: {0}}


def test_nothing_is_found_in_nothing():
    screen = Screen([])
    assert screen.lines(b"", np.array([], np.int64), np.array([], np.int64)) == ({}, set())
    assert screen.rules_of(b"curl") == set()


@given(st.lists(st.text("abc ", max_size=8), max_size=6), st.sets(st.text("abc", min_size=2)))
def test_the_pass_finds_what_a_loop_finds(texts, wanted):
    literals = sorted(one.encode() for one in wanted)
    screen = Screen([frozenset((one,)) for one in literals])
    found, _ = screened(screen, *(text.encode() for text in texts))
    expected = {
        row: {n for n, one in enumerate(literals) if one in text.encode()}
        for row, text in enumerate(texts)
    }
    assert found == {row: rules for row, rules in expected.items() if rules}
