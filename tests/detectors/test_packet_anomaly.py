from __future__ import annotations

import random

import pytest

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.detectors.packet_anomaly import KINDS, PacketAnomaly
from mlids.events import Event
from mlids.oddities import senders
from mlids.testing import START_NS, check_detector, packets, run
from tests.capture.test_checksums import summed

SECOND = 1_000_000_000
OUT, HOST = "203.0.113.9", "192.168.1.10"
OUT6, HOST6 = "2001:db8:bad::9", "2001:db8:1::10"


def at(seconds: float, packet: bytes, **link: object) -> Frame:
    return Frame(START_NS + int(seconds * SECOND), c.ethernet(packet, **link))  # type: ignore[arg-type]


def tcp(seconds: float, flags: str, src: str = OUT, dst: str = HOST, dport: int = 80) -> Frame:
    return at(seconds, c.ip(src, dst, 6, c.tcp(4000, dport, flags)))


def said(frames: list[Frame], **options: object) -> list[Event]:
    return check_detector(lambda: PacketAnomaly(**options), packets(frames), (1, 3, 7, 50))


def kinds(frames: list[Frame]) -> list[str]:
    return sorted(event.details["metadata"]["technique"] for event in said(frames))


@pytest.mark.parametrize("flags", ["", "F", "FPU", "SF", "SR", "FSRPAU", "P", "U", "SFA", "FEC"])
def test_flags_that_no_stack_sends(flags: str) -> None:
    (event,) = said([tcp(0, flags)])
    assert event.type == "Packet Anomaly"
    assert event.severity == "MEDIUM"
    assert event.rule == "packet_anomaly/flags"
    assert event.details["ip"] == OUT
    assert event.details["target"] == HOST
    assert event.details["port"] == 80
    assert event.details["protocol"] == "TCP"
    assert event.details["metadata"]["observed"] == (
        "".join(f for f in "FSRPAUEC" if f in flags) or "none"
    )
    assert event.evidence == [{"source": "test.pcap", "frame": 1}]


@pytest.mark.parametrize("flags", ["S", "SA", "A", "PA", "FA", "FPA", "RA", "R", "SEC", "UA"])
def test_flags_of_ordinary_stacks(flags: str) -> None:
    assert said([tcp(0, flags), tcp(1, flags, OUT6, HOST6)]) == []


def test_a_conversation_and_ordinary_datagrams_are_silent() -> None:
    frames = [
        tcp(0, "S"),
        tcp(0.1, "SA", HOST, OUT),
        tcp(0.2, "PA"),
        at(1, c.ip(HOST, OUT, 17, c.udp(5353, 53, b"q"))),
        at(2, c.ip("0.0.0.0", "255.255.255.255", 17, c.udp(68, 67, bytes(240)))),
        at(3, c.ip("0.0.0.0", "224.0.0.22", 2, c.igmp(0x22))),
        at(4, c.ip("::", "ff02::16", 58, c.icmp(143, payload=bytes(20)))),
        at(5, c.arp(1, "192.168.1.1", "192.168.1.1"), ethertype=0x0806),
        at(6, c.ip(HOST, "224.0.0.251", 17, c.udp(5353, 5353, b"mdns"))),
        at(7, c.ip(OUT, HOST, 1, c.icmp(8))),
    ]
    assert said(frames) == []


def test_ports_addresses_and_routes_that_cannot_be() -> None:
    loose = bytes([131, 7, 4, 192, 0, 2, 1, 0])
    route0 = [(43, bytes([2, 0, 1, 0, 0, 0, 0]) + bytes(16))]
    frames = [
        tcp(0, "S", dport=0),
        at(1, c.ip(OUT, HOST, 17, c.udp(9, 0, b"x"))),
        at(2, c.ip(HOST, HOST, 17, c.udp(9, 10, b"x"))),
        at(3, c.ip("127.0.0.1", HOST, 6, c.tcp(1, 2, "S"))),
        at(4, c.ip("224.0.0.5", HOST, 6, c.tcp(1, 2, "S"))),
        at(5, c.ip("ff02::1", HOST6, 6, c.tcp(1, 2, "S"))),
        at(6, c.ip(OUT, "127.0.0.1", 6, c.tcp(1, 2, "S"))),
        at(7, c.ip("::ffff:10.0.0.1", HOST6, 6, c.tcp(1, 2, "S"))),
        at(8, c.ipv4(OUT, HOST, 6, c.tcp(1, 2, "S"), options=loose)),
        at(9, c.ipv4(OUT, HOST, 6, c.tcp(1, 2, "S"), options=b"\x01\x01\x01\x01" + loose)),
        at(10, c.ipv6(OUT6, HOST6, 6, c.tcp(1, 2, "S"), extensions=route0)),
        at(11, c.ipv4(OUT, HOST, 2, c.igmp(0x16), options=b"\x94\x04\0\0")),  # router alert
    ]
    assert kinds(frames) == sorted(
        ["port-zero"]  # the two of one source are one episode
        + ["same-address"]
        + ["impossible-source"] * 3
        + ["impossible-target"]
        + ["mapped-address"]
        + ["source-route"] * 2
        + ["port-zero", "source-route"]  # the remainders, at the end
    )


