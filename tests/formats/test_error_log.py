from __future__ import annotations

import time

import pytest

from mlids.formats.error_log import ErrorLog
from mlids.testing import lines

NGINX = (
    '2023/07/05 09:19:24 [error] 12#34: *5 open() "/srv/x" failed (2: No such file), client: 1.2.3.4,'
    ' server: example.org, request: "GET /x HTTP/1.1", host: "example.org"'
)
APACHE = (
    "[Wed Jul 05 09:19:24.428126 2023] [auth_basic:error] [pid 117:tid 139] [client 1.2.3.4:55309]"
    " AH01618: user eve not found: /private"
)
OLD = "[Wed Jul 05 09:19:24 2023] [error] [client 1.2.3.4] user eve: authentication failure"


@pytest.mark.parametrize(
    ("line", "src", "pid"),
    [(NGINX, b"1.2.3.4", b"12"), (APACHE, b"1.2.3.4:55309", b"117"), (OLD, b"1.2.3.4", None)],
)
def test_columns(line, src, pid):
    batch = lines(line, "junk", format=ErrorLog(timezone="UTC"))
    assert batch.column("src") == [src, None]
    assert batch.column("pid") == [pid, None]
    assert batch.column("time").tolist()[0] // 10**9 == 1688548764
    assert batch.column("message")[0] in line.encode()
    assert batch.format.recognised(batch).tolist() == [True, False]
    assert ErrorLog().sniff(line.encode()) > 0.9


@pytest.mark.parametrize(
    "line",
    [
        NGINX.replace("/srv/x", "/srv/x, client: 8.8.8.8, server: y"),
        NGINX.replace("GET /x", "GET /, client: 8.8.8.8, server: y"),
        APACHE.replace("user eve", "user [client 8.8.8.8:1]"),
        APACHE.replace("user eve", "user eve, client: 8.8.8.8, server: x"),
        OLD.replace("user eve", "user [client 8.8.8.8] x"),
    ],
)
def test_clients_cannot_name_others(line):
    (src,) = lines(line, format=ErrorLog()).column("src")
    assert src is None or src.startswith(b"1.2.3.4")


def test_lines_without_a_client():
    line = "2023/07/05 09:19:24 [warn] 12#34: low address bits of 1.2.3.4/8 are meaningless"
    assert lines(line, format=ErrorLog()).column("src") == [None]


def test_no_line_makes_it_slow():
    for filling in (", client: ", "[", "]", " ", "(1)", ": "):
        began = time.perf_counter()
        for head in (NGINX[:40], OLD[:40]):
            lines((head + filling * 90_000)[:200_000], format=ErrorLog()).column("src")
        assert time.perf_counter() - began < 0.1, filling


def test_of_a_line_that_may_be_cut_off_nobody_is_named():
    """nginx cuts lines at 2047 bytes, and with them what stands behind a client's text."""
    line = NGINX.replace("/srv/x", "/srv/x, client: 8.8.8.8, server: " + "y" * 3000)[:2047]
    assert lines(line, format=ErrorLog()).column("src") == [None]
