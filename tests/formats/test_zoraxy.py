from __future__ import annotations

from mlids.formats.nginx import Nginx
from mlids.formats.zoraxy import Zoraxy
from mlids.testing import lines

LINE = (
    "2025/01/13 10:30:45 [2025-01-13 10:30:45.417736] [router:host-http] [origin:a.example]"
    " [client: 203.0.113.7] [useragent: Mozilla/5.0 zgrab/0.x] GET /x?y=1 404"
)


def test_columns():
    batch = lines(LINE, "junk", format=Zoraxy(timezone="UTC"))
    columns = {
        name: batch.column(name)[0] for name in ("src", "vhost", "method", "target", "status")
    }
    assert columns == {
        "src": b"203.0.113.7", "vhost": b"a.example", "method": b"GET", "target": b"/x?y=1",
        "status": b"404",
    }  # fmt: skip
    assert batch.column("agent") == [b"Mozilla/5.0 zgrab/0.x", None]
    assert batch.column("time").tolist() == [1_736_764_245_417_736_000, 0]


def test_clients_cannot_name_others():
    line = LINE.replace("zgrab", "] GET / 200 [client: 8.8.8.8] [useragent: x")
    assert lines(line, format=Zoraxy()).column("src") == [b"203.0.113.7"]


def test_it_is_told_from_others():
    chunk = (LINE + "\n").encode()
    assert Zoraxy().sniff(chunk) > Nginx().sniff(chunk)
