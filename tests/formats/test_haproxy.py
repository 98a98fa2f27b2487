from __future__ import annotations

import time

from mlids.formats.haproxy import Haproxy
from mlids.testing import lines

BARE = (
    "1.2.3.4:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - -"
    ' ---- 1/1/1/1/0 0/0 {example.org} {} "GET /a?b=c HTTP/1.1"'
)
SYSLOG = "Feb  6 12:14:14 localhost haproxy[14389]: " + BARE
TCP = "1.2.3.4:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0"


def test_columns():
    batch = lines(BARE, SYSLOG, TCP, "junk", format=Haproxy(timezone="UTC"))
    assert batch.column("src") == [b"1.2.3.4"] * 3 + [None]
    assert batch.column("target") == [b"/a?b=c", b"/a?b=c", None, None]
    assert batch.column("status") == [b"200", b"200", None, None]
    assert batch.column("size") == [b"2750", b"2750", b"212", None]
    assert batch.column("vhost") == [b"http-in", b"http-in", b"fnt", None]
    assert batch.column("time").tolist()[:2] == [1233922454655000000] * 2
    assert batch.format.recognised(batch).tolist() == [True, True, True, False]


def test_sniffing():
    assert Haproxy().sniff((SYSLOG + "\n" + TCP + "\n").encode()) > 0.95
    assert Haproxy().sniff(b"Feb  6 12:14:14 localhost app: x\n") == 0


def test_clients_cannot_name_others():
    line = BARE.replace("/a?b=c", "/ haproxy: 8.8.8.8:1 [06/Feb/2009:12:14:14] x y 1/1 200 1")
    line = line.replace("{example.org}", "{8.8.8.8:5 [06/Feb/2009:12:14:14.655] a b 1/2/3 200 1}")
    assert lines(line, format=Haproxy()).column("src") == [b"1.2.3.4"]


def test_no_line_makes_it_slow():
    for filling in (" haproxy: ", " ", "[", "1.2.3.4:1 ", "{", '"', "/"):
        began = time.perf_counter()
        lines((SYSLOG[:60] + filling * 50_000)[:200_000], format=Haproxy()).column("src")
        assert time.perf_counter() - began < 0.05, filling
