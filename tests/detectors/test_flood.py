from __future__ import annotations

import random
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.detectors.flood import Flood
from mlids.events import Event
from mlids.testing import START_NS, check_detector, packets, run

MS = 1_000_000
SECOND = 1000 * MS
OUT, HOST = "203.0.113.9", "192.168.1.10"
OUT6, HOST6 = "2001:db8:bad::9", "2001:db8:1::10"
INSIDE = "192.168.1.66"


def at(time: float, packet: bytes, mac: str = "02:00:00:00:00:01") -> Frame:
    return Frame(START_NS + int(time), c.ethernet(packet, src=mac))


def syn(time: float, src: str, sport: int, port: int = 80, dst: str = HOST) -> Frame:
    return at(time, c.ip(src, dst, 6, c.tcp(sport, port, "S")))


def tcp(
    time: float, src: str, dst: str, sport: int, port: int, flags: str, data: bytes = b""
) -> Frame:
    return at(time, c.ip(src, dst, 6, c.tcp(sport, port, flags, payload=data)))


def handshake(time: float, src: str, sport: int, port: int = 80) -> list[Frame]:
    return [
        syn(time, src, sport, port),
        tcp(time + MS, HOST, src, port, sport, "SA"),
        tcp(time + 2 * MS, src, HOST, sport, port, "A"),
    ]


def dgram(time: float, src: str, dst: str, sport: int, dport: int, size: int = 10) -> Frame:
    return at(time, c.ip(src, dst, 17, c.udp(sport, dport, b"x" * size)))


def ping(time: float, src: str, dst: str, kind: int = 8) -> Frame:
    six = ":" in src
    kind = {8: 128, 0: 129}.get(kind, kind) if six else kind
    return at(time, c.ip(src, dst, 58 if six else 1, c.icmp(kind)))


def said(
    frames: list[Frame], pieces: tuple[int, ...] = (1, 3, 7, 50), **options: Any
) -> list[Event]:
    """Events of Flood, which must keep the law."""
    return check_detector(lambda: Flood(**options), packets(frames), pieces)


def techniques(events: list[Event]) -> set[str]:
    return {event.details["metadata"]["technique"] for event in events}


def random_address(rng: random.Random) -> str:
    return f"{rng.randrange(1, 223)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"


# SYN floods


def test_syn_flood_of_one_source() -> None:
    frames = [syn(n * MS, OUT, 1024 + n) for n in range(3000)]
    events = said(frames)
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 3]
    assert sum(1 + e.details["suppressed"] for e in events) == 3
    first, last = events
    assert (first.type, first.severity, first.rule) == ("DoS Attack", "HIGH", "flood/syn-flood")
    assert first.details["ip"] == OUT
    assert (first.details["target"], first.details["port"]) == (HOST, 80)
    assert first.details["protocol"] == "TCP"
    assert first.techniques == ["T1498.001", "T1499.001"]
    assert first.evidence[0] == {"source": "test.pcap", "frame": 200}
    assert len(first.evidence) == 10
    assert "200 SYN in 1 s" in first.explanation
    assert first.correlation_id == last.correlation_id
    assert last.details["metadata"]["peak"] == 1000.0
    assert 2000 <= last.details["metadata"]["packets"] <= 3000


def test_syn_flood_of_made_up_sources_blames_nobody() -> None:
    rng = random.Random(1)
    frames = [syn(n * MS, random_address(rng), rng.randrange(1024, 65535)) for n in range(3000)]
    events = said(frames)
    assert techniques(events) == {"syn-flood"}
    for event in events:
        assert event.details["ip"] == ""
        assert event.details["metadata"]["spoofed"] is True
    metadata = events[-1].details["metadata"]
    assert 0.6 < metadata["sources"] / metadata["packets"] < 1.4


def test_syn_flood_of_two_sources_names_the_busier() -> None:
    frames = [syn(n * MS, OUT if n % 3 else "203.0.113.10", 1024 + n) for n in range(1000)]
    [event, *_] = said(frames)
    assert event.details["ip"] == OUT
    assert event.details["metadata"]["busiest"] == [OUT, "203.0.113.10"]


