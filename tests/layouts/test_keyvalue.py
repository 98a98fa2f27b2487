from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from mlids.layouts.keyvalue import cef_unescaped, extension, pairs


def test_pairs():
    text = r'a=1 b="two words" c="q\"\n\u00e9" d= e f.g=h/i=j'
    assert list(pairs(text)) == [
        ("a", "1"), ("b", "two words"), ("c", 'q"\né'), ("d", ""), ("f.g", "h/i=j"),
    ]  # fmt: skip


def test_a_quoted_value_holds_no_pairs():
    assert dict(pairs('msg="x src=8.8.8.8 y" src=203.0.113.7')) == {
        "msg": "x src=8.8.8.8 y",
        "src": "203.0.113.7",
    }


def test_extension():
    text = r"src=203.0.113.7 msg=two words \= and \\ act=blocked cs1Label=a b cs1=x\ny"
    assert extension(text) == {
        "src": "203.0.113.7", "msg": "two words = and \\", "act": "blocked",
        "cs1Label": "a b", "cs1": "x\ny",
    }  # fmt: skip
    assert extension("") == {}
    assert cef_unescaped(r"a\|b") == "a|b"


@given(st.text())
def test_nothing_raises(text):
    list(pairs(text))
    extension(text)


def test_long_lines_are_fast():
    began = time.perf_counter()
    for text in (
        'a="' + "\\" * 60_000,
        "a" * 60_000,
        'a="b" ' * 10_000,
        "=" * 60_000,
        "a=\\" * 20_000,
    ):
        list(pairs(text))
        extension(text)
    assert time.perf_counter() - began < 1


def test_two_addresses_under_one_key_are_none():
    text = "src=203.0.113.7 msg=x src=198.51.100.66 request=/b outcome=failure request=/c"
    assert extension(text) == {"msg": "x", "request": "/b", "outcome": "failure"}
    assert extension("msg=x src=203.0.113.7 src=203.0.113.7")["src"] == "203.0.113.7"
