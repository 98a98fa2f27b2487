from mlids.query.conditions import (
    ANY,
    FALSE,
    TRUE,
    Condition,
    all_of,
    any_of,
    in_text,
    negated,
    with_keys,
)


def test_joined_conditions_keep_the_order_of_parameters():
    one, two = Condition("a = ?", [1]), Condition("b = ?", [2], exact=False)
    assert all_of([one, two]) == Condition("(a = ? AND b = ?)", [1, 2], exact=False)
    assert any_of([one, one]) == Condition("(a = ? OR a = ?)", [1, 1])
    assert all_of([one]) is one


def test_what_may_choose_too_many_says_nothing_once_negated():
    assert negated(Condition("a = ?", [1])) == Condition("NOT coalesce(a = ?, false)", [1])
    assert negated(ANY) is ANY
    assert negated(TRUE).exact


def test_texts_are_looked_for_as_json_has_them():
    assert list(in_text(['a"b\n']).parameters) == ['a\\"b\\n']
    assert list(with_keys(["ports"]).parameters) == ['"ports":']
    assert in_text(["ж"]) is FALSE
    assert in_text([]) is ANY