@pytest.mark.parametrize(("count", "found"), [(199, False), (200, True)])
def test_syn_rate_is_a_threshold(count: int, found: bool) -> None:
    frames = [syn(n * 4 * MS, OUT, 1024 + n) for n in range(count)]
    assert bool(said(frames)) is found


def test_window_slides_over_the_edge_of_a_second() -> None:
    frames = [syn(600 * MS + n * 3 * MS, OUT, 1024 + n) for n in range(210)]
    assert techniques(said(frames)) == {"syn-flood"}


def test_slow_syns_are_no_flood() -> None:
    assert said([syn(n * 8 * MS, OUT, 1024 + n) for n in range(1500)]) == []


def test_busy_server_is_not_flooded() -> None:
    frames = []
    for n in range(1500):
        client = f"198.51.{n // 250}.{n % 250 + 1}"
        frames += handshake(n * 3 * MS, client, 40000 + n)
    assert said(frames) == []


def test_handshakes_seen_from_one_side_only() -> None:
    frames = []
    for n in range(1000):
        there, _, on = handshake(n * 3 * MS, f"198.51.{n // 250}.{n % 250 + 1}", 40000 + n)
        frames += [there, on]
    assert said(frames) == []


def test_flood_among_ordinary_connections() -> None:
    frames = [f for n in range(100) for f in handshake(n * 30 * MS, "198.51.100.7", 4000 + n)]
    frames += [syn(n * MS, OUT, 1024 + n) for n in range(3000)]
    events = said(frames)
    assert events[0].details["ip"] == OUT
    assert events[-1].details["metadata"]["completed"] > 0


def test_refused_connections_are_not_half_open() -> None:
    frames = []
    for n in range(1000):
        frames += [
            syn(n * 3 * MS, INSIDE, 20000 + n, 9200),
            tcp(n * 3 * MS + MS, HOST, INSIDE, 9200, 20000 + n, "RA"),
        ]
    assert said(frames) == []


