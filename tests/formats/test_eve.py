from __future__ import annotations

import json

import pytest

from mlids.events import format_time
from mlids.formats.eve import Eve
from mlids.testing import lines

HTTP = {
    "timestamp": "2025-01-13T10:30:45.123456+0000", "flow_id": 1, "event_type": "http",
    "src_ip": "203.0.113.7", "src_port": 4711, "dest_ip": "192.0.2.1", "dest_port": 80,
    "proto": "TCP", "http": {
        "hostname": "web.example", "url": "/a?b=%27", "http_user_agent": "curl/8",
        "http_method": "GET", "status": 404, "length": 153, "http_refer": "https://example.org/",
    },
}  # fmt: skip


def test_columns():
    batch = lines(json.dumps(HTTP), format=Eve())
    expected = {
        "src": b"203.0.113.7", "method": b"GET", "target": b"/a?b=%27", "status": b"404",
        "size": b"153", "agent": b"curl/8", "referrer": b"https://example.org/",
        "vhost": b"web.example", "message": None,
    }  # fmt: skip
    assert {name: batch.column(name)[0] for name in expected} == expected
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.123456Z"


def test_alerts_do_not_repeat_requests():
    alert = {**HTTP, "event_type": "alert", "alert": {"signature": "x"}}
    batch = lines(json.dumps(alert), format=Eve())
    assert (batch.column("target"), batch.column("message")) == ([None], [b"x"])


def test_sniff_and_recognised():
    stats = {"timestamp": "2025-01-13T10:30:45+0000", "event_type": "stats", "stats": {}}
    batch = lines(json.dumps(HTTP), json.dumps(stats), '{"event_type": "x"}', "text")
    assert Eve().sniff(batch.data) == pytest.approx(0.98 / 2)
    assert Eve().recognised(batch).tolist() == [True, True, True, False]


def test_garbage_is_unknown():
    batch = lines("", "{", '{"http": []}', '{"src_ip": {}, "timestamp": 0}', b"\xff", format=Eve())
    assert not any(batch.column("time"))
    assert not any(batch.column("src"))
