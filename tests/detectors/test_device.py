from __future__ import annotations

import ipaddress
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.detectors.device import Device
from mlids.events import Event
from mlids.testing import START_NS, check_detector, packets, run

SECOND = 1_000_000_000
OLD, NEW, PRINTER, ROUTER = (f"3c:52:82:00:00:{n:02x}" for n in (1, 2, 3, 9))
PHONE = "d2:5e:60:00:00:07"  # an address that the phone made up


def at(seconds: float, frame: bytes) -> Frame:
    return Frame(START_NS + int(seconds * SECOND), frame)


def ask(seconds: float, src: str, mac: str) -> Frame:
    frame = c.ethernet(c.arp(1, src, "192.168.1.1", mac), 0x0806, src=mac, dst="ff:ff:ff:ff:ff:ff")
    return at(seconds, frame)


def syn(
    seconds: float, mac: str, flags: str = "S", sport: int = 40000, dport: int = 443,
    src: str = "192.168.1.50", dst: str = "203.0.113.1",
) -> Frame:  # fmt: skip
    packet = c.ip(src, dst, 6, c.tcp(sport, dport, flags))
    return at(seconds, c.ethernet(packet, src=mac, dst=ROUTER))


def dgram(seconds: float, mac: str, sport: int, dport: int, dst: str = "192.168.1.7") -> Frame:
    packet = c.ip("192.168.1.50", dst, 17, c.udp(sport, dport, b"x" * 20))
    return at(seconds, c.ethernet(packet, src=mac, dst=ROUTER))


def dhcp(seconds: float, mac: str, kind: int, host: bytes = b"", given: str = "0.0.0.0") -> Frame:
    client = bytes.fromhex(mac.replace(":", ""))
    reply = kind in (2, 5)
    head = struct.pack(">BBBBIHH", 2 if reply else 1, 1, 6, 0, 7, 0, 0) + bytes(4)
    head += ipaddress.IPv4Address(given).packed + bytes(8) + client + bytes(10 + 192)
    data = head + struct.pack(">I", 0x63825363) + bytes([53, 1, kind])
    data += bytes([12, len(host)]) + host if host else b""
    ports = (67, 68) if reply else (68, 67)
    ends = ("192.168.1.1", "255.255.255.255") if reply else ("0.0.0.0", "255.255.255.255")
    packet = c.ip(*ends, 17, c.udp(*ports, data + b"\xff"))
    return at(seconds, c.ethernet(packet, src=ROUTER if reply else mac))


def said(frames: list[Frame], **options: object) -> list[Event]:
    return check_detector(lambda: Device(**options), packets(frames), (1, 3, 7, 50))


def learnt(*more: Frame) -> list[Frame]:
    """Two devices speak all the time; what follows comes after everybody was learnt."""
    return [f for n in range(0, 700, 50) for f in (ask(n, "192.168.1.2", OLD), syn(n, ROUTER))] + [
        *more,
        ask(800, "192.168.1.2", OLD),
    ]


def listed(*devices: dict[str, object]) -> dict[str, object]:
    return {"known_devices": list(devices)}


def test_new_device() -> None:
    assert said(learnt()) == []
    [event] = said(learnt(ask(701, "192.168.1.77", NEW)))
    assert (event.type, event.severity, event.rule) == ("New Device", "MEDIUM", "device/new")
    assert event.details["ip"] == "192.168.1.77"
    assert event.details["mac"] == NEW
    assert event.details["metadata"]["seen"] == "ARP"
    assert event.details["metadata"]["randomised"] is False
    assert event.techniques == ["T1200"]
    assert event.time_ns == START_NS + 701 * SECOND
    assert event.evidence == [{"source": "test.pcap", "frame": 29}]
    again = [ask(701 + n, "192.168.1.77", NEW) for n in range(20)]
    assert len(said(learnt(*again))) == 1


def test_everybody_is_new_at_first() -> None:
    frames = [ask(n, f"192.168.1.{n}", f"3c:52:82:00:01:{n:02x}") for n in range(50)]
    assert said(frames) == []
    assert len(said(frames, learn_s=10)) == 40
    old = [ask(n, "192.168.1.2", OLD) for n in (0, 300)]
    assert said([*old, ask(599, "192.168.1.7", NEW)]) == []
    assert len(said([*old, ask(600, "192.168.1.7", NEW)])) == 1


def test_recording_of_another_day_is_learnt_anew() -> None:
    later = learnt(ask(90_000, "192.168.1.77", NEW), ask(90_300, "192.168.1.78", PRINTER))
    assert said(later) == []
    [event] = said([*later, *(ask(90_000 + n, "192.168.1.2", OLD) for n in range(0, 700, 99)),
                    ask(90_650, "192.168.1.79", PHONE)])  # fmt: skip
    assert event.details["mac"] == PHONE
    assert len(said(later, **listed({"mac": OLD}, {"mac": ROUTER}))) == 2


