import pytest

from mlids.errors import MLIDSError
from mlids.sigma import examples, sources


def test_examples_say_what_rules_must_match(made, tmp_path):
    rule = tmp_path / "r.yml"
    rule.write_text(made.rule("a: x"))
    beside = tmp_path / "r.examples.yaml"
    beside.write_text(
        'format: json_lines\nmatch: [\'{"a": "x"}\', \'{}\']\nno_match: [\'{"a": "y"}\']\n'
    )
    ((found, where),) = examples.beside([str(tmp_path)])
    assert (found, where) == (rule, beside)
    known = examples.load(where)
    entries = sources.entries(made.OWN)
    said = list(examples.outcomes(found, known, made.JsonFormat("json_lines"), entries, {}))
    assert [one.right for one in said] == [True, False, True]
    assert said[0].told == ["sigma/6a1f0f5e-0000-4000-8000-000000000001"]


def test_several_lines_are_one_example(made):
    batch = examples.batch_of(["a", "b"], "x.log", made.TextFormat())
    assert [batch.line(row) for row in range(2)] == [b"a", b"b"]


@pytest.mark.parametrize("text", ["match: [", "match: []", "format: nginx\nmatch: x", "odd: 1"])
def test_wrong_examples_are_told(tmp_path, text):
    path = tmp_path / "r.examples.yaml"
    path.write_text(text)
    with pytest.raises(MLIDSError, match=r"r\.examples"):
        examples.load(path)