def test_port_scan_of_silent_ports_is_no_flood() -> None:
    assert said([syn(n * 2 * MS, OUT, 50000, 1 + n) for n in range(2000)]) == []
    decoys = [syn(n * MS, f"203.0.113.{n % 8 + 1}", 50000, 1 + n // 8) for n in range(3000)]
    assert said(decoys) == []


def test_syn_flood_with_one_source_port() -> None:
    frames = []
    for n in range(1000):
        frames.append(syn(n * 2 * MS, OUT, 4444))
        if n % 50 == 0:
            frames.append(tcp(n * 2 * MS + MS, HOST, OUT, 80, 4444, "SA"))
    assert techniques(said(frames)) == {"syn-flood"}


def test_syn_flood_over_ipv6_counts_prefixes() -> None:
    frames = [
        at(n * MS, c.ip(f"2001:db8:bad::{n + 1:x}", HOST6, 6, c.tcp(4000, 80, "S")))
        for n in range(1000)
    ]
    [event, *_] = said(frames)
    assert event.details["metadata"]["sources"] == 1
    assert event.details["ip"].startswith("2001:db8:bad::")
    assert event.details["target"] == HOST6


def test_rates_are_of_all_traffic_where_only_a_share_is_seen() -> None:
    frames = [syn(n * 10 * MS, OUT, 1024 + n) for n in range(300)]
    assert said(frames) == []
    batch = replace(packets(frames), sampled=0.25)
    [event, *_] = check_detector(Flood, batch, (2, 5))
    assert event.details["metadata"]["rate"] >= 200


# UDP and ICMP floods


def test_udp_flood_of_changing_ports() -> None:
    frames = [dgram(n * MS, OUT, HOST, 1000 + n, 53, 0) for n in range(3000)]
    events = said(frames)
    assert techniques(events) == {"udp-flood"}
    assert events[0].details["ip"] == OUT
    assert events[0].details["port"] == 53
    assert events[0].details["metadata"]["flows"] >= 90


def test_udp_flood_to_random_ports() -> None:
    rng = random.Random(2)
    frames = [dgram(n * MS // 2, OUT, HOST, 4000, rng.randrange(1, 65535), 64) for n in range(3000)]
    assert techniques(said(frames)) == {"udp-flood"}


def test_udp_flood_of_many_sources() -> None:
    rng = random.Random(3)
    frames = [dgram(n * 5 * MS, random_address(rng), HOST, 4000, 27960) for n in range(600)]
    [event, *_] = said(frames)
    assert event.details["ip"] == ""
    assert event.details["metadata"]["spoofed"] is True


@pytest.mark.parametrize(("count", "found"), [(99, False), (100, True)])
def test_packet_rate_is_a_threshold(count: int, found: bool) -> None:
    frames = [dgram(n * 9 * MS, OUT, HOST, 1000 + n, 53) for n in range(count)]
    assert bool(said(frames)) is found
    assert bool(said(frames, packet_rate=count)) is True
    assert said(frames, packet_rate=count + 1) == []


def test_answered_queries_are_no_flood() -> None:
    frames = []
    for n in range(1500):
        frames.append(dgram(n * 2 * MS, OUT, HOST, 1000 + n, 53, 40))
        frames.append(dgram(n * 2 * MS + MS, HOST, OUT, 53, 1000 + n, 120))
    assert said(frames) == []


@pytest.mark.parametrize("source", [INSIDE, OUT])
def test_one_way_streams(source: str) -> None:
    bandwidth = [dgram(n * MS // 2, source, HOST, 50000, 5201, 1448) for n in range(4000)]
    voice = [dgram(n * 20 * MS, source, HOST, 16384 + n % 12, 20000, 172) for n in range(600)]
    assert said(bandwidth) == []
    assert said(voice) == []


def test_bandwidth_test_of_small_packets_has_a_tcp_connection() -> None:
    control = handshake(0, OUT, 45000, 5201)
    test = [dgram(SECOND + n * MS // 2, OUT, HOST, 50000, 5201, 64) for n in range(4000)]
    assert said([*control, *test]) == []
    assert techniques(said(test)) == {"udp-flood"}


def test_television_and_logs_of_many_machines() -> None:
    group = [dgram(n * MS, "192.168.1.5", "239.1.1.1", 5000, 5000, 1316) for n in range(3000)]
    logs = [dgram(n * 5 * MS, f"192.168.2.{n % 200 + 1}", HOST, 514, 514, 120) for n in range(800)]
    assert said(group) == []
    assert said(logs) == []
    outside = [dgram(n * 5 * MS, f"203.0.113.{n % 200 + 1}", HOST, 999, 514) for n in range(800)]
    assert techniques(said(outside)) == {"udp-flood"}


def test_udp_scan_is_no_flood() -> None:
    assert said([dgram(n * 5 * MS, OUT, HOST, 50000, 1 + n, 0) for n in range(800)]) == []


def test_usual_rates_of_a_target_are_learnt() -> None:
    detector = Flood()
    told = []
    for minute in range(50):
        frames = [
            dgram(minute * 60 * SECOND + n * 7 * MS, f"203.0.113.{n % 200}", HOST, 9, 9000)
            for n in range(300)
        ]
        frames.append(dgram(minute * 60 * SECOND + 59 * SECOND, HOST, OUT, 1, 2))
        told.append(len(list(detector.inspect(packets(frames)))))
        detector.restore(detector.save())
    assert told[0] or told[1]
    quiet = Flood()
    quiet.restore(detector.save())
    # An hour later the same again is as ever, ten times as much is not.
    later = 50 * 60 * SECOND + 1200 * SECOND
    again = [dgram(later + n * 7 * MS, f"203.0.113.{n % 200}", HOST, 9, 9000) for n in range(300)]
    more = [
        dgram(later + 300 * SECOND + n * MS // 2, f"203.0.113.{n % 200}", HOST, n, 9000)
        for n in range(3000)
    ]
    assert [e for e in run(quiet, [packets(again)]) if e.details["suppressed"] == 0] == []
    assert techniques(run(quiet, [packets(more)])) == {"udp-flood"}


def test_ping_flood_without_answers() -> None:
    frames = [ping(n * 5 * MS, OUT, HOST) for n in range(600)]
    events = said(frames)
    assert techniques(events) == {"icmp-flood"}
    assert events[0].details["ip"] == OUT
    assert "unanswered" in events[0].explanation
    assert said([ping(n * 12 * MS, OUT, HOST) for n in range(400)]) == []


@pytest.mark.parametrize(("src", "dst"), [(OUT, HOST), (OUT6, HOST6)])
def test_ping_flood_with_answers(src: str, dst: str) -> None:
    def both(gap: float, count: int) -> list[Frame]:
        pairs = [(ping(n * gap, src, dst), ping(n * gap + 99, dst, src, 0)) for n in range(count)]
        return [frame for pair in pairs for frame in pair]

    events = said(both(MS / 2, 3000))
    assert techniques(events) == {"icmp-flood"}
    assert {e.details["ip"] for e in events} == {src}  # not who answers
    assert said(both(2 * MS, 1500)) == []


def test_neighbour_discovery_is_no_flood() -> None:
    frames = [ping(n * MS // 2, "fe80::1", "fe80::2", 135) for n in range(3000)]
    assert said(frames) == []


# Packets that are attacks by themselves


@pytest.mark.parametrize(
    ("address", "protocol", "payload"),
    [
        (HOST, 6, c.tcp(139, 139, "S")),
        (HOST, 17, c.udp(7, 7, b"x")),
        (HOST, 1, c.icmp(8)),
        (HOST6, 6, c.tcp(80, 80, "S")),
    ],
)
def test_land(address: str, protocol: int, payload: bytes) -> None:
    [event] = said([at(0, c.ip(address, address, protocol, payload))])
    assert event.rule == "flood/land"
    assert event.details["target"] == address
    assert event.details["ip"] == ""
    assert event.evidence == [{"source": "test.pcap", "frame": 1}]


def test_what_a_machine_says_to_itself_is_no_land_attack() -> None:
    itself = c.ip(HOST, HOST, 6, c.tcp(40000, 80, "S"))
    loop = c.ip("127.0.0.1", "127.0.0.1", 6, c.tcp(80, 80, "S"))
    frames = [at(0, itself), at(1, loop), at(2, c.ip("0.0.0.0", "0.0.0.0", 6, c.tcp(8, 8, "S")))]
    zero = "00:00:00:00:00:00"
    packet = c.ip(HOST, HOST, 6, c.tcp(80, 80, "S"))
    frames.append(Frame(START_NS + 3, c.ethernet(packet, src=zero, dst=zero)))
    frames.append(Frame(START_NS + 4, c.ethernet(c.arp(1, HOST, HOST), 0x0806)))
    assert said(frames) == []


def test_land_in_masses_is_told_by_the_volume_law() -> None:
    frames = [at(n * 10 * MS, c.ip(HOST, HOST, 6, c.tcp(139, 139, "S"))) for n in range(1500)]
    events = said(frames)
    assert len(events) == 3  # 1, 10, the rest of fifteen seconds
    assert events[-1].details["metadata"]["packets"] >= 1400


@pytest.mark.parametrize("to", ["192.168.1.255", "255.255.255.255", "224.0.0.1"])
def test_smurf(to: str) -> None:
    frames = [ping(n * 50 * MS, HOST, to) for n in range(30)]
    [event, *_] = said(frames)
    assert event.rule == "flood/smurf"
    assert (event.details["ip"], event.details["target"]) == ("", HOST)
    assert event.details["metadata"]["broadcast"] == to
    assert said(frames[:9]) == []
    assert said([ping(n * SECOND, HOST, to) for n in range(60)]) == []


def test_smurf_victim() -> None:
    frames = [ping(n * 40 * MS, f"198.51.100.{n + 1}", HOST, 0) for n in range(12)]
    [event, *_] = said(frames)
    assert event.rule == "flood/smurf"
    assert event.details["target"] == HOST
    assert said(frames[:9]) == []
    asked = [ping(n * 40 * MS - MS, HOST, f"198.51.100.{n + 1}") for n in range(12)]
    assert said([*asked, *frames]) == []


def test_teardrop() -> None:
    first = c.ipv4(OUT, HOST, 17, c.udp(1, 2, b"x" * 56), more=True)
    inside = c.ipv4(OUT, HOST, 17, b"y" * 24, offset=24)
    [event] = said([at(0, first), at(MS, inside)])
    assert event.rule == "flood/teardrop"
    assert (event.details["ip"], event.details["target"]) == (OUT, HOST)
    assert event.evidence[0]["frame"] == 2


def test_ordinary_fragments() -> None:
    frames = []
    for n in range(200):
        pieces = [
            c.ipv4(OUT, HOST, 17, c.udp(1, 2, b"x" * 1472), more=True),
            c.ipv4(OUT, HOST, 17, b"y" * 1480, offset=1480, more=True),
            c.ipv4(OUT, HOST, 17, b"y" * 100, offset=2960),
        ]
        rng = random.Random(n)
        pieces = [p[:4] + struct.pack(">H", n) + p[6:] for p in pieces]
        rng.shuffle(pieces)
        pieces += pieces[:1]  # doubled on the way
        frames += [at(n * 4 * MS + k, piece) for k, piece in enumerate(pieces)]
    assert said(frames) == []


def test_ping_of_death() -> None:
    frames = [
        at(n, c.ipv4(OUT, HOST, 1, b"x" * 1480, offset=1480 * n, more=n < 44)) for n in range(45)
    ]
    [event] = said(frames)
    assert event.rule == "flood/ping-of-death"
    assert event.details["ip"] == OUT
    largest = [*frames[:44], at(44, c.ipv4(OUT, HOST, 1, b"x" * 395, offset=65_120))]
    assert said(largest) == []


def test_fragments_that_are_never_completed() -> None:
    frames = [
        at(n * 20 * MS, c.ipv4(OUT, HOST, 17, b"x" * 400, offset=400, more=True))
        for n in range(200)
    ]
    [event, *_] = said(frames)
    assert event.rule == "flood/fragment"
    assert event.details["ip"] == OUT
    assert said(frames[:99]) == []
    six = [
        at(
            n * 20 * MS,
            c.ipv6(OUT6, HOST6, 17, b"x" * 80, extensions=[(44, struct.pack(">xHI", 81, n))]),
        )
        for n in range(200)
    ]
    assert techniques(said(six)) == {"fragment"}


# Amplification


@pytest.mark.parametrize("port", [53, 123, 389, 1900, 11211, 19, 17, 161, 111, 3702, 27015])
def test_amplification(port: int) -> None:
    frames = [
        dgram(n * 30 * MS, f"198.51.100.{n % 40 + 1}", HOST, port, 4000, 468) for n in range(60)
    ]
    [event, *_] = said(frames)
    assert event.rule == "flood/amplification"
    assert event.details["ip"] == ""
    assert event.details["target"] == HOST
    assert event.details["metadata"]["reflectors"] >= 10
    assert event.techniques == ["T1498.002"]


def test_few_reflectors_send_much() -> None:
    frames = [dgram(n * 40 * MS, "198.51.100.1", HOST, 53, 4000, 1200) for n in range(120)]
    assert techniques(said(frames)) == {"amplification"}
    assert said(frames[:99]) == []


def test_answers_that_were_asked_for() -> None:
    frames = []
    for n in range(400):
        server = f"198.51.100.{n % 200 + 1}"
        frames.append(dgram(n * 10 * MS, HOST, server, 5000 + n, 53, 40))
        late = 4 * SECOND if n % 3 == 0 else 30 * MS
        frames.append(dgram(n * 10 * MS + late, server, HOST, 53, 5000 + n, 400))
    assert said(frames) == []


def test_discovery_is_answered_by_many() -> None:
    frames = [dgram(0, HOST, "239.255.255.250", 40000, 1900, 100)]
    frames += [dgram(n * 20 * MS, f"192.168.1.{n + 20}", HOST, 1900, 40000, 300) for n in range(60)]
    assert said(frames) == []


def test_time_servers_seen_from_one_side() -> None:
    frames = [
        dgram(n * 10 * MS, random_address(random.Random(n)), HOST, 123, 123, 48) for n in range(90)
    ]
    assert said([f for n, f in enumerate(frames) if n % 2], packet_rate=1000) == []


def test_our_server_as_a_reflector() -> None:
    def exchanges(answer: int, asker: str = OUT) -> list[Frame]:
        frames = []
        for n in range(3000):
            frames.append(dgram(n * 10 * MS, asker, HOST, 4000, 123, 8))
            frames.append(dgram(n * 10 * MS + 9, HOST, asker, 123, 4000, answer))
        return frames

    events = said(exchanges(468), pieces=(1, 7))
    assert techniques(events) == {"reflector"}
    assert (events[0].details["ip"], events[0].details["target"]) == (HOST, OUT)
    assert said(exchanges(76), pieces=(1, 7)) == []
    assert said(exchanges(468, INSIDE), pieces=(1, 7)) == []


# DHCP


def dhcp(time: float, mac: int, kind: int = 1, src: str = "0.0.0.0") -> Frame:
    hardware = mac.to_bytes(6, "big")
    head = struct.pack(">BBBBIHHIIII", 1, 1, 6, 0, mac & 0xFFFF, 0, 0, 0, 0, 0, 0)
    message = head + hardware + bytes(10) + bytes(192) + bytes.fromhex("63825363")
    message += bytes([53, 1, kind, 255])
    frame = c.ip(src, "255.255.255.255", 17, c.udp(68, 67, message))
    return at(time, frame, mac="02:aa:bb:cc:dd:ee")


def test_dhcp_starvation() -> None:
    frames = [dhcp(n * 20 * MS, 0x020000000000 + n) for n in range(200)]
    [event, *_] = said(frames)
    assert event.rule == "flood/dhcp-flood"
    assert event.details["ip"] == "0.0.0.0"
    assert event.details["metadata"]["mac"] == "02:aa:bb:cc:dd:ee"
    assert "50 machines" in event.explanation
    assert said(frames[:49]) == []


def test_requests_without_end_of_one_machine() -> None:
    [event, *_] = said([dhcp(n * MS, 0x021122334455) for n in range(500)])
    assert event.rule == "flood/dhcp-flood"
    assert event.details["metadata"]["machine"] == "02:11:22:33:44:55"


def test_a_room_of_machines_starts() -> None:
    frames = []
    for n in range(30):
        for wait in (0, 4, 8):
            frames.append(dhcp(n * 40 * MS + wait * SECOND, 0x020000000000 + n, 1))
        frames.append(dhcp(n * 40 * MS + 30 * MS, 0x020000000000 + n, 3))
    assert said(frames) == []


# HTTP and slow requests

GET = b"GET /search?q=1 HTTP/1.1\r\nHost: example.test\r\n\r\n"


def request(time: float, src: str, sport: int, data: bytes = GET) -> Frame:
    return tcp(time, src, HOST, sport, 80, "PA", data)


def test_http_flood_of_one_source() -> None:
    frames = [request(n * 5 * MS, OUT, 4000 + n % 40) for n in range(1500)]
    [event, *_] = said(frames)
    assert event.rule == "flood/http-flood"
    assert (event.details["ip"], event.details["port"]) == (OUT, 80)
    assert said(frames[:499]) == []
    assert said([request(n * 12 * MS, OUT, 4000) for n in range(1000)]) == []


def test_http_flood_of_many_sources() -> None:
    frames = [request(n * MS // 3, f"203.0.{n % 7}.{n % 250}", 4000) for n in range(1500)]
    [event, *_] = said(frames, request_rate=10)
    assert event.details["ip"] == ""
    assert event.confidence < 0.8


def slow(
    count: int, src: str = OUT, first: bytes = b"GET / HTTP/1.1\r\nHost: x\r\n", port: int = 80
) -> list[Frame]:
    frames = []
    for n in range(count):
        begin, sport = n * 50 * MS, 3000 + n
        frames += handshake(begin, src, sport, port)
        frames.append(tcp(begin + 3 * MS, src, HOST, sport, port, "PA", first))
        for k in range(1, 6):
            line = b"X-a: %d\r\n" % k
            frames.append(tcp(begin + k * 4 * SECOND, src, HOST, sport, port, "PA", line))
        frames.append(tcp(begin + 40 * SECOND, HOST, src, port, sport, "FA"))
    return frames


def test_slowloris() -> None:
    [event, *_] = said(slow(25))
    assert event.rule == "flood/slowloris"
    assert (event.details["ip"], event.details["target"], event.details["port"]) == (OUT, HOST, 80)
    assert event.details["metadata"]["connections"] == 20
    assert event.time_ns == START_NS + 19 * 50 * MS + 10 * SECOND
    assert said(slow(19)) == []
    assert techniques(said(slow(25, port=8443))) == {"slowloris"}


def test_slow_headers_need_to_look_like_a_request() -> None:
    assert said(slow(30, first=b"metric.a 1\n", port=2003)) == []
    assert said(slow(30, first=GET)) == []
    assert said(slow(30, first=b"GET / HTTP/1.1\r\n" + b"x" * 1200)) == []


@pytest.mark.parametrize("port", [22, 3306, 80])
def test_idle_connections_after_a_word_of_the_server(port: int) -> None:
    frames = []
    for n in range(40):
        begin, sport = n * 50 * MS, 3000 + n
        frames += handshake(begin, OUT, sport, port)
        frames.append(tcp(begin + 3 * MS, OUT, HOST, sport, port, "PA", b"GET / HTTP/1.1\r\n"))
        frames.append(tcp(begin + 9 * MS, HOST, OUT, port, sport, "PA", b"welcome\r\n"))
        frames.append(tcp(begin + 60 * SECOND, OUT, HOST, sport, port, "A"))
    assert said(frames) == []


def test_connections_opened_ahead_say_nothing() -> None:
    frames = [f for n in range(40) for f in handshake(n * 50 * MS, OUT, 3000 + n)]
    assert said([*frames, tcp(60 * SECOND, OUT, HOST, 3000, 80, "A")]) == []


# Lists, bounds, the law


def test_lists_leave_out() -> None:
    frames = [syn(n * MS, OUT, 1024 + n) for n in range(500)]
    frames += [dgram(n * MS, OUT, HOST, 1000 + n, 53, 0) for n in range(500)]
    assert techniques(said(frames)) == {"syn-flood", "udp-flood"}
    for options in (
        {"ignore_sources": ["203.0.113.0/24"]},
        {"network_ignore_sources": [OUT]},
        {"ignore_targets": [HOST]},
        {"network_ignore_targets": [HOST]},
        {"exclude_ips": [HOST]},
        {"exclude_ips": [OUT]},
    ):
        assert said(frames, **options) == []


def test_floods_apart_are_told_apart() -> None:
    first = [syn(n * MS, OUT, 1024 + n) for n in range(500)]
    again = [Frame(f.time_ns + 300 * SECOND, f.data) for f in first]
    other = [syn(n * MS, OUT, 1024 + n, dst="192.168.1.11") for n in range(500)]
    events = said([*first, *other, *again])
    assert len({event.correlation_id for event in events}) == 3
    assert {event.details["target"] for event in events} == {HOST, "192.168.1.11"}


def test_a_long_flood_is_told_six_times_at_most() -> None:
    frames = [syn(n * 4 * MS, OUT, 1024 + n % 50000) for n in range(30_000)]
    events = said(frames, pieces=(5,))
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 10, 100, 120]
    assert sum(1 + e.details["suppressed"] for e in events) == 120


def test_heartbeats_close_windows() -> None:
    detector = Flood()
    batch = packets([syn(n * MS, OUT, 1024 + n) for n in range(500)])
    assert list(detector.inspect(batch)) == []  # answers may still come
    nothing = batch.take(np.zeros(0, np.int64))
    told = list(detector.inspect(replace(nothing, now=batch.now + 3 * SECOND)))
    assert len(told) == 1
    assert list(detector.inspect(replace(nothing, now=batch.now + 300 * SECOND))) == []


def test_garbage_harms_nothing() -> None:
    rng = random.Random(7)
    junk = [Frame(START_NS + n * MS, rng.randbytes(rng.randrange(80))) for n in range(300)]
    whole = [syn(0, OUT, 1), ping(0, OUT, HOST), dhcp(0, 7), request(0, OUT, 1), *slow(1)[:4]]
    cut = [
        Frame(START_NS + n * MS, f.data[: rng.randrange(len(f.data))], len(f.data))
        for n, f in enumerate(whole * 20)
    ]
    bent = []
    for n, frame in enumerate(whole * 20):
        data = bytearray(frame.data)
        for _ in range(3):
            data[rng.randrange(14, len(data))] = rng.randrange(256)
        bent.append(Frame(START_NS + n * MS, bytes(data)))
    said([*junk, *cut, *bent])
    run(Flood(), [packets([])])


def test_millions_of_sources_need_no_more_room() -> None:
    """A short form: rows are held for a second only, and nothing is kept by source."""
    rng = np.random.default_rng(5)
    detector = Flood(max_pending=5000)
    template = packets([syn(n * MS / 20, OUT, 1024 + n % 60000) for n in range(20_000)])
    told = []
    for second in range(8):
        batch = replace(
            template,
            time=template.time + second * SECOND,
            now=template.now + second * SECOND,
            src_lo=(rng.integers(1 << 24, 0xDF000000, len(template)) | 0xFFFF_0000_0000).astype(
                np.uint64
            ),
            memo={},
        )
        told += list(detector.inspect(batch))
    told += detector.flush()
    assert techniques(told) == {"syn-flood"}
    assert {event.details["ip"] for event in told} == {""}
    assert told[-1].details["metadata"]["sources"] > 50_000
    counts = detector.counts()
    assert counts["evicted_packets"] > 0
    import msgspec

    assert len(msgspec.msgpack.encode(detector.save())) < 4_000_000


def random_traffic(rng: random.Random) -> list[Frame]:
    frames, time, step = [], 0, rng.choice([1, 3, 10, 60, 600])
    for _ in range(rng.randrange(20, 400)):
        time += rng.randrange(2 * step) * MS + (rng.random() < 0.01) * rng.randrange(70) * SECOND
        pair = rng.choice([(OUT, HOST), (OUT, HOST), ("203.0.113.6", HOST), (OUT6, HOST6)])
        src, dst = pair if rng.random() < 0.7 else pair[::-1]
        ports = rng.randrange(3000, 3000 + rng.choice([5, 500])), rng.choice([53, 80, 22, 123, 67])
        sport, dport = ports if rng.random() < 0.7 else ports[::-1]
        kind = rng.random()
        if kind < 0.4:
            flags = rng.choice(["S", "S", "SA", "A", "A", "R", "FA", "PA"])
            data = rng.choice([b"", b"", b"GET / HTTP/1.1\r\n", b"x" * 300])
            frames.append(tcp(time, src, dst, sport, dport, flags, data))
        elif kind < 0.75:
            frames.append(dgram(time, src, dst, sport, dport, rng.choice([0, 10, 300])))
        elif kind < 0.9:
            frames.append(ping(time, src, dst, rng.choice([8, 0, 3])))
        elif ":" not in src:
            offset, more = rng.choice([0, 24, 64, 65_528]), rng.random() < 0.7
            size = rng.choice([24, 64])
            frames.append(at(time, c.ipv4(src, dst, 17, b"x" * size, offset=offset, more=more)))
    return frames


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_the_law_on_random_traffic(seed: int) -> None:
    frames = random_traffic(random.Random(seed))
    options = {
        "packet_rate": 5,
        "syn_rate": 10,
        "request_rate": 10,
        "dhcp_requests": 10,
        "slow_connections": 2,
    }
    said(frames, (2, 5, max(1, len(frames) // 3)), **options)
