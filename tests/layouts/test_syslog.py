from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.errors import ConfigError
from mlids.events import format_time, parse_time
from mlids.formats.syslog import Syslog
from mlids.testing import lines

UTC_ZONE = {"timezone": "UTC"}

# line, time, host, program, pid, message
KNOWN = [
    ("Jan 13 10:30:45 web sshd[12]: hi", "2025-01-13T10:30:45", "web", "sshd", "12", "hi"),
    ("Jan  3 10:30:45 web su: hi", "2025-01-03T10:30:45", "web", "su", None, "hi"),
    ("Jan 3 10:30:45 web su: hi", "2025-01-03T10:30:45", "web", "su", None, "hi"),
    ("<34>Jan 13 10:30:45 web su: hi", "2025-01-13T10:30:45", "web", "su", None, "hi"),
    ("Jan 13 2024 10:30:45 web su: hi", "2024-01-13T10:30:45", "web", "su", None, "hi"),
    ("2023 Jan 13 10:30:45 web su: hi", "2023-01-13T10:30:45", "web", "su", None, "hi"),
    ("Jan 13 10:30:45.25 web su: hi", "2025-01-13T10:30:45.25", "web", "su", None, "hi"),
    (
        "2025-01-13T10:30:45.123456+02:00 web sshd[1]: a: b",
        *("2025-01-13T08:30:45.123456", "web", "sshd", "1", "a: b"),
    ),
    ("2025-01-13T10:30:45Z web su: hi", "2025-01-13T10:30:45", "web", "su", None, "hi"),
    ("2025-01-13 10:30:45,123 web su: hi", "2025-01-13T10:30:45.123", "web", "su", None, "hi"),
    (
        '<34>1 2003-10-11T22:14:15.003Z web su 12 ID47 - hi "you"',
        *("2003-10-11T22:14:15.003", "web", "su", "12", 'hi "you"'),
    ),
    (
        r'<165>1 2003-10-11T22:14:15Z web app - - [x a="]\"b"][y c="d"] hi',
        *("2003-10-11T22:14:15", "web", "app", None, "hi"),
    ),
    ("<1>1 2003-10-11T22:14:15Z - - - - -", "2003-10-11T22:14:15", None, None, None, ""),
    ("Jan 13 10:30:45 su[3]: no host", "2025-01-13T10:30:45", None, "su", "3", "no host"),
    ("Jan 13 10:30:45 web free text", "2025-01-13T10:30:45", "web", None, None, "free text"),
    (
        "Jan 13 10:30:45 web sshd(pam_unix)[3]: x",
        *("2025-01-13T10:30:45", "web", "sshd(pam_unix)", "3", "x"),
    ),
    ("Jan 13 10:30:45 web", "2025-01-13T10:30:45", "web", None, None, ""),
]


@pytest.mark.parametrize("known", KNOWN, ids=[known[0][:40] for known in KNOWN])
def test_known_lines(known):
    line, time, *fields = known
    columns = Syslog(**UTC_ZONE).parse(lines(line))
    expected = [field.encode() if field is not None else None for field in fields]
    assert [columns[name][0] for name in ("host", "program", "pid", "message")] == expected
    assert format_time(int(columns["time"][0])) == format_time(parse_time(time))
    assert Syslog().recognised(lines(line)).tolist() == [True]


UNKNOWN = ["", "x", "Jab 13 10:30:45 web su: hi", "Jan 13 1x:30:45 web su: x", "[Mon Jan 13] x",
           "2025-1-13T10:30:45 web x", '1.2.3.4 - - [13/Jan/2025:10:30:45 +0000] "GET / HTTP/1.1"',
           "\0" * 40, "Jan 13 10:30:4"]  # fmt: skip


@given(
    st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2200, 1, 1)),
    st.integers(-1439, 1439),
)
def test_iso_stamps_are_those_of_the_standard_library(moment, offset):
    zone = timezone(timedelta(minutes=offset))
    stamp = moment.replace(tzinfo=zone).isoformat(timespec="microseconds")
    columns = Syslog().parse(lines(f"{stamp} web su: hi"))
    assert format_time(int(columns["time"][0])) == format_time(parse_time(stamp))
    assert columns["message"] == [b"hi"]


