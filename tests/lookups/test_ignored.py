from __future__ import annotations

import struct

import pytest

from mlids.capture import crafting as c
from mlids.capture import dns
from mlids.lookups.ignored import KNOWN, Ignored
from mlids.testing import packets


def left_out(ignored: Ignored, *names: str) -> list[bool]:
    frames = []
    for name in names:
        head = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0)
        data = head + dns.wire(name) + b"\0\0\1\0\1"
        frames.append(c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 17, c.udp(9, 53, data))))
    batch = packets(frames)
    asked = dns.questions(batch)
    domains = dns.name_key(batch.data, asked.domain_at, asked.end)
    return ignored.among(batch.data, asked, domains).tolist()


def test_domains_and_what_is_below_them() -> None:
    ignored = Ignored(["example.com", "Deep.Below.example.org.", "firm.co.uk"])
    names = ["example.com", "a.b.EXAMPLE.com", "example.org", "x.deep.below.example.org"]
    assert left_out(ignored, *names) == [True, True, False, True]
    names = [
        "notexample.com",
        "example.com.net",
        "xdeep.below.example.org",
        "a.firm.co.uk",
        "b.co.uk",
    ]
    assert left_out(ignored, *names) == [False, False, False, True, False]


def test_reverse_lookups_are_always_left_out() -> None:
    assert left_out(Ignored([]), "1.0.0.10.in-addr.arpa", "a.b.ip6.arpa", "a.arpa") == [
        True,
        True,
        False,
    ]


def test_what_is_no_name() -> None:
    with pytest.raises(ValueError, match="no domain name"):
        Ignored(["a..b"])


def test_known_ones_are_registered_domains() -> None:
    assert all(dns.registered(name) for name in KNOWN)
    assert len(set(KNOWN)) == len(KNOWN)
