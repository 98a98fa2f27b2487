from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.events import format_time
from mlids.formats.cef import Cef
from mlids.testing import lines

LINE = (
    r"CEF:0|Maker|Fire\|wall|1.0|100|a login failed|7|src=203.0.113.7 duser=eve outcome=Failure"
    r" msg=two words \= here request=https://web.example/a?b=c requestMethod=GET rt=1736764245500"
)


@pytest.mark.parametrize("head", ["", "Jan 13 10:30:45 fw ", "<134>Jan 13 10:30:45 fw maker: "])
def test_columns(head):
    batch = lines(head + LINE, format=Cef(timezone="UTC"))
    expected = {
        "src": b"203.0.113.7", "user": b"eve", "outcome": b"failure", "target": b"/a?b=c",
        "method": b"GET", "message": b"two words = here",
    }  # fmt: skip
    assert {name: batch.column(name)[0] for name in expected} == expected
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.500000Z"
    record = batch.records()[0]
    assert (record["product"], record["id"], record["severity"]) == ("Fire|wall", "100", "7")


def test_times():
    form = Cef(timezone="UTC")
    for text in (
        "Jan 13 10:30:45 fw CEF:0|a|b|1|2|n|3|src=203.0.113.7",
        "CEF:0|a|b|1|2|n|3|rt=Jan 13 2025 10:30:45",
    ):
        time = lines(text, format=form).column("time")[0]
        assert format_time(int(time)) == "2025-01-13T10:30:45.000000Z"
    assert lines("CEF:0|a|b|1|2|n|3|src=203.0.113.7", format=form).column("time")[0] == 0


def test_what_is_escaped_cannot_forge_a_source():
    text = r"CEF:0|a|b|1|2|x\|src=8.8.8.8|3|msg=y src\=8.8.8.8 src=203.0.113.7"
    assert lines(text, format=Cef()).column("src") == [b"203.0.113.7"]
    assert lines(r"CEF:0|a|b|1|2|n|3|src=evil.example", format=Cef()).column("src") == [None]


def test_sniff_and_recognised():
    batch = lines(LINE, "x " + LINE, "CEF:0|a|b", "text")
    assert Cef().sniff(batch.data) == pytest.approx(0.97 / 2)
    assert Cef().recognised(batch).tolist() == [True, True, True, False]


@given(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b), max_size=5))
def test_garbage_is_unknown(rubbish):
    batch = lines(*rubbish, b"CEF:0|" + b"\\" * 500, b"CEF:" + b"|" * 500, format=Cef())
    assert batch.column("src")[-2:] == [None, None]
