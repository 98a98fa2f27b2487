"""Each fault by a frame made for it; `test_packets` holds the whole against a plain decoder."""

from __future__ import annotations

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.decoding import MOST_EXTENSIONS, Fault
from mlids.testing import START_NS, packets

V4, V6 = ("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8::2")
SEGMENT = c.tcp(40000, 22, "S")
FOUR, SIX = c.ethernet(c.ip(*V4, 6, SEGMENT)), c.ethernet(c.ip(*V6, 6, SEGMENT))


def changed(frame: bytes, at: int, value: int) -> bytes:
    return frame[:at] + bytes([value]) + frame[at + 1 :]


def chain(count: int) -> bytes:
    extensions = [(60, bytes(7))] * count
    return c.ethernet(c.ipv6(*V6, 6, SEGMENT, extensions=extensions))


CASES = {
    "fine": (FOUR, Fault.NONE),
    "empty": (b"", Fault.LINK),
    "in the link header": (FOUR[:13], Fault.LINK),
    "in a VLAN tag": (c.ethernet(b"", 0x8100), Fault.LINK),
    "in the IPv4 header": (FOUR[:33], Fault.NETWORK),
    "in the IPv6 header": (SIX[:53], Fault.NETWORK),
    "version 5": (changed(FOUR, 14, 0x55), Fault.VERSION),
    "version 4 said to be 6": (changed(SIX, 14, 0x40), Fault.VERSION),
    "header of 16 bytes": (changed(FOUR, 14, 0x44), Fault.HEADER_LENGTH),
    "more bytes than there were": (changed(FOUR, 17, 41), Fault.TOTAL_LENGTH),
    "fewer bytes than the header": (changed(FOUR, 17, 19), Fault.TOTAL_LENGTH),
    "IPv6 longer than the frame": (changed(SIX, 19, 21), Fault.TOTAL_LENGTH),
    "as many extensions as are followed": (chain(MOST_EXTENSIONS), Fault.NONE),
    "more extensions": (chain(MOST_EXTENSIONS + 1), Fault.EXTENSION),
    "extension past the end": (changed(chain(1), 14 + 40 + 1, 9), Fault.EXTENSION),
    "in the TCP header": (c.ethernet(c.ip(*V4, 6, SEGMENT[:10])), Fault.TRANSPORT),
    "TCP header of 16 bytes": (changed(FOUR, 14 + 20 + 12, 0x40), Fault.TRANSPORT_LENGTH),
    "TCP header past the end": (changed(FOUR, 14 + 20 + 12, 0xF0), Fault.TRANSPORT_LENGTH),
    "UDP of 7 bytes": (
        changed(c.ethernet(c.ip(*V4, 17, c.udp(1, 2))), 39, 7),
        Fault.TRANSPORT_LENGTH,
    ),
    "ARP of 27 bytes": (c.ethernet(c.arp(1, *V4), 0x0806)[:-1], Fault.NETWORK),
    "ARP without operation": (c.ethernet(c.arp(0, *V4), 0x0806), Fault.ARP),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_named(name: str) -> None:
    frame, fault = CASES[name]
    batch = packets([frame, FOUR])  # a good one beside it suffers nothing
    assert Fault(int(batch.fault[0])) is fault
    assert (int(batch.fault[1]), int(batch.dport[1])) == (0, 22)
    if fault:
        assert batch.payload(0) == b""
        assert int(batch.transport[0]) == 0


def test_unknown_link_type() -> None:
    assert packets([FOUR], kind=147).fault.tolist() == [Fault.LINK_TYPE]


def test_what_was_read_before_the_fault_stays() -> None:
    batch = packets([changed(FOUR, 14 + 20 + 12, 0x40)])
    assert (int(batch.protocol[0]), int(batch.ttl[0]), int(batch.dport[0])) == (6, 64, 0)
    unread = packets([changed(FOUR, 14, 0x55)])
    assert (int(unread.protocol[0]), int(unread.src_lo[0])) == (0, 0)


def test_captured_part_of_a_longer_frame_is_no_fault() -> None:
    whole = c.ethernet(c.ip(*V4, 6, c.tcp(1, 2, "PA", payload=bytes(500))))
    batch = packets([Frame(START_NS, whole[:60], len(whole))])
    assert (int(batch.fault[0]), int(batch.payload_length[0])) == (0, 500)
    assert batch.payload(0) == bytes(6)
