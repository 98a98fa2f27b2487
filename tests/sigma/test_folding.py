import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.sigma.folding import fold, literal, literals, regex_runs


def test_case_makes_no_difference():
    assert fold("ÉCOLE Path") == fold("école pATH")
    assert fold("\u017fudo") == "sudo"


def test_a_literal_is_the_longest_part_that_is_written_as_it_is():
    assert literal('a "quoted" part', structured=False) == b"quoted"
    assert literal("c:\\windows\\temp", structured=False) == b"windows"
    assert literal("größenwahn", structured=False) == b"enwahn"


def test_short_texts_give_none_unless_they_are_signs():
    assert literal("vi", structured=False) is None
    assert literal("/.", structured=False) == b"/."


def test_records_may_spell_numbers_and_structure_otherwise():
    assert literal("100000", structured=True) is None
    assert literal("100000", structured=True, whole=True) == b"100000"
    assert literal("10.0.0.1", structured=True) == b"10.0.0.1"
    assert literal('"enable": false', structured=True) == b"enable"
    assert literal("two words", structured=True) == b"words"


def test_bytes_that_are_no_utf_8_are_no_part():
    assert literal("\\x90\\x90 shellcode", structured=False) == b" shellcode"


def test_one_text_without_a_literal_spoils_all():
    assert literals(["curl", "w"], structured=False) is None
    assert literals(["curl", "wget"], structured=False) == {b"curl", b"wget"}


@pytest.mark.parametrize(
    ("pattern", "runs"),
    [
        ("abc", ["abc"]),
        ("a|b", []),
        ("(x|y)tail", ["tail"]),
        (r"head\.exe\s+-enc", ["head.exe", "-enc"]),
        ("colou?r", ["colo", "r"]),
        ("ab{0,3}cd", ["a", "cd"]),
        ("x+yz", ["x", "yz"]),
        ("[a|b]cd", ["cd"]),
        ("(?x) a b", []),
        (r"\x41bc", []),
        (r"\bword\b", ["word"]),
        ("a[]]b", ["a", "b"]),
    ],
)
def test_what_an_expression_must_hold(pattern, runs):
    assert regex_runs(pattern) == runs


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text(string.ascii_lowercase[:4] + r".?*+[]()|\{}12,^$", max_size=12), st.text("abcd1 ."))
def test_whatever_matches_holds_the_runs(pattern, text):
    try:
        compiled = re.compile(pattern)
    except (re.error, FutureWarning, OverflowError):
        return
    found = compiled.search(text)
    if found:
        assert all(run in text for run in regex_runs(pattern))
