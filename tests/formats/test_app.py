from __future__ import annotations

from mlids.formats.app import App
from mlids.formats.syslog import Syslog
from mlids.testing import lines


def test_columns():
    text = ("[2023-02-12 12:16:05 +01:00] [INF] x", "  at line 5", "", "7:05:01 y")
    batch = lines(*text, format=App(timezone="UTC"))
    assert batch.column("time").tolist() == [1676200565 * 10**9, 0, 0, 0]
    assert batch.column("message") == [line.encode() for line in text]
    assert batch.format.recognised(batch).tolist() == [True, False, False, True]


def test_it_is_the_last_resort():
    syslog = b"Jan 13 10:30:45 host app[1]: x\n"
    assert App().sniff(syslog) < Syslog().sniff(syslog)
    assert App().sniff(b"12:16:05 x\n") > App().sniff(b"x\n") >= 0.5
    assert App().sniff(b"\x00\x01\n") == App().sniff(b"") == 0


def test_long_and_odd_lines():
    batch = lines("x" * 500 + " 10:00:00", b"\xff" * 9, format=App())
    assert batch.format.recognised(batch).tolist() == [False, False]
