from __future__ import annotations

import json

from mlids.events import format_time
from mlids.formats.zeek import Zeek
from mlids.testing import lines

SSH = {
    "ts": 1736764245.5, "uid": "Cabcdefgh1", "id.orig_h": "203.0.113.7", "id.orig_p": 4711,
    "id.resp_h": "192.0.2.1", "id.resp_p": 22, "auth_success": False,
}  # fmt: skip
HTTP = {
    **SSH, "auth_success": None, "method": "GET", "uri": "/a?b=%27", "status_code": 404,
    "user_agent": "curl/8", "response_body_len": 153, "host": "web.example",
}  # fmt: skip


def test_json():
    batch = lines(json.dumps(SSH), json.dumps(HTTP), format=Zeek())
    assert batch.column("src") == [b"203.0.113.7"] * 2
    assert batch.column("outcome") == [b"failure", None]
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.500000Z"
    assert [batch.column(n)[1] for n in ("method", "target", "status", "size", "agent", "vhost")] == [
        b"GET", b"/a?b=%27", b"404", b"153", b"curl/8", b"web.example",
    ]  # fmt: skip


def test_nested_ends():
    record = {"ts": "2025-01-13T10:30:45Z", "id": {"orig_h": "203.0.113.7"}, "auth_success": True}
    batch = lines(json.dumps(record), format=Zeek())
    assert (batch.column("src"), batch.column("outcome")) == ([b"203.0.113.7"], [b"success"])
    assert format_time(int(batch.column("time")[0])) == "2025-01-13T10:30:45.000000Z"


def test_recognised():
    batch = lines("#separator x", "1736764245.5\tx", '{"ts": 1}', "text", "")
    assert Zeek().recognised(batch).tolist() == [True, True, True, False, False]
