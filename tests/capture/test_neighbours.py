from __future__ import annotations

import ipaddress
import struct

import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.addresses import address
from mlids.capture.macs import mac_text
from mlids.capture.neighbours import neighbours
from mlids.testing import packets

A, B = "3c:52:82:00:00:01", "3c:52:82:00:00:02"


def arp(operation: int, src: str, dst: str, mac: str = A, ether: str = A) -> bytes:
    return c.ethernet(c.arp(operation, src, dst, mac), 0x0806, src=ether)


def discovery(
    kind: int, target: str, options: bytes = b"", *, flags: int = 0x20, ttl: int = 255, rest: int = 0
) -> bytes:  # fmt: skip
    body = ipaddress.IPv6Address(target).packed + options
    rest = rest or flags << 24
    return c.ethernet(c.ipv6("fe80::1", "ff02::1", 58, c.icmp(kind, 0, body, rest), ttl=ttl), src=A)


def link(mac: str, kind: int = 2) -> bytes:
    return bytes([kind, 1]) + bytes.fromhex(mac.replace(":", ""))


def test_arp_claims_and_questions() -> None:
    frames = [
        arp(1, "10.0.0.1", "10.0.0.2"),
        arp(2, "10.0.0.2", "10.0.0.1", B, ether=A),
        arp(1, "10.0.0.3", "10.0.0.3"),  # an announcement asks nothing
        arp(1, "0.0.0.0", "10.0.0.4"),  # a probe claims nothing
        arp(3, "10.0.0.1", "10.0.0.2"),  # reverse ARP
        arp(2, "10.0.0.5", "10.0.0.1", "01:00:5e:00:00:01"),  # a group is no card
        arp(2, "10.0.0.5", "10.0.0.1", "00:00:00:00:00:00"),
    ]
    found = neighbours(packets(frames))
    claims = found.claims
    assert claims.row.tolist() == [0, 1, 2]
    assert [address(0, lo) for lo in claims.lo.tolist()] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert [mac_text(mac) for mac in claims.mac.tolist()] == [A, B, A]
    assert [mac_text(mac) for mac in claims.ether.tolist()] == [A, A, A]
    assert claims.reply.tolist() == [False, True, False]
    assert found.asks.row.tolist() == [0, 3]
    assert address(0, int(found.asks.lo[1])) == "10.0.0.4"
    assert found


def test_behind_tags_and_without_ethernet() -> None:
    tagged = c.ethernet(c.arp(2, "10.0.0.1", "10.0.0.2", B), 0x0806, tags=(5, 6), src=A)
    assert mac_text(int(neighbours(packets([tagged])).claims.mac[0])) == B
    cooked = struct.pack(">HHH8sH", 0, 1, 0, bytes(8), 0x0806) + c.arp(2, "10.0.0.1", "10.0.0.2", B)
    claims = neighbours(packets([cooked], 113)).claims
    assert (mac_text(int(claims.mac[0])), int(claims.ether[0])) == (B, 0)


def test_neighbour_discovery() -> None:
    frames = [
        discovery(136, "2001:db8::1", link(B)),
        discovery(136, "2001:db8::2", b"\x05\x01" + bytes(6) + link(B)),  # behind another option
        discovery(135, "2001:db8::3", link(A, 1)),
        discovery(136, "2001:db8::4", link(B), flags=0x40),  # does not override
        discovery(136, "2001:db8::5", link(B), ttl=254),
        discovery(136, "2001:db8::6"),
        discovery(136, "2001:db8::7", b"\x02\x00" + bytes(6)),  # an option without a size
        arp(2, "10.0.0.1", "10.0.0.2"),
    ]
    found = neighbours(packets(frames))
    claims = found.claims
    assert claims.row.tolist() == [0, 1, 6, 7] or claims.row.tolist() == [0, 1, 7]
    assert address(int(claims.hi[0]), int(claims.lo[0])) == "2001:db8::1"
    assert mac_text(int(claims.mac[1])) == B
    assert claims.six.tolist()[:2] == [True, True]
    assert claims.six.tolist()[-1] is False
    assert found.asks.row.tolist() == [2]


def test_router_advertisements() -> None:
    def router(lifetime: int, ttl: int = 255) -> bytes:
        body = c.icmp(134, 0, bytes(8), rest=64 << 24 | lifetime)
        return c.ethernet(c.ipv6("fe80::1", "ff02::1", 58, body, ttl=ttl), src=B)

    found = neighbours(packets([router(1800), router(0), router(1800, 64)]))
    assert found.routers.row.tolist() == [0]
    assert mac_text(int(found.routers.mac[0])) == B


@pytest.mark.parametrize(
    "whole", [arp(2, "10.0.0.1", "10.0.0.2"), discovery(136, "fe80::1", link(B))]
)
def test_what_is_cut_claims_nothing(whole: bytes) -> None:
    cut = packets([whole[:n] for n in range(len(whole))])
    claims = neighbours(cut).claims
    assert not len(claims.row) or int(claims.mac[0]) != 0
    assert not neighbours(packets([]))


def test_order_and_memory() -> None:
    batch = packets([arp(2, "10.0.0.1", "10.0.0.2"), discovery(136, "fe80::1", link(B))] * 9)
    found = neighbours(batch)
    assert (np.diff(found.claims.row) > 0).all()
    assert neighbours(batch) is found