def test_name_and_address_from_dhcp() -> None:
    frames = [
        dhcp(701, PHONE, 1, b"Anna's\x1b phone"),
        dhcp(701.5, PHONE, 2, given="192.168.1.80"),
        dhcp(702, PHONE, 3),
        dhcp(703, PHONE, 5, given="192.168.1.80"),
    ]
    [event] = said(learnt(*frames))
    assert event.details["ip"] == "192.168.1.80"
    assert event.details["hostname"] == "Anna?s? phone"
    assert event.details["metadata"]["randomised"] is True
    assert event.details["metadata"]["seen"] == "DHCP"
    assert event.time_ns == START_NS + 701 * SECOND
    [late] = said(learnt(*frames[:3]))  # nobody gives it an address in time
    assert late.details["ip"] == ""


def test_address_is_not_taken_from_what_a_router_carries() -> None:
    [event] = said(learnt(syn(701, NEW, src="198.51.100.9"), ask(704, "192.168.1.90", NEW)))
    assert event.details["ip"] == "192.168.1.90"
    assert event.details["metadata"]["seen"] == "TCP"
    [event] = said(learnt(syn(701, NEW, src="198.51.100.9"), ask(707, "192.168.1.90", NEW)))
    assert event.details["ip"] == ""


@pytest.mark.parametrize(
    "frame",
    [
        syn(701, NEW),
        syn(701, NEW, "SA", 443, 50000),
        dgram(701, NEW, 5000, 6000),
        dgram(701, NEW, 40005, 53, "192.168.1.1"),
        at(701, c.ethernet(c.ip("192.168.1.9", "192.168.1.8", 1, c.icmp(8)), src=NEW)),
        at(701, c.ethernet(bytes(46), 0x88CC, src=NEW)),
        at(701, c.ethernet(bytes(46), 0x0026, src=NEW)),
        at(701, c.ethernet(c.ip("192.168.1.9", "192.168.1.8", 1, c.icmp(8)), tags=(7,), src=NEW)),
    ],
)
def test_what_shows_a_device(frame: Frame) -> None:
    assert [event.details["mac"] for event in said(learnt(frame))] == [NEW]


def test_groups_and_links_without_addresses_are_no_devices() -> None:
    strange = c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 1, c.icmp(8)), src="01:00:5e:00:00:01")
    assert said(learnt(at(701, strange))) == []
    raw = packets([Frame(START_NS, c.ip("10.0.0.1", "10.0.0.2", 1, c.icmp(8)))], 101)
    assert run(Device(**listed({"mac": OLD})), [raw]) == []


def test_list_of_known_devices() -> None:
    frames = [ask(0, "192.168.1.2", OLD), ask(1, "192.168.1.77", NEW), syn(2, ROUTER)]
    known = listed({"mac": OLD.upper().replace(":", "-"), "name": "server"}, {"mac": ROUTER})
    [event] = said(frames, **known)  # at once, also in the beginning
    assert event.details["mac"] == NEW
    assert "list of known devices" in event.explanation
    assert said(frames, **known, exclude_ips=["192.168.1.64/26"]) == []


def test_known_device_serves_what_it_should_not() -> None:
    known = listed(
        {"mac": PRINTER, "name": "printer", "ports": [631, 9100]}, {"mac": OLD}, {"mac": ROUTER}
    )
    fine = [
        syn(0, PRINTER, "SA", 631, 50000),
        syn(1, PRINTER, "SA", 9100, 50000),
        syn(2, PRINTER, "S", 40000, 443),
        syn(3, PRINTER, "RA", 23, 50000),  # closed
        dgram(4, PRINTER, 50000, 53),
        dgram(5, PRINTER, 137, 137),
        dgram(6, PRINTER, 161, 50000, "224.0.0.251"),
        syn(7, OLD, "SA", 22, 50000),
    ]
    assert said(fine, **known) == []
    events = said([*fine, *(syn(10 + n, PRINTER, "SA", 23, 50000 + n) for n in range(12))], **known)
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 10, 12]
    first = events[0]
    assert first.rule == "device/unexpected-port"
    assert first.details["port"] == 23
    assert first.details["ip"] == "192.168.1.50"
    assert first.details["metadata"]["name"] == "printer"
    assert "expected: 631, 9100" in first.explanation
    [event] = said([*fine, dgram(10, PRINTER, 161, 50000)], **known)
    assert (event.details["port"], event.details["protocol"]) == (161, "UDP")
    nothing = listed({"mac": PRINTER, "ports": []}, {"mac": OLD}, {"mac": ROUTER})
    assert {e.details["port"] for e in said(fine, **nothing)} == {631, 9100}


