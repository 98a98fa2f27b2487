from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlids.errors import ConfigError
from mlids.events import format_time
from mlids.formats.json_lines import JsonLines
from mlids.testing import lines

NGINX = {
    "time_local": "13/Jan/2025:10:30:45 +0000", "remote_addr": "203.0.113.7", "remote_user": "-",
    "request": "GET /a?b=%27 HTTP/1.1", "status": "404", "body_bytes_sent": "153",
    "http_referer": "https://example.org/", "http_user_agent": "curl/8",
    "http_x_forwarded_for": "8.8.8.8",
}  # fmt: skip
TRAEFIK = {
    "ClientAddr": "203.0.113.7:4711", "ClientHost": "203.0.113.7", "ClientUsername": "eve",
    "DownstreamContentSize": 153, "DownstreamStatus": 404, "RequestMethod": "GET",
    "RequestPath": "/a?b=%27", "RequestHost": "web.example", "StartUTC": "2025-01-13T10:30:45.5Z",
    "request_User-Agent": "curl/8", "request_X-Real-Ip": "8.8.8.8", "OriginStatus": 200,
    "request_Referer": "https://example.org/",
}  # fmt: skip
CADDY = {
    "level": "info", "ts": 1736764245.5, "logger": "http.log.access", "msg": "handled request",
    "request": {
        "remote_ip": "203.0.113.7", "client_ip": "8.8.8.8", "method": "GET", "uri": "/a?b=%27",
        "headers": {"User-Agent": ["curl/8"], "Referer": ["https://example.org/"],
                    "X-Forwarded-For": ["8.8.8.8"]},
    },
    "status": 404, "size": 153,
}  # fmt: skip
ECS = {
    "@timestamp": "2025-01-13T10:30:45.000Z", "source": {"ip": "203.0.113.7"},
    "url": {"path": "/a", "query": "b=%27"}, "user_agent": {"original": "curl/8"},
    "http": {"request": {"method": "GET", "referrer": "https://example.org/"},
             "response": {"status_code": 404, "body": {"bytes": 153}}},
}  # fmt: skip


def parsed(record, **options):
    form = JsonLines(timezone="UTC", **options)
    batch = lines(json.dumps(record), format=form)
    names = ("src", "method", "target", "status", "size", "agent", "referrer", "user", "message")
    return {name: value for name in names if (value := batch.column(name)[0]) is not None}, batch


@pytest.mark.parametrize("record", [NGINX, TRAEFIK, CADDY, ECS], ids=str)
def test_access_logs_in_json_are_access_logs(record):
    found, batch = parsed(record)
    assert {
        "src": b"203.0.113.7", "method": b"GET", "target": b"/a?b=%27", "status": b"404",
        "size": b"153", "agent": b"curl/8", "referrer": b"https://example.org/",
    }.items() <= found.items()  # fmt: skip
    assert format_time(int(batch.column("time")[0]))[:19] == "2025-01-13T10:30:45"
    assert batch.records() == [record]


def test_names_can_be_chosen():
    record = {"who": {"name": "eve"}, "when": 1736764245, "from": "203.0.113.7", "ip": "8.8.8.8"}
    found, batch = parsed(record, user="who.name", time=["at", "when"], src="from")
    assert (found["user"], found["src"]) == (b"eve", b"203.0.113.7")
    assert format_time(int(batch.column("time")[0]))[:19] == "2025-01-13T10:30:45"


def test_columns_and_zone():
    assert {"time", "src", "user", "outcome", "target", "status"} <= JsonLines().column_names
    record = {"time": "2025-01-13 10:30:45"}
    batch = lines(json.dumps(record), format=JsonLines(timezone="Europe/Berlin"))
    assert format_time(int(batch.column("time")[0]))[:19] == "2025-01-13T09:30:45"
    with pytest.raises(ConfigError):
        JsonLines(timezone="Nowhere/None")


def test_sniff_and_recognised():
    form = JsonLines()
    batch = lines('{"a": 1}', '  {"a": 2}', "text", '{"a"', "{}", "")
    assert form.sniff(batch.data) == pytest.approx(0.7 * 2 / 5)
    assert form.recognised(batch).tolist() == [True, True, False, True, True, False]
    assert form.sniff(b'{"a": 1}\n' * 20_000) == pytest.approx(0.7)
    long = b'{"a": "' + b"x" * 2000 + b'"}\n'
    assert form.sniff((long * 40)[:65536]) == pytest.approx(0.7)
    assert form.sniff((long * 40)[:4096]) == pytest.approx(0.7)
    assert form.sniff(long[:1000]) == pytest.approx(0.7)
    assert form.sniff(b'{"a": oops') == pytest.approx(0.7)  # it may go on
    assert form.sniff(b"{a b c") == 0


@given(st.lists(st.binary(max_size=60).filter(lambda b: b"\n" not in b), max_size=5))
def test_garbage_is_unknown(rubbish):
    batch = lines(*rubbish, b'{"status": ', b'{"src": {"ip": []}, "time": []}', format=JsonLines())
    assert not any(batch.column("src"))
    assert batch.column("time")[-1] == 0


def test_no_line_takes_long():
    deep = b'{"a":' * 12_000
    began = time.perf_counter()
    batch = lines(
        deep, b"{" + b"\\" * 60_000, b'{"request": "' + b" " * 60_000 + b'"}', format=JsonLines()
    )
    assert batch.column("target") == [None] * 3
    assert time.perf_counter() - began < 0.5
