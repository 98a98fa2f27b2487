from __future__ import annotations

import struct

from mlids.capture import crafting as c
from mlids.capture import dns
from mlids.lookups.events import account
from mlids.lookups.watch import Finding
from mlids.testing import packets


def test_account() -> None:
    head = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0)
    data = head + dns.wire("Abc.DEF.example.co.uk") + b"\0\0\x10\0\1"
    batch = packets([c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 17, c.udp(9, 53, data)))])
    found = Finding("odd-records", 30, 1800, 60.0, 65.5, 0.75, 4, "30 of them", [(1, 9), (0, 3)])
    told = account(found, batch, dns.questions(batch), 0, "10.0.0.1", ["a", "b"], 300.0)
    assert (told.type, told.severity, told.rule) == (
        "DNS Tunneling",
        "HIGH",
        "dns_tunnel/odd-records",
    )
    assert told.details["domain"] == "example.co.uk"
    assert told.details["target"] == "10.0.0.2"
    assert told.details["port"] == 53
    assert told.details["protocol"] == "UDP"
    metadata = told.details["metadata"]
    assert metadata["example"] == "abc.def.example.co.uk"
    assert (metadata["names"], metadata["bytes"], metadata["refused"]) == (30, 1800, 4)
    assert metadata["odd_share"] == 0.75
    assert told.evidence == [{"source": "b", "frame": 9}, {"source": "a", "frame": 3}]
    assert "30 distinct names below example.co.uk" in told.explanation
    assert "threshold 30 of them in 300 s" in told.explanation