def macof(count: int, begin: float, gap: float = 0.01) -> list[Frame]:
    return [
        syn(begin + n * gap, f"02:00:{n >> 16:02x}:{n >> 8 & 255:02x}:{n & 255:02x}:01")
        for n in range(count)
    ]


def test_flood_of_senders_is_one_thing() -> None:
    events = said(learnt(*macof(1000, 701)))
    floods = [event for event in events if event.rule == "device/mac-flood"]
    assert floods[0].severity == "HIGH"
    assert floods[0].details["metadata"]["senders"] == 200
    assert floods[0].time_ns == START_NS + 701 * SECOND + 199 * SECOND // 100
    assert sum(1 + event.details["suppressed"] for event in floods) == 5
    assert events == floods
    few = said(learnt(*macof(199, 701)))
    assert {event.rule for event in few} == {"device/new"}
    assert len(said(learnt(*macof(150, 701, 0.1)))) > 100  # no flood: told apart


def test_flood_while_everybody_is_new() -> None:
    assert said(macof(999, 0)) == []
    [event] = said(macof(1000, 0, 0.005))
    assert event.details["metadata"]["technique"] == "mac-flood"


def test_device_that_comes_during_a_flood_is_told_when_it_is_over() -> None:
    flood = macof(400, 701)
    events = said(learnt(*flood, ask(704, "192.168.1.77", NEW), ask(730, "192.168.1.77", NEW)))
    assert [e.details["mac"] for e in events if e.rule == "device/new"] == [NEW]
    assert START_NS + 730 * SECOND in {event.time_ns for event in events}
    assert {e.rule for e in said(learnt(*flood, syn(730, ROUTER)))} == {"device/mac-flood"}


def random_traffic(rng: random.Random) -> list[Frame]:
    frames, now = [], 0.0
    for _ in range(rng.randrange(10, 200)):
        now += rng.choice([0, 0.1, 0.4, 3, 30])
        mac = f"02:00:00:00:00:{rng.randrange(60):02x}"
        made = rng.choice([ask, syn, dgram, dhcp])
        if made is ask:
            frames.append(ask(now, f"192.168.1.{rng.randrange(1, 99)}", mac))
        elif made is syn:
            frames.append(syn(now, mac, rng.choice(["S", "SA"]), rng.choice([22, 80])))
        elif made is dgram:
            frames.append(dgram(now, mac, rng.choice([53, 161]), rng.randrange(1000, 1100)))
        else:
            frames.append(dhcp(now, mac, rng.choice([1, 5]), b"host", "192.168.1.9"))
    return frames


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_the_law_on_random_traffic(seed: int) -> None:
    frames = random_traffic(random.Random(seed))
    options: dict[str, object] = {"learn_s": 10, "flood_macs": 10, "wait_s": 2}
    if seed % 2:
        options |= listed({"mac": "02:00:00:00:00:01", "ports": [22]})
    check_detector(lambda: Device(**options), packets(frames), (2, 5, len(frames)))


def test_garbage_harms_nothing() -> None:
    rng = random.Random(7)
    whole = [dhcp(0, NEW, 1, b"host").data, ask(0, "192.168.1.7", NEW).data, syn(0, NEW).data]
    frames = [Frame(START_NS + n, rng.randbytes(rng.randrange(80))) for n in range(300)]
    frames += [Frame(START_NS + 999, each[:n]) for each in whole for n in range(len(each))]
    said(frames, learn_s=0)
    run(Device(), [packets([])])


def test_devices_are_bounded() -> None:
    rng = random.Random(3)
    detector = Device(max_devices=100, flood_macs=100_000)
    for second in range(5):
        frames = [
            syn(second + n / 1000, "02:" + ":".join(f"{rng.randrange(256):02x}" for _ in range(5)))
            for n in range(1000)
        ]
        list(detector.inspect(packets(frames)))
    assert detector.counts()["evicted_devices"] > 4800
    assert len(detector.save()["devices"][1]) == 100


def test_a_flood_of_frames_that_cannot_be_read_is_a_flood() -> None:
    """As macof makes it: an IPv4 header that promises a TCP one which is not there."""
    chance = random.Random(8)
    frames = []
    for n in range(1200):
        mac = ":".join(f"{chance.randrange(256):02x}" for _ in range(6))
        mac = f"02{mac[2:]}"
        packet = c.ipv4("198.51.100.7", "203.0.113.9", 6, b"")
        frames.append(Frame(START_NS + n * 1_000_000, c.ethernet(packet, src=mac)))
    found = run(Device(), [packets(frames)])
    assert {e.details["metadata"]["technique"] for e in found} == {"mac-flood"}