@given(st.text(alphabet="0123456789-:T.+ ", min_size=33, max_size=33))
def test_odd_iso_stamps_are_those_of_the_plain_way(stamp):
    odd = "".join(
        digit if mark == "0" and digit.isdigit() else mark
        for digit, mark in zip(stamp, "0000-00-00T00:00:00.000000+00:00 ", strict=True)
    )
    form, batch = Syslog(**UTC_ZONE), lines(f"{odd}web su: hi")
    expected, _ = form._other(batch.line(0), batch.written)
    if 1678 < int(odd[:4]) < 2262:
        assert form.parse(batch)["time"][0] == expected


@pytest.mark.parametrize("line", UNKNOWN)
def test_other_lines_are_all_message(line):
    columns = Syslog().parse(lines(line))
    assert not Syslog().recognised(lines(line)).any()
    assert (columns["time"][0], columns["message"][0]) == (0, line.encode())


def test_impossible_times_are_unknown():
    for line in (
        "Feb 30 10:30:45 w p: x",
        "2025-02-30T10:30:45Z w p: x",
        "9999-01-01T00:00:00Z w p: x",
        "Jan 13 25:30:45 w p: x",
    ):
        columns = Syslog(**UTC_ZONE).parse(lines(line))
        assert (columns["time"][0], columns["message"][0]) == (0, b"x")


def test_year_and_zone():
    written = int(datetime(2025, 1, 1, 0, 30, tzinfo=UTC).timestamp()) * 10**9
    batch = lines("Dec 31 23:59:59 w p: x", "Jan  1 00:10:00 w p: x", written=written)
    times = Syslog(**UTC_ZONE).parse(batch)["time"]
    assert [format_time(int(t))[:19] for t in times] == [
        "2024-12-31T23:59:59",
        "2025-01-01T00:10:00",
    ]
    berlin = Syslog(timezone="Europe/Berlin").parse(lines("Jan 13 10:30:45 w p: x"))["time"]
    assert format_time(int(berlin[0]))[:19] == "2025-01-13T09:30:45"
    with pytest.raises(ConfigError):
        Syslog(timezone="Nowhere/None")


def test_sniffing():
    text = "\n".join(known[0] for known in KNOWN).encode()
    assert Syslog().sniff(text) > 0.8
    assert Syslog().sniff(b"") == 0
    assert Syslog().sniff(b"\n".join(line.encode() for line in UNKNOWN)) == 0
    assert 0.4 < Syslog().sniff(b"Jan 13 10:30:45 w p: x\njunk\n") < 0.5


mixed = st.lists(
    st.one_of(
        st.sampled_from([known[0] for known in KNOWN] + UNKNOWN).map(str.encode),
        st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"")),
        st.tuples(st.sampled_from([known[0] for known in KNOWN]), st.integers(0, 60)).map(
            lambda pair: pair[0].encode()[: pair[1]]
        ),
    ),
    max_size=12,
)


@given(mixed)
def test_a_batch_is_parsed_like_its_lines_one_by_one(text):
    form = Syslog(**UTC_ZONE)
    batch = lines(*text)
    columns, known = form.parse(batch), form.recognised(batch)
    for row, line in enumerate(text):
        alone = form.parse(lines(line))
        for name, values in columns.items():
            assert values[row] == alone[name][0], name
        assert known[row] == form.recognised(lines(line))[0]
    odd = np.arange(1, len(batch), 2)
    narrow = form.parse(batch.take(odd))
    assert narrow["message"] == [columns["message"][row] for row in odd]


def test_no_line_takes_long():
    chance = random.Random(5)
    parts = [b"<1>1 2003-10-11T22:14:15Z a b c d ", b"[", b'x="', b"\\", b'"', b"] ", b"a" * 50]
    hostile = [b"".join(chance.choices(parts, k=4000)) for _ in range(20)]
    hostile += [parts[0] + b'[a="' + b"\\" * 60_000, parts[0] + b'[x y="z"' * 8000]
    hostile += [b"Jan 13 10:30:45 " + b" " * 60_000, b"Jan 13 10:30:45 a " + b"[" * 60_000]
    import time

    for line in hostile:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            Syslog().parse(lines(line[:65536]))
            times.append(time.perf_counter() - began)
        assert min(times) < 0.05
