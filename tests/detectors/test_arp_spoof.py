from __future__ import annotations

import ipaddress
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.detectors.arp_spoof import ArpSpoof
from mlids.events import Event
from mlids.testing import START_NS, check_detector, packets, run

MS = 1_000_000
SECOND = 1000 * MS
GATEWAY, HOST, OTHER, THIRD = "192.168.1.1", "192.168.1.10", "192.168.1.11", "192.168.1.12"
R, A, B, M = (f"3c:52:82:00:00:{n:02x}" for n in (1, 10, 11, 66))
VRRP, HSRP, HSRP2 = "00:00:5e:00:01:07", "00:00:0c:07:ac:01", "00:00:0c:9f:f0:01"
ALL = "ff:ff:ff:ff:ff:ff"


def at(seconds: float, frame: bytes) -> Frame:
    return Frame(START_NS + int(seconds * SECOND), frame)


def ask(seconds: float, src: str, dst: str, mac: str, ether: str = "") -> Frame:
    frame = c.ethernet(c.arp(1, src, dst, mac), 0x0806, src=ether or mac, dst=ALL)
    return at(seconds, frame)


def reply(
    seconds: float, src: str, dst: str, mac: str, ether: str = "", tags: tuple[int, ...] = ()
) -> Frame:
    return at(seconds, c.ethernet(c.arp(2, src, dst, mac), 0x0806, tags, src=ether or mac, dst=A))


def answered(seconds: float, asker: str, mac: str, asked: str, holder: str) -> list[Frame]:
    return [ask(seconds, asker, asked, mac), reply(seconds + 0.001, asked, asker, holder)]


def syn_outside(seconds: float, src: str = HOST, via: str = R) -> Frame:
    packet = c.ip(src, "203.0.113.7", 6, c.tcp(40000, 443, "S"))
    return at(seconds, c.ethernet(packet, src=A, dst=via))


def options(*pairs: tuple[int, bytes]) -> bytes:
    return b"".join(bytes([code, len(value)]) + value for code, value in pairs) + b"\xff"


def ack(seconds: float, given: str, mac: str, **more: str) -> Frame:
    """A DHCP server gives an address; router and dns name those options."""
    made = [(53, b"\x05")]
    for name, code in (("router", 3), ("dns", 6)):
        if name in more:
            made.append((code, ipaddress.IPv4Address(more[name]).packed))
    client = bytes.fromhex(mac.replace(":", ""))
    head = struct.pack(">BBBBIHH", 2, 1, 6, 0, 7, 0, 0) + bytes(4)
    head += ipaddress.IPv4Address(given).packed + bytes(8) + client + bytes(10 + 192)
    data = head + struct.pack(">I", 0x63825363) + options(*made)
    return at(seconds, c.ethernet(c.ip(GATEWAY, given, 17, c.udp(67, 68, data)), src=R, dst=mac))


def advert(
    seconds: float, address: str, mac: str, *, kind: int = 136, flags: int = 0x20, ttl: int = 255
) -> Frame:
    """A neighbour (136) or router (134) advertisement."""
    target = ipaddress.IPv6Address(address).packed
    option = b"\x02\x01" + bytes.fromhex(mac.replace(":", ""))
    if kind == 134:
        body = c.icmp(134, 0, bytes(8) + b"\x01" + option[1:], rest=64 << 24 | 1800)
    else:
        body = c.icmp(136, 0, target + option, rest=flags << 24)
    src = address if kind == 134 else "fe80::1"
    packet = c.ipv6(src, "ff02::1", 58, body, ttl=ttl)
    return at(seconds, c.ethernet(packet, src=mac, dst="33:33:00:00:00:01"))


def said(frames: list[Frame], **settings: object) -> list[Event]:
    return check_detector(lambda: ArpSpoof(**settings), packets(frames), (1, 3, 7, 50))


def techniques(events: list[Event]) -> list[str]:
    return [event.details["metadata"]["technique"] for event in events]


