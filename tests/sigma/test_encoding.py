import base64

import pytest


@pytest.mark.parametrize(
    ("modifiers", "coding", "mark"),
    [
        ("base64", "utf-8", b""),
        ("wide|base64", "utf-16-le", b""),
        ("utf16le|base64", "utf-16-le", b""),
        ("utf16be|base64", "utf-16-be", b""),
        ("utf16|base64", "utf-16-le", b"\xff\xfe"),
    ],
)
def test_base64(made, modifiers, coding, mark):
    text = "what is*this?" if modifiers == "base64" else "what is this"
    written = text.replace("*", r"\*").replace("?", r"\?")
    coded = base64.b64encode(mark + text.encode(coding)).decode()
    records = [{"c": f"x {coded} y"}, {"c": f"x {coded[2:]} y"}]
    assert made.matches(f"c|{modifiers}|contains: '{written}'", *records) == [True, False]


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("after", ["", "a", "ab", "abc"])
def test_base64_at_any_offset(made, before, after):
    coded = base64.b64encode(f"{before}/bin/bash{after}".encode()).decode()
    other = base64.b64encode(f"{before}/bin/dash{after}".encode()).decode()
    matched = made.matches("c|base64offset|contains: /bin/bash", {"c": coded}, {"c": other})
    assert matched == [True, False]


def test_dashes_of_windows_are_all_encoded(made):
    coded = base64.b64encode(b"run /enc x").decode()
    assert made.matches("c|windash|base64|contains: 'run -enc x'", {"c": coded}) == [True]


def test_case_counts_only_where_it_is_asked_for(made):
    coded = base64.b64encode(b"whoami").decode()
    records = [{"c": coded}, {"c": coded.swapcase()}]
    assert made.matches("c|base64|contains: whoami", *records) == [True, True]
    assert made.matches("c|base64|cased|contains: whoami", *records) == [True, False]
