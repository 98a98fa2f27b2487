"""Text from outside cannot act on a terminal."""

from __future__ import annotations

import json
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.encoders import cells, fitted, json_safe, terminal_safe

PAYLOADS = [
    "\x1b[2J\x1b[H",  # clear the screen
    "\x1b]0;owned\x07",  # window title
    "\x1b]52;c;ZXZpbA==\x07",  # clipboard
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",  # hyperlink
    "\x1bP$q\x1b\\",  # device control
    "\x1b[6n",  # answers by typing
    "\x9b31m",  # the one-byte CSI
    "\u009d0;x\u009c",
    "a\rb",  # overwrite the line
    "a\b\b\bxyz",
    "ok\nFAKE LINE",
    "ok\u2028FAKE\u2029LINE\x0b\x0c\x85",
    "\x07" * 100,
    "\0",
    "\x7f",
    "user\u202etxt.exe",  # right to left override
    "\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u200e\u200f\u061c",
    "ro\u200bot\u200c\u200d\u2060\ufeff\u00ad\u180e",  # invisible
    "\u3164\u115f\u1160\uffa0\u2800\u17b4",  # blank letters
    "\U000e0041\U000e0001",  # tags
    "a\ufe0f\U000e0100",  # variation selectors
    "z" + "\u0335\u0336\u0337\u0489" * 50,  # runs over other lines
    "\ud800\udfff",  # no characters at all
    "\u00a0\u3000\u2003",  # spaces that are none
    "\ue000\U0010ffff",  # private use, noncharacter
]


def active(char: str) -> bool:
    """The plain twin: what must not reach a terminal, by Unicode's own categories."""
    category = unicodedata.category(char)
    return category[0] in "C" or category in ("Zl", "Zp") or (category == "Zs" and char != " ")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_active_is_left(payload: str) -> None:
    shown = terminal_safe(f"user {payload} end")
    assert not any(map(active, shown))
    assert shown.startswith("user ")
    assert shown.endswith(" end")
    assert "\\" in shown
    shown.encode()


@given(st.text())
def test_nothing_active_is_left_of_anything(text: str) -> None:
    shown = terminal_safe(text)
    assert not any(map(active, shown))
    assert terminal_safe(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P"], max_codepoint=0x24F)))
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert terminal_safe(text, 10_000) == text.replace("\u034f", "\\u034f")


def test_names_of_all_languages_stay_readable() -> None:
    for name in ("Zoë", "Дмитрий", "明日香", "نور", "e\u0301", "C:\\Users\\x"):
        assert terminal_safe(name) == name


def test_long_and_odd_values_are_cut_and_shown() -> None:
    assert terminal_safe("a" * 5_000_000, 10) == "a" * 10 + "…"
    assert terminal_safe(["\x1b"]) == "['\\x1b']"
    assert terminal_safe(None) == "None"


@given(st.text(), st.integers(0, 40))
def test_what_is_fitted_fits(text: str, width: int) -> None:
    safe = terminal_safe(text)
    assert cells(fitted(safe, width)) <= width
    if cells(safe) <= width:
        assert fitted(safe, width) == safe


def test_wide_letters_take_two_columns() -> None:
    assert cells("明日") == 4
    assert fitted("明日香", 5) == "明日…"


@given(st.text())
def test_json_is_the_same_and_acts_on_nobody(text: str) -> None:
    encoded = msgspec.json.encode({"a": text, text: 1})
    safe = json_safe(encoded)
    assert json.loads(safe) == json.loads(encoded)
    assert terminal_safe(safe.decode(), len(safe)) == safe.decode()


def test_invisible_letters_of_json_are_escaped_and_names_are_not() -> None:
    encoded = msgspec.json.encode("Zo\u202eë\x7f \x9b \u2028 \U000e0041")
    shown = '"Zo\\u202eë\\u007f \\u009b \\u2028 \\udb40\\udc41"'
    assert json_safe(encoded).decode() == shown