def home() -> list[Frame]:
    """Everybody is where they are; the gateway has carried a connection to the outside."""
    return [
        *answered(0, HOST, A, GATEWAY, R),
        *answered(1, HOST, A, OTHER, B),
        *answered(2, OTHER, B, HOST, A),
        syn_outside(3),
    ]


def test_gateway_changes_its_card() -> None:
    [event] = said([*home(), reply(10, GATEWAY, HOST, M)])
    assert (event.type, event.severity) == ("ARP Spoofing", "HIGH")
    assert event.rule == "arp_spoof/gateway"
    assert event.details["ip"] == GATEWAY
    assert event.details["mac"] == M
    assert event.details["metadata"]["previous_mac"] == R
    assert event.techniques == ["T1557.002"]
    assert event.time_ns == START_NS + 10 * SECOND
    assert event.evidence[0] == {"source": "test.pcap", "frame": 8}
    assert event.evidence[1] == {"source": "test.pcap", "frame": 2}  # where its card was seen


@pytest.mark.parametrize(
    ("before", "options"),
    [
        ([], {"gateways": [GATEWAY]}),
        ([], {"dns_servers": [GATEWAY]}),
        ([ack(4, HOST, A, router=GATEWAY)], {}),
        ([ack(4, HOST, A, dns=GATEWAY)], {}),
        ([syn_outside(4)], {}),
    ],
)
def test_how_a_gateway_is_known(before: list[Frame], options: dict[str, object]) -> None:
    quiet = [*answered(0, HOST, A, GATEWAY, R), *before]
    [event] = said([*quiet, *answered(10, HOST, A, GATEWAY, M)], **options)
    assert event.severity == "HIGH"
    assert said([*quiet, *answered(10, HOST, A, GATEWAY, R)], **options) == []


def test_poisoning_goes_on_by_the_volume_law_and_never_blames_the_owner() -> None:
    frames = home()
    for n in range(120):
        frames.append(reply(10 + n, GATEWAY, HOST, M))
        frames.append(reply(10.1 + n, HOST, GATEWAY, M))
        if n % 10 == 0:
            frames += answered(10.5 + n, OTHER, B, GATEWAY, R)
    events = said(frames)
    assert {event.details["mac"] for event in events} == {M}
    of_gateway = [event for event in events if event.rule == "arp_spoof/gateway"]
    assert [e.details["metadata"]["triggers"] for e in of_gateway] == [1, 10, 100, 120]
    assert sum(1 + e.details["suppressed"] for e in of_gateway) == 120
    assert len({e.correlation_id for e in of_gateway}) == 1


def test_reply_that_nobody_asked_for_contradicts_a_live_holder() -> None:
    [event] = said([*home(), reply(10, OTHER, HOST, M)])
    assert event.rule == "arp_spoof/contradiction"
    assert event.severity == "MEDIUM"
    assert event.details["metadata"]["asked"] is False
    [event] = said([*home(), ask(10, OTHER, HOST, M)])  # a question may lie as well
    assert event.rule == "arp_spoof/contradiction"


def test_holder_that_fell_silent_gives_way() -> None:
    frames = [*home(), *(syn_outside(n) for n in range(60, 1200, 60))]
    assert techniques(said([*frames, reply(1201.9, OTHER, HOST, M)])) == ["contradiction"]
    assert said([*frames, reply(1202.1, OTHER, HOST, M)]) == []
    assert said([*frames, ask(1500, OTHER, OTHER, M), *answered(1501, HOST, A, OTHER, M)]) == []


def test_two_that_answer_by_turns() -> None:
    frames = home()
    for n in range(3):
        frames += answered(10 + 4 * n, HOST, A, OTHER, M)
        frames += answered(12 + 4 * n, HOST, A, OTHER, B)
    assert techniques(said(frames)) == ["conflict", "conflict"]
    assert said(frames[: len(home()) + 2]) == []  # one answer more is no news yet


