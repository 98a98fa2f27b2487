from __future__ import annotations

import time

from mlids.formats.iis import DEFAULT, SOURCES, Iis
from mlids.testing import lines

HEADER = "#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status cs(User-Agent)"
LINE = "2025-01-13 10:30:45 1.2.3.4 GET /a b=c 404 Mozilla/5.0+(X11)"
USUAL = "2025-01-13 10:30:45 10.0.0.1 GET /a - 80 eve 1.2.3.4 Mozilla/5.0 - 401 2 5 15"


def test_columns():
    batch = lines("#Software: x", HEADER, LINE, "junk", format=Iis())
    assert batch.column("src") == [None, None, b"1.2.3.4", None]
    assert batch.column("target") == [None, None, b"/a?b=c", None]
    assert batch.column("agent")[2] == b"Mozilla/5.0 (X11)"
    assert batch.column("time").tolist()[2] == 1_736_764_245 * 10**9
    assert batch.format.recognised(batch).tolist() == [True, True, True, False]
    assert batch.records()[2]["cs-uri-stem"] == "/a"


def test_the_default_without_a_header():
    batch = lines(USUAL, " ".join(USUAL.split()[:-1]), format=Iis())
    assert batch.column("user")[0] == b"eve"
    assert batch.column("status")[0] == b"401"
    assert batch.column("target")[0] == b"/a"
    assert len(DEFAULT) == 15


def test_a_header_holds_until_the_next():
    known = Iis()
    first = lines(HEADER, LINE, format=known)
    known.recognised(first)
    assert lines(LINE, format=known).column("status") == [b"404"]
    other = ["#Fields: date time sc-status c-ip", "2025-01-13 10:30:45 200 5.6.7.8"]
    batch = lines(LINE, *other, format=known)
    assert batch.column("src") == [b"1.2.3.4", None, b"5.6.7.8"]


def test_narrowed_batches_know_the_header_of_their_chunk():
    import numpy as np

    batch = lines(HEADER, LINE, LINE, format=Iis())
    assert batch.take(np.array([2])).column("status") == [b"404"]


def test_headers_remembered_are_bounded():
    known = Iis()
    for n in range(SOURCES + 50):
        known.recognised(lines(HEADER, source=f"{n}.log", format=known))
    assert len(known._known) == SOURCES


def test_sniffing():
    assert Iis().sniff((HEADER + "\n" + LINE).encode()) > 0.9
    assert Iis().sniff((USUAL + "\n").encode()) > 0.9
    other = "time=x level=y msg=z GET " + "a " * 11
    assert (
        Iis().sniff((LINE + "\n").encode()) == Iis().sniff(b"") == Iis().sniff(other.encode()) == 0
    )


def test_clients_cannot_hide_the_header():
    hidden = (
        LINE.replace("b=c", "#Fields:")
        .replace("Mozilla/5.0+(X11)", "x#Fields: c-ip")
        .replace(" c-ip", "")
    )
    known = Iis()
    batch = lines(HEADER, hidden, LINE, format=known)
    known.recognised(batch)
    assert batch.column("src")[1:] == [b"1.2.3.4"] * 2
    assert lines(LINE, format=known).column("src") == [b"1.2.3.4"]


def test_lines_before_a_header_are_read_by_the_one_before_it():
    known = Iis()
    known.recognised(lines(HEADER, LINE, format=known))
    batch = lines(LINE, "#Fields: date time c-ip", LINE, format=known)
    known.recognised(batch)
    assert batch.column("status") == [b"404", None, None]


def test_it_takes_no_longer_the_further_the_header_is_away():
    batch = lines(HEADER, *[LINE] * 20_000, format=Iis())
    began = time.perf_counter()
    assert batch.column("src")[-1] == b"1.2.3.4"
    assert time.perf_counter() - began < 2
