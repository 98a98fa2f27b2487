from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from mlids.batches import PacketBatch
from mlids.capture import crafting as c
from mlids.capture import dns
from mlids.capture.packets import padded
from mlids.testing import packets


def message(name: bytes, kind: int = 1, flags: int = 0x0100, count: int = 1) -> bytes:
    head = struct.pack(">HHHHHH", 7, flags, count, 0, 0, 0)
    return head + name + b"\0" + struct.pack(">HH", kind, 1)


def batch_of(*made: bytes, tcp: bool = False, answer: bool = False) -> PacketBatch:
    ports = (53, 40000) if answer else (40000, 53)
    frames = []
    for payload in made:
        if tcp:
            segment = c.tcp(*ports, "PA", payload=struct.pack(">H", len(payload)) + payload)
        else:
            segment = c.udp(*ports, payload)
        frames.append(c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 6 if tcp else 17, segment)))
    return packets(frames)


def plain(text: str) -> tuple[str, int]:
    """The registered domain and the labels before it, label by label."""
    labels = text.lower().split(".")
    keep = 3 if len(labels[-1]) == 2 and labels[-2] in dns.SECONDS and len(labels) > 2 else 2
    return ".".join(labels[-keep:]), len(labels) - keep


NAMES = [
    "example.com",
    "www.example.com",
    "a.b.c.d.Example.COM",
    "www.example.co.uk",
    "co.uk",
    "x.com.br",
    "host.gov",
    "a.b.xyz.de",
    "x" * 63 + ".t.example.org",
    "1.2.0.192.in-addr.arpa",
    ".".join("abcdef01" * 4) + ".ip6.arpa",
    "_ldap._tcp.dc._msdcs.corp.local",
]


@pytest.mark.parametrize("tcp", [False, True])
def test_names_as_label_by_label(tcp: bool) -> None:
    batch = batch_of(*(message(dns.wire(name), 16) for name in NAMES), tcp=tcp)
    found = dns.questions(batch)
    assert found.row.tolist() == list(range(len(NAMES)))
    assert found.query.all()
    assert set(found.kind.tolist()) == {16}
    for n, name in enumerate(NAMES):
        assert found.name(batch, n) == name.lower()
        assert (found.domain(batch, n), found.labels[n]) == plain(name)
        assert dns.registered(found.domain(batch, n)) or name == "co.uk"


def test_names_with_a_long_label() -> None:
    names = [*NAMES, "x" * 12 + ".a.com", "a." + "x" * 12 + ".b.com", "x" * 11 + ".a.com"]
    names += ["a." * n + "x" * 12 + ".b.com" for n in range(2, 12)]
    names += ["x" * 12 + ".a" * n + ".b.com" for n in range(2, 12)]
    batch = batch_of(*(message(dns.wire(name)) for name in names))
    every, found = dns.questions(batch), dns.questions(batch, 12)
    assert [names[row] for row in every.row.tolist()] == names

    def fits(name: str) -> bool:
        labels = name.split(".")
        return max(map(len, labels[:-2]), default=0) >= 12 or len(labels) > dns.COMMON_LABELS - 1

    expected = [n for n in names if max(map(len, n.split(".")[:-2]), default=0) >= 12]
    told = [names[row] for row in found.row.tolist()]
    assert [n for n in told if n in expected] == expected
    assert all(fits(name) for name in told)
    keep = np.isin(every.row, found.row)
    for one, other in zip(every, found, strict=True):
        assert one[keep].tolist() == other.tolist()


def test_only_queries_and_missing_names() -> None:
    name = dns.wire("www.example.com")
    assert not len(dns.questions(batch_of(message(name, flags=0x8180), answer=True)).row)
    [query] = dns.questions(batch_of(message(name, flags=0x8183), answer=True)).query.tolist()
    assert query is False
    assert not len(dns.questions(batch_of(message(name, flags=0x2800))).row)  # an update
    assert not len(dns.questions(batch_of(message(name, count=2))).row)
    elsewhere = c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 17, c.udp(9, 5353, message(name))))
    assert not len(dns.questions(packets([elsewhere])).row)


@pytest.mark.parametrize(
    "name",
    [
        b"",  # the root
        b"\x03com",  # one label
        b"\x03www\xc0\x0c",  # a pointer
        b"\x40" + b"x" * 64 + b"\x03com",  # a label too long
        b"\x3fabc\x03com",  # a label beyond the end
    ],
)
def test_what_is_no_name(name: bytes) -> None:
    assert not len(dns.questions(batch_of(message(name))).row)


def test_no_byte_behind_the_packet_is_read() -> None:
    whole = message(dns.wire("www.example.com"))
    for size in range(len(whole)):
        assert not len(dns.questions(batch_of(whole[:size])).row)
    rng = random.Random(5)
    dns.questions(batch_of(*(rng.randbytes(rng.randrange(400)) for _ in range(500))))
    dns.questions(packets([]))


def test_keys_fold_letters_and_tell_names_apart() -> None:
    names = ["example.com", "EXAMPLE.com", "example.con", "xample.com", "e.xamplecom", "a.b"]
    names += [f"{'x' * n}.com" for n in range(1, 63)]
    wires = [dns.wire(n) for n in names]
    wires[1] = wires[1].upper()
    data, ends = padded(b"\x09garbage".join(wires)), []
    starts, place = [], 0
    for each in wires:
        starts.append(place)
        ends.append(place + len(each))
        place += len(each) + 8
    keys = dns.name_key(data, np.array(starts), np.array(ends)).tolist()
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(names) - 1
    again = dns.name_key(
        padded(b"zz" + wires[0] + b"junk"), np.array([2]), np.array([2 + len(wires[0])])
    )
    assert again.tolist() == keys[:1]


def test_text_is_safe() -> None:
    assert dns.name_text(b"\x04a\x1b[m\x03\xff.B\x02-_") == "a??m.??b.-_"
    assert dns.name_text(b"\x3fabc") == "abc"
    assert dns.name_text(b"") == ""


def test_wire_and_registered() -> None:
    assert dns.wire(" Example.COM. ") == b"\x07example\x03com"
    for bad in ("", "a..b", "x" * 64 + ".com"):
        with pytest.raises(ValueError, match="no domain name"):
            dns.wire(bad)
    assert [dns.registered(n) for n in ("a.com", "b.a.com", "a.co.uk", "co.uk", "com")] == [
        True,
        False,
        True,
        True,
        False,
    ]