def test_three_addresses_claimed_by_one_card() -> None:
    frames = [reply(n * 20, f"192.168.1.{50 + n}", HOST, M) for n in range(3)]
    [event] = said(frames)
    assert (event.rule, event.severity) == ("arp_spoof/many-addresses", "HIGH")
    assert event.details["metadata"]["addresses"] == [f"192.168.1.{50 + n}" for n in range(3)]
    assert event.details["metadata"]["threshold"] == 3
    assert [place["frame"] for place in event.evidence] == [3, 2, 1]
    assert said(frames[:2]) == []
    assert said([reply(n * 30, f"192.168.1.{50 + n}", HOST, M) for n in range(9)]) == []
    assert said(frames, claims=4) == []
    assert said(frames, proxies=[M]) == []


def test_server_with_many_addresses_that_answers_when_asked() -> None:
    frames = [f for n in range(20) for f in answered(n, HOST, A, f"192.168.1.{50 + n}", B)]
    assert said(frames) == []
    announced = [ask(n, f"192.168.1.{50 + n}", f"192.168.1.{50 + n}", B) for n in range(20)]
    assert said(announced) == []


def test_router_that_answers_for_others() -> None:
    frames = [*home(), *(reply(10 + n, f"192.168.1.{50 + n}", HOST, R) for n in range(20))]
    assert said(frames) == []


def test_sender_unlike_the_frame() -> None:
    [event] = said([*home(), reply(10, OTHER, HOST, B, ether=M)])
    assert event.rule == "arp_spoof/sender-mismatch"
    assert event.details["metadata"]["sent_by"] == M
    assert said([*home(), reply(10, OTHER, HOST, B, ether=M)], proxies=[M]) == []


@pytest.mark.parametrize("virtual", [VRRP, HSRP, HSRP2, "00:00:5e:00:02:01", "00:05:73:a0:00:01"])
def test_virtual_routers_move(virtual: str) -> None:
    frames = [
        *home(),
        reply(10, GATEWAY, HOST, virtual),
        reply(11, GATEWAY, HOST, virtual, ether=R),
        reply(12, GATEWAY, HOST, virtual, ether=B),
    ]
    assert said(frames) == []


def test_failover_pair_is_told_unless_named() -> None:
    frames = [*home(), reply(10, GATEWAY, HOST, B)]
    assert techniques(said(frames)) == ["gateway"]
    assert said(frames, proxies=[B.replace(":", "-").upper()]) == []


def test_address_given_by_dhcp_moves() -> None:
    frames = [*home(), ack(9, OTHER, M)]
    assert said([*frames, ask(10, OTHER, OTHER, M), reply(11, OTHER, HOST, M)]) == []
    # But not that of the gateway: anyone can forge such a message.
    assert techniques(said([*home(), ack(9, GATEWAY, M), reply(10, GATEWAY, HOST, M)])) == [
        "gateway"
    ]


def test_same_addresses_on_other_networks() -> None:
    frames = [reply(n, GATEWAY, HOST, (A, B, M)[n % 3], tags=(10 + n % 3,)) for n in range(30)]
    assert said(frames, gateways=[GATEWAY]) == []


def test_probe_and_excluded_addresses() -> None:
    probes = [ask(10 + n, "0.0.0.0", OTHER, M) for n in range(3)]
    assert said([*home(), *probes]) == []
    assert said([*home(), reply(10, GATEWAY, HOST, M)], exclude_ips=["192.168.1.0/24"]) == []


def test_card_that_carries_packets_only_after_it_lied_is_no_router() -> None:
    frames = [*home(), reply(10, OTHER, HOST, M), syn_outside(11, via=M), reply(12, THIRD, HOST, M)]
    frames += [reply(13, "192.168.1.13", HOST, M)]
    assert "many-addresses" in techniques(said(frames))