def test_loopback_interfaces_may_speak_with_themselves() -> None:
    none = "00:00:00:00:00:00"
    packet = c.ip("127.0.0.1", "127.0.0.1", 6, c.tcp(1, 2, "S"))
    own = c.ip(HOST, HOST, 6, c.tcp(1, 2, "S"))
    assert said([at(0, packet, src=none, dst=none), at(1, own, src=none, dst=none)]) == []


def test_headers_that_contradict_themselves() -> None:
    frames = [
        at(0, c.ipv4(OUT, HOST, 17, c.udp(1, 2), total=2000)),
        at(1, b"\x42" + c.ipv4(OUT, HOST, 17, c.udp(1, 2))[1:]),
        at(2, c.ip("203.0.113.10", HOST, 6, c.tcp(1, 2)[:12])),
        at(3, c.ipv6(OUT6, HOST6, 6, b"", extensions=[(60, bytes(7))] * 17)),
        at(4, c.ipv4("203.0.113.11", HOST, 4, b"\x99" * 30)),
    ]
    found = said(frames)
    techniques = {event.details["metadata"]["technique"] for event in found}
    assert techniques == {"bad-length", "extensions", "bad-tunnel", "truncated"}
    assert {event.severity for event in found} == {"LOW", "MEDIUM"}


def test_what_the_capture_cut_off_is_no_fault_of_the_packet() -> None:
    frame = tcp(0, "S").data
    assert said([Frame(START_NS, frame[:40], len(frame))]) == []


def pieces(*parts: tuple[int, int, bool], ident: int = 3, begin: float = 0) -> list[Frame]:
    return [
        at(
            begin + n,
            c.ipv4(
                OUT,
                HOST,
                17,
                c.udp(1000, 2000, bytes(size))[:size],
                offset=offset,
                more=more,
                ident=ident,
            ),
        )
        for n, (offset, size, more) in enumerate(parts)
    ]


def test_tiny_fragments() -> None:
    found = said(pieces((0, 8, True), (8, 8, True), (16, 4, False)))
    assert {e.details["metadata"]["technique"] for e in found} == {"tiny-fragment"}
    assert said(pieces((0, 1480, True), (1480, 20, False))) == []  # the last may be small


def test_overlapping_fragments_are_told_once_a_datagram() -> None:
    over = pieces((0, 800, True), (400, 800, True), (600, 800, True))
    (event,) = said(over)
    assert event.details["metadata"]["technique"] == "fragment-overlap"
    assert event.evidence[0]["frame"] == 2
    for order in ((0, 2, 1), (2, 0, 1), (1, 2, 0)):
        mixed = [Frame(START_NS + n * SECOND, over[i].data) for n, i in enumerate(order)]
        assert len(said(mixed)) == 1
    assert said(pieces((0, 800, True), (0, 800, True), (800, 8, False))) == []  # repeated
    apart = pieces((0, 800, True)) + pieces((400, 800, True), begin=1, ident=4)
    assert said(apart) == []
    assert said(pieces((0, 800, True)) + pieces((400, 800, True), begin=31)) == []  # too late
    whole = pieces((0, 800, True), (800, 100, False))  # a new datagram may bear an old number
    assert said(whole + pieces((0, 808, True), (808, 100, False), begin=5)) == []


def checked(seconds: float, good: bool, src: str = OUT, ttl: int = 64) -> Frame:
    segment = summed((src, HOST), 6, c.tcp(4000, 80, "S", seq=int(seconds)))
    if not good:
        segment = segment[:16] + bytes([segment[16] ^ 0x55]) + segment[17:]
    return at(seconds, c.ipv4(src, HOST, 6, segment, ttl=ttl))


@pytest.fixture
def all_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "ONE_CONTROL_IN", 1)


@pytest.mark.usefixtures("all_summed")
def test_wrong_checksums_of_senders_whose_others_are_right() -> None:
    good = [checked(n, True) for n in range(10)]
    (event,) = said([*good, checked(10, False)])
    assert event.details["metadata"]["technique"] == "bad-checksum"
    assert event.severity == "LOW"
    assert event.evidence[0]["frame"] == 11
    assert said([*good[:9], checked(10, False)]) == []  # not known well enough


