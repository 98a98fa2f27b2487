from __future__ import annotations

import re

import pytest

from mlids.layouts.tags import header

PATTERN = re.compile(header(rb"kernel|audispd"))


@pytest.mark.parametrize(
    ("line", "host"),
    [
        (b"Jan 13 10:30:45 web kernel: x", b"web"),
        (b"Jan  3 10:30:45 web kernel: [   12.345678] x", b"web"),
        (b"<4>Jan 13 10:30:45 web audispd[7]: x", b"web"),
        (b"2025-01-13T10:30:45.123456+00:00 web kernel: x", b"web"),
        (b"Jan 13 10:30:45 kernel: x", None),
    ],
)
def test_headers(line, host):
    found = PATTERN.match(line)
    assert found and line[found.end() :] == b"x" and found["host"] == host


def test_rfc_5424():
    found = PATTERN.match(b'<4>1 2025-01-13T10:30:45Z web kernel - - [a b="c"] x')
    assert found and found["machine"] == b"web" and found.end() == 54 - 3


@pytest.mark.parametrize(
    "line",
    [
        b"Jan 13 10:30:45 web sshd[1]: kernel: x",
        b"Jan 13 10:30:45 web sshd[1]: Invalid user kernel: x",
        b"Jan 13 10:30:45 web my-kernel: x",
        b"kernel: x",
        b"x Jan 13 10:30:45 web kernel: x",
        b"",
    ],
)
def test_text_of_others_is_no_header(line):
    assert PATTERN.match(line) is None
