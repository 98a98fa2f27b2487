from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.events import format_time
from mlids.formats.logfmt import Logfmt
from mlids.testing import lines

LINE = (
    'time="2025-01-13T10:30:45Z" level=warning msg="POST \\"/login\\" failed" remoteAddr=203.0.113.7'
    ' httpStatus=401 user=eve userAgent="Mozilla/5.0 (X11)" path=/login'
)


def test_columns():
    batch = lines(LINE, format=Logfmt(timezone="UTC"))
    expected = {
        "message": b'POST "/login" failed', "src": b"203.0.113.7", "status": b"401",
        "user": b"eve", "agent": b"Mozilla/5.0 (X11)", "target": b"/login", "method": None,
    }  # fmt: skip
    assert {name: batch.column(name)[0] for name in expected} == expected
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.000000Z"
    assert batch.records()[0]["level"] == "warning"


def test_what_is_quoted_cannot_forge_a_source():
    batch = lines('level=info msg="x remoteAddr=8.8.8.8 y" remoteAddr=203.0.113.7', format=Logfmt())
    assert batch.column("src") == [b"203.0.113.7"]
    batch = lines("level=info remoteAddr=203.0.113.7 msg=x remoteAddr=8.8.8.8", format=Logfmt())
    assert batch.column("src") == [b"203.0.113.7"]


def test_names_can_be_chosen():
    assert lines("who=eve user=bob", format=Logfmt(user="who")).column("user") == [b"eve"]


def test_sniff_and_recognised():
    form = Logfmt()
    batch = lines(LINE, "level=info msg=x", "Jan 13 10:30:45 web a=b c=d e=f", "= = =", "", "a b=c")
    assert form.sniff(batch.data) == pytest.approx(0.6 / 5)
    assert form.recognised(batch).tolist() == [True, True, False, False, False, False]
    assert form.sniff(b"") == 0


@given(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b), max_size=5))
def test_garbage_is_unknown(rubbish):
    batch = lines(*rubbish, "src=", 'src="', "=203.0.113.7", format=Logfmt())
    assert not any(batch.column("src"))