@pytest.mark.usefixtures("all_summed")
def test_a_sending_host_that_leaves_checksums_to_its_card_is_not_blamed() -> None:
    wrong = [checked(n, False) for n in range(50)]
    assert said(wrong) == []
    assert said([checked(n, n % 3 == 0) for n in range(60)]) == []


@pytest.mark.usefixtures("all_summed")
def test_wrong_checksums_that_came_over_a_router_are_told_at_once() -> None:
    assert len(said([checked(0, False, ttl=57)])) == 1
    assert run(PacketAnomaly(checksums=False), [packets([checked(0, False, ttl=57)])]) == []


def test_of_many_packets_some_are_summed() -> None:
    (first, *_) = said([checked(n, False, ttl=57) for n in range(40)])
    assert first.evidence[0]["frame"] == senders.ONE_CONTROL_IN


@pytest.mark.usefixtures("all_summed")
def test_a_wrong_header_checksum() -> None:
    packet = c.ipv4(OUT, HOST, 6, c.tcp(1, 2, "S"), ttl=57)
    changed = packet[:10] + bytes([packet[10] ^ 1]) + packet[11:]
    assert kinds([at(0, changed)]) == ["bad-checksum"]


def test_repeats_are_told_at_powers_of_ten_and_add_up() -> None:
    found = said([tcp(n * 0.01, "FPU") for n in range(1234)])
    assert [e.details["metadata"]["triggers"] for e in found] == [1, 10, 100, 1000, 1234]
    assert sum(e.details["suppressed"] + 1 for e in found) == 1234
    assert [e.evidence[0]["frame"] for e in found] == [1, 10, 100, 1000, 1234]
    assert len({e.correlation_id for e in found}) == 1


def test_after_a_pause_it_is_told_anew() -> None:
    frames = [tcp(n, "FPU") for n in (0, 1, 2, 2000, 2001)]
    found = said(frames)
    assert [e.details["metadata"]["triggers"] for e in found] == [1, 3, 1, 2]
    assert [e.evidence[0]["frame"] for e in found] == [1, 3, 4, 5]
    others = [tcp(n * 500, "FPU", "203.0.113.77") for n in range(6)]
    both = [e for e in said([*frames, *others]) if e.details["ip"] == OUT]
    assert [e.evidence[0]["frame"] for e in both] == [1, 4, 8, 10]


def test_a_flood_of_sources_is_told_together() -> None:
    chance = random.Random(2)
    frames = [tcp(n * 0.001, "FPU", f"198.51.{chance.randrange(256)}.{chance.randrange(1, 255)}") for n in range(3000)]  # fmt: skip
    found = said(frames, max_sources=5)
    named = {e.details.get("ip") for e in found} - {None}
    assert len(named) == 5
    together = [e for e in found if "ip" not in e.details]
    assert together
    assert "many sources" in together[0].details["description"]
    assert sum(e.details["suppressed"] + 1 for e in found) == 3000


def test_who_is_left_out() -> None:
    for option in ("ignore_sources", "network_ignore_sources", "exclude_ips"):
        assert run(PacketAnomaly(**{option: ["203.0.113.0/24"]}), [packets([tcp(0, "")])]) == []
    for option in ("ignore_targets", "network_ignore_targets", "exclude_ips"):
        assert run(PacketAnomaly(**{option: [HOST]}), [packets([tcp(0, "")])]) == []


def test_lack_of_room_is_counted() -> None:
    detector = PacketAnomaly(max_fragments=16, max_senders=16)
    parts = [(offset * 8, 800, True) for offset in range(0, 4000, 100)]
    run(detector, [packets(pieces(*parts))])
    assert detector.counts()["evicted_fragments"] > 0


def test_every_kind_can_be_told() -> None:
    assert all(kind.severity in ("LOW", "MEDIUM") for kind in KINDS.values())


def test_garbage_never_raises() -> None:
    chance = random.Random(3)
    bases = [tcp(0, "FPU").data, pieces((0, 8, True))[0].data]
    bases.append(c.ethernet(c.ipv6(OUT6, HOST6, 6, c.tcp(1, 2), extensions=[(43, bytes(23))])))
    frames = []
    for n in range(2000):
        data = bytearray(chance.choice(bases))
        for _ in range(chance.randrange(6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        frames.append(Frame(START_NS + n, bytes(data[: chance.randrange(1, len(data) + 1)])))
    batch = packets(frames)
    check_detector(PacketAnomaly, batch, (1, 5))
