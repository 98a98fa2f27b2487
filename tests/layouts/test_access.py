from __future__ import annotations

import time

import numpy as np
import pytest

from mlids.layouts import access
from mlids.testing import lines

TIME = "[07/Apr/2022:14:45:44 +0200]"


def columns(text):
    return {name: values[0] for name, values in access.parse(lines(text), "UTC").items()}


def test_combined_lines():
    found = columns(f'1.2.3.4 - bob {TIME} "GET /a?b=c HTTP/1.1" 200 12 "http://x/" "UA/1" "-"')
    assert found == {
        "time": 1_649_335_544 * 10**9, "vhost": None, "src": b"1.2.3.4", "user": b"bob",
        "method": b"GET", "target": b"/a?b=c", "status": b"200", "size": b"12",
        "referrer": b"http://x/", "agent": b"UA/1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("front", "vhost", "src", "user"),
    [
        ("1.2.3.4 - -", None, b"1.2.3.4", None),
        ("::1 - two words", None, b"::1", b"two words"),
        ("host.example - -", None, b"host.example", None),
        ("example.com:443 1.2.3.4 - eve", b"example.com:443", b"1.2.3.4", b"eve"),
        ("example.com host.example - -", b"example.com", b"host.example", None),
        ("8.8.8.8 1.2.3.4 - -", b"8.8.8.8", b"1.2.3.4", None),
        ("1.2.3.4 - 8.8.8.8 - x", None, b"1.2.3.4", b"8.8.8.8 - x"),
        ("1.2.3.4 - [13/Jan/2025:10:30:45 +0000] 8.8.8.8", None, b"1.2.3.4", None),
    ],
)
def test_who_connected(front, vhost, src, user):
    found = columns(f'{front} {TIME} "GET / HTTP/1.1" 200 5')
    assert (found["vhost"], found["src"]) == (vhost, src)
    if user:
        assert found["user"] == user


@pytest.mark.parametrize(
    ("request_", "method", "target"),
    [
        ("GET / HTTP/1.1", b"GET", b"/"),
        ("GET /a b HTTP/2.0", b"GET", b"/a b"),
        ("PROPFIND /x", b"PROPFIND", b"/x"),
        ("\\x16\\x03\\x01", None, b"\x16\x03\x01"),
        ('GET /\\"x\\\\y HTTP/1.0', b"GET", b'/"x\\y'),
        ("-", None, b"-"),
    ],
)
def test_requests(request_, method, target):
    found = columns(f'1.2.3.4 - - {TIME} "{request_}" 400 0')
    assert (found["method"], found["target"]) == (method, target)


def test_what_is_no_access_line():
    for text in ("", "x", "1.2.3.4 - - [x] GET /", '[] "" 2', "Jan 13 10:30:45 host app: x"):
        found = columns(text)
        assert found["src"] is None
        assert found["time"] == 0
    batch = lines("x", f'1.2.3.4 - - {TIME} "GET / HTTP/1.1" 200 5', "1.2.3.4 [x]")
    assert access.recognised(batch).tolist() == [False, True, False]
    assert access.share(b"x\n" + batch.line(1) + b"\n") == 0.5


def test_no_line_makes_it_slow():
    for filling in (b"[", b'"', b"\\", b" ", b'] "', b"a ", b"[x] ", b'[x] "'):
        text = (b"1.2.3.4 - " + filling * 200_000)[:200_000]
        began = time.perf_counter()
        access.fields(text)
        assert time.perf_counter() - began < 0.05, filling


def test_addresses():
    known = [access.is_address(text) for text in (b"1.2.3.4", b"::1", b"a.b", b"1.2.3", b"")]
    assert known == [True, True, False, False, False]
    assert access.unescaped(b"a\\x41\\n\\\\") == b"aA\n\\"
    assert np.array(known).sum() == 2


def test_lines_behind_a_header_of_syslog():
    plain = f'1.2.3.4 - eve {TIME} "GET / HTTP/1.1" 200 5'
    for header in (
        "Jul  8 11:07:07 gate nginx[2869]: ",
        "<190>Jul 18 11:07:07 gate nginx: ",
        "2025-01-13T10:30:45.123456+00:00 gate httpd[1]: ",
    ):
        assert columns(header + plain) == columns(plain)
    forged = (
        f'1.2.3.4 - Jul  8 11:07:07 gate nginx[2869]: 8.8.8.8 - - {TIME} "GET / HTTP/1.1" 200 5'
    )
    assert columns(forged)["src"] == b"1.2.3.4"


@pytest.mark.parametrize(
    ("request_line", "parts"),
    [
        (b"GET /a HTTP/1.1", (b"GET", b"/a")),
        (b"GET /a b HTTP/2", (b"GET", b"/a b")),
        (b"GET /a HTTP/1.1 HTTP/1.0", (b"GET", b"/a HTTP/1.1")),
        (b"GET  HTTP/1.1", (b"GET", b"")),
        (b"GET HTTP/1.1", (b"GET", b"HTTP/1.1")),
        (b"GET /a HTTP/1.10", (b"GET", b"/a HTTP/1.10")),
        (b"GET ", (b"GET", b"")),
        (b"GET", (None, b"GET")),
        (b"\x16\x03 HTTP/1.1", (None, b"\x16\x03 HTTP/1.1")),
    ],
)
def test_request_lines(request_line, parts):
    assert access.split(request_line) == parts


def test_runs_of_escapes():
    assert access.unescaped(rb"\x22\x23\\x22\\\"\x2\n") == b'"#\\x22\\"x2\n'
    assert access.unescaped(b"\\") == b"\\"
