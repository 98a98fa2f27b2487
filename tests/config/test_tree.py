import pytest

from mlids.config.tree import parse
from mlids.errors import ConfigError


def test_values_and_lines():
    document = parse("a: 1\nb:\n  c: [1, 2]\n  d: text\n")
    assert document.values == {"a": 1, "b": {"c": [1, 2], "d": "text"}}
    assert document.line(("b", "d")) == 4
    assert document.line(("nowhere",)) is None


def test_empty_document_has_no_values():
    assert parse("").values == {}
    assert parse("# only a comment\n").values == {}


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", "a: [1", "a: b: c", "\x00", "&a [*a]"])
def test_what_is_no_mapping_is_refused_with_its_place(text):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.code == "E002"
    assert caught.value.problems


def test_a_key_that_stands_twice_is_a_problem():
    assert parse("a: 1\nb: 2\na: 3\n").problems == ["line 3: a stands there twice"]


def test_a_bomb_of_aliases_is_no_threat():
    text = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert len(parse(text).values) == 9


def test_python_objects_are_not_made():
    with pytest.raises(ConfigError):
        parse("a: !!python/object/apply:os.system ['true']\n")


SAMPLE_WITH_SLIP = """\
integrations:
  splunk:
    enabled: true
  host: "splunk.example.local"
    port: 514
    token: ""
  elk:
    enabled: false
"""


def test_the_slip_of_the_sample_is_read_with_a_warning():
    document = parse(SAMPLE_WITH_SLIP)
    splunk = document.values["integrations"]["splunk"]
    assert splunk == {"enabled": True, "host": "splunk.example.local", "port": 514, "token": ""}
    assert "below integrations.splunk" in document.warnings[0]


def test_elements_of_lists_have_lines():
    text = "a:\n  b:\n    - c: 1\n      d: 2\n    - x\n  e: [1, 2]\n"
    document = parse(text)
    assert document.values == {"a": {"b": [{"c": 1, "d": 2}, "x"], "e": [1, 2]}}
    assert [document.line(("a", "b", n)) for n in "12"] == [3, 5]
    assert document.line(("a", "b", "1", "d")) == 4


def test_a_time_that_is_none_is_told():
    for text in ("monitoring: !!timestamp x", "? !!timestamp x\n: 1"):
        with pytest.raises(ConfigError):
            parse(text)