def test_neighbour_advertisements() -> None:
    six = "fe80::1"
    quiet = [advert(0, six, R), advert(1, six, R), advert(5, "2001:db8::5", B)]
    assert said(quiet, gateways=[six]) == []
    [event] = said([*quiet, advert(10, six, M)], gateways=[six])
    assert (event.rule, event.severity) == ("arp_spoof/ndp-spoof", "HIGH")
    assert event.details["ip"] == six
    assert event.details["protocol"] == "ICMPv6"
    [event] = said([*quiet, advert(10, "2001:db8::5", M)])
    assert event.severity == "MEDIUM"
    assert said([*quiet, advert(10, six, M, flags=0)], gateways=[six]) == []  # does not override
    assert said([*quiet, advert(10, six, M, ttl=64)], gateways=[six]) == []  # from beyond the link


def test_router_advertisements() -> None:
    real = [advert(n, "fe80::1", R, kind=134) for n in range(0, 1200, 200)]
    assert said([*real, advert(100, "fe80::2", B, kind=134)]) == []  # learnt at first
    rogue = advert(1100, "fe80::66", M, kind=134)
    [event] = said([*real, rogue])
    assert event.rule == "arp_spoof/ndp-spoof"
    assert event.details["mac"] == M
    assert said([*real, rogue], proxies=[M]) == []
    assert said([*real, rogue], gateways=["fe80::66"]) == []
    assert said([real[0], advert(9000, "fe80::66", M, kind=134)]) == []  # the old one is gone
    flood = [advert(1100 + n / 50, f"fe80::{n + 9:x}", f"02:00:00:00:01:{n:02x}", kind=134)
             for n in range(250)]  # fmt: skip
    assert 200 <= len(said([*real, *flood])) <= 204


def random_traffic(rng: random.Random) -> list[Frame]:
    frames, now = [], 0.0
    hosts, cards = [GATEWAY, HOST, OTHER, THIRD], [R, A, B, M, VRRP]
    for _ in range(rng.randrange(5, 120)):
        now += rng.choice([0, 0.5, 3, 61, 700])
        src, dst, card = rng.choice(hosts), rng.choice(hosts), rng.choice(cards)
        choice = rng.random()
        if choice < 0.4:
            frames.append(ask(now, src, dst, card))
        elif choice < 0.8:
            frames.append(reply(now, src, dst, card, ether=rng.choice([card, card, M])))
        elif choice < 0.87:
            frames.append(syn_outside(now, via=card))
        elif choice < 0.93:
            frames.append(ack(now, src, card, router=GATEWAY))
        else:
            frames.append(advert(now, "fe80::1", card, kind=rng.choice([134, 136])))
    return frames


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_the_law_on_random_traffic(seed: int) -> None:
    frames = random_traffic(random.Random(seed))
    options = {"claims": 2, "proxies": [B]} if seed % 2 else {"gateways": [OTHER]}
    check_detector(lambda: ArpSpoof(**options), packets(frames), (2, 5, len(frames)))


def test_garbage_harms_nothing() -> None:
    rng = random.Random(7)
    heads = [c.ethernet(b"", 0x0806), c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 17, b"")), b""]
    frames = [
        Frame(START_NS + n, rng.choice(heads) + rng.randbytes(rng.randrange(80)))
        for n in range(300)
    ]
    whole = [*home(), advert(5, "fe80::1", R), advert(6, "fe80::1", R, kind=134), ack(7, HOST, A)]
    cut = [Frame(f.time_ns, f.data[:n]) for f in whole for n in range(14, len(f.data), 3)]
    said([*frames, *cut])
    run(ArpSpoof(), [packets([])])


def test_flood_of_random_claims_is_bounded() -> None:
    rng = random.Random(3)
    detector, events = ArpSpoof(max_addresses=500), []
    for second in range(10):
        frames = [
            reply(
                second + n / 1000,
                f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}",
                HOST,
                f"02:00:00:{rng.randrange(256):02x}:{rng.randrange(256):02x}:01",
            )
            for n in range(1000)
        ]
        frames += [reply(second + 0.999, GATEWAY, HOST, R)]
        events += detector.inspect(packets(frames))
    events += detector.flush()
    counts = detector.counts()
    assert counts["evicted_addresses"] > 5000
    assert counts["evicted_cards"] > 100
    assert len(detector.save()["bindings"][-1]) <= 4096
