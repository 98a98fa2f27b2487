import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.query import QueryError
from mlids.query.patterns import Wild
from mlids.query.tokens import tokens


def read(query):
    return [(token.kind, token.text) for token in tokens(query)][:-1]


def test_kinds():
    assert read('a AND (-b OR NOT "c d")') == [
        *(("word", "a"), ("and", ""), ("open", ""), ("not", ""), ("word", "b"), ("or", "")),
        *(("not", ""), ("word", "c d"), ("close", "")),
    ]


def test_a_field_takes_what_follows_as_its_value():
    assert read("user:AND") == [("field", "user"), ("word", "AND")]
    assert read("ip:fe80::1") == [("field", "ip"), ("word", "fe80::1")]
    assert read("user:-a") == [("field", "user"), ("word", "-a")]
    assert [token.operator for token in tokens("a>=1 b != 2 c:3")][:-1:2] == [">=", "!=", "="]


def test_backslash_and_wildcards():
    (word, _) = tokens(r"a\*b*\(c?")
    assert word.pieces == ("a", "*", "b", Wild.MANY, "(", "c", Wild.ONE)
    (quoted, _) = tokens(r'"a*\"\\"')
    assert quoted.pieces == ('a*"\\',)


@pytest.mark.parametrize(
    ("query", "position"), [('a "b', 2), ("x*" * 200, 0), ('type:"Failed', 5), ('"a\\', 0)]
)
def test_errors_name_the_place(query, position):
    with pytest.raises(QueryError) as caught:
        list(tokens(query))
    assert caught.value.position == position


@given(st.text(max_size=60))
def test_any_text_has_tokens_or_a_query_error(text):
    try:
        found = list(tokens(text))
    except QueryError:
        return
    assert found[-1].kind == "end"
    positions = [token.position for token in found]
    assert positions == sorted(positions)
