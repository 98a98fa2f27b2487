from __future__ import annotations

import msgspec
import numpy as np
import pytest

from mlids.capture import crafting as c
from mlids.capture.addresses import HOME, Networks, words
from mlids.capture.crafting import Frame
from mlids.scans.contacts import Kind, contacts
from mlids.scans.forwarders import MOST, OTHERS, PLENTY, Forwarders
from mlids.testing import START_NS, cut, packets

MS = 1_000_000
GATE, HOST, FAR = "192.168.1.1", "192.168.1.10", "198.51.100.7"
GATE_MAC, HOST_MAC = "02:00:00:00:00:fe", "02:00:00:00:00:10"


def ip(at: int, src: str, dst: str, src_mac: str, dst_mac: str, port: int = 443) -> Frame:
    segment = c.tcp(40000, port, "PA", payload=b"x")
    frame = c.ethernet(c.ip(src, dst, 6, segment), src=src_mac, dst=dst_mac)
    return Frame(START_NS + at * MS, frame)


def ask(at: int, src: str, mac: str, dst: str = "192.168.1.77") -> Frame:
    return Frame(START_NS + at * MS, c.ethernet(c.arp(1, src, dst, mac), 0x0806, src=mac))


def learnt(*frames: Frame, pieces: int = 1, gateways: tuple[str, ...] = ()) -> Forwarders:
    made = Forwarders(Networks(HOME), Networks(gateways))
    for batch in cut(packets(frames), pieces):
        made.learn(batch)
        made.note_askers(batch, np.flatnonzero(batch.ethertype == 0x0806))
    return made


def forwards(made: Forwarders, address: str, at: int = 10_000) -> bool:
    return made.forwards(words(address)[1], START_NS + at * MS)


GATE_ASKS = ask(50, GATE, GATE_MAC)
HOST_ASKS = ask(50, HOST, HOST_MAC)


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize(
    "frame",
    [ip(0, FAR, HOST, GATE_MAC, HOST_MAC), ip(0, HOST, FAR, HOST_MAC, GATE_MAC)],
    ids=["in", "out"],
)
def test_one_address_from_outside_is_enough(frame: Frame, pieces: int) -> None:
    made = learnt(frame, GATE_ASKS, HOST_ASKS, pieces=pieces)
    assert forwards(made, GATE)
    assert not forwards(made, HOST)
    assert not forwards(made, "192.168.1.99")  # of which nothing is known


def test_two_addresses_of_home_are_enough() -> None:
    one = ip(0, "10.0.0.1", HOST, GATE_MAC, HOST_MAC)
    two = ip(1, "10.0.0.2", HOST, GATE_MAC, HOST_MAC)
    own = ip(2, GATE, HOST, GATE_MAC, HOST_MAC)
    assert not forwards(learnt(one, own, GATE_ASKS, HOST_ASKS), GATE)
    both = learnt(one, two, own, GATE_ASKS, HOST_ASKS)
    assert forwards(both, GATE)
    assert not forwards(both, HOST)
    assert OTHERS == 2


def test_a_public_address_of_ones_own_is_no_other() -> None:
    own = ip(0, FAR, "198.51.100.8", HOST_MAC, "02:00:00:00:00:11")
    assert not forwards(learnt(own, ask(50, FAR, HOST_MAC)), FAR)


def test_only_what_was_known_by_then_counts() -> None:
    made = learnt(GATE_ASKS, ip(900, FAR, HOST, GATE_MAC, HOST_MAC))
    assert not forwards(made, GATE, 899)
    assert forwards(made, GATE, 900)


def test_each_row_of_a_conversation_tells_the_same() -> None:
    out, back = (HOST, FAR, HOST_MAC, GATE_MAC), (FAR, HOST, GATE_MAC, HOST_MAC)
    frames = [ip(n, *(back if n % 2 else out)) for n in range(40)]
    states = [learnt(*frames, pieces=pieces).save() for pieces in (1, 2, 7, 40)]
    assert all(state == states[0] for state in states)


def test_groups_and_tunnels_tell_nothing() -> None:
    group = ip(0, FAR, "224.0.0.5", GATE_MAC, "01:00:5e:00:00:05")
    assert list(learnt(group)._hosts) == [0x0200_0000_00FE]
    inner = c.ip(FAR, HOST, 6, c.tcp(1, 2, "S"))
    tunnel = c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 4, inner), src=GATE_MAC)
    assert learnt(Frame(START_NS, tunnel))._hosts == {}


def test_configured_gateways() -> None:
    made = learnt(HOST_ASKS, gateways=("192.168.1.0/28",))
    assert forwards(made, HOST)
    assert not forwards(made, "192.168.1.16")


def test_contacts_of_gateways_are_left_out() -> None:
    batch = packets([GATE_ASKS, HOST_ASKS])
    made = learnt(ip(0, FAR, HOST, GATE_MAC, HOST_MAC), GATE_ASKS, HOST_ASKS)
    left = made.without(contacts(batch, np.arange(2), 0, Kind.ARP))
    assert left["src_lo"].tolist() == [words(HOST)[1]]


def test_memory_is_bounded() -> None:
    made = Forwarders(Networks(HOME), Networks([]))
    for n in range(MOST + 100):
        made._add(n, 1, False, 0)
    assert len(made._hosts) == MOST
    batch = packets([ask(n, f"10.{n >> 8}.{n & 255}.1", GATE_MAC) for n in range(MOST + 100)])
    made.note_askers(batch, np.arange(len(batch)))
    assert len(made._askers) == MOST


def test_new_gateways_are_noticed_among_very_many_addresses() -> None:
    made = learnt()
    for part in range(8):
        frames = [
            ip(n, f"198.{18 + part}.{n >> 8}.{n & 255}", HOST, GATE_MAC, HOST_MAC)
            for n in range(10_000)
        ]
        made.learn(packets(frames))
    assert 0 < made._seen.mean() < 0.51
    assert made._learnt > PLENTY
    new = "02:00:00:00:00:fd"
    made.learn(packets([ip(n, f"203.0.113.{n}", HOST, new, HOST_MAC) for n in range(200)]))
    assert len(made._hosts) == 3
    made.note_askers(batch := packets([ask(500, GATE, new)]), np.arange(len(batch)))
    assert forwards(made, GATE)


def test_state_is_kept() -> None:
    made = learnt(ip(0, FAR, HOST, GATE_MAC, HOST_MAC), GATE_ASKS)
    again = learnt()
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(made.save())))
    assert forwards(again, GATE)
    assert again.save() == made.save()
