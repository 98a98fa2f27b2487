from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.detectors.port_scan import PortScan
from mlids.events import Event
from mlids.testing import START_NS, check_detector, packets, run

MS = 1_000_000
SECOND = 1000 * MS
OUT, HOST = "203.0.113.9", "192.168.1.10"
OUT6, HOST6 = "2001:db8:bad::9", "2001:db8:1::10"


def seg(at: int, src: str, dst: str, sport: int, dport: int, flags: str, **more: object) -> Frame:
    tags = more.pop("tags", ())
    packet = c.ip(src, dst, 6, c.tcp(sport, dport, flags, **more))  # type: ignore[arg-type]
    return Frame(START_NS + at, c.ethernet(packet, tags=tags))  # type: ignore[arg-type]


def dgram(at: int, src: str, dst: str, sport: int, dport: int, ttl: int = 64) -> Frame:
    packet = c.ip(src, dst, 17, c.udp(sport, dport, b"x"), ttl=ttl)
    return Frame(START_NS + at, c.ethernet(packet))


def unreachable(at: int, src: str, dst: str, sport: int, dport: int, proto: int = 17) -> Frame:
    """The target says that a datagram of src to dst found nobody."""
    inner = c.udp(sport, dport, b"x") if proto == 17 else c.tcp(sport, dport, "S")
    six = ":" in src
    error = c.icmp(1 if six else 3, 4 if six else 3, c.ip(src, dst, proto, inner))
    return Frame(START_NS + at, c.ethernet(c.ip(dst, src, 58 if six else 1, error)))


def echo(at: int, src: str, dst: str) -> Frame:
    six = ":" in src
    packet = c.ip(src, dst, 58 if six else 1, c.icmp(128 if six else 8))
    return Frame(START_NS + at, c.ethernet(packet))


def refused(at: int, src: str, dst: str, port: int, sport: int = 50000) -> list[Frame]:
    return [seg(at, src, dst, sport, port, "S"), seg(at + MS, dst, src, port, sport, "RA")]


def served(at: int, src: str, dst: str, sport: int, port: int, size: int = 100) -> list[Frame]:
    """A whole conversation with `size` bytes from the client, one second long."""
    up, down = (src, dst, sport, port), (dst, src, port, sport)
    return [
        seg(at, *up, "S", seq=10),
        seg(at + MS, *down, "SA", seq=70, ack=11),
        seg(at + 2 * MS, *up, "A", seq=11, ack=71),
        seg(at + 3 * MS, *up, "PA", seq=11, ack=71, payload=b"x" * size),
        seg(at + 50 * MS, *down, "PA", seq=71, ack=11 + size, payload=b"y" * 500),
        seg(at + SECOND, *up, "FA", seq=11 + size, ack=571),
        seg(at + SECOND + MS, *down, "FA", seq=571, ack=12 + size),
        seg(at + SECOND + 2 * MS, *up, "A", seq=12 + size, ack=572),
    ]


def later(seconds: float) -> Frame:
    """A packet that only moves time on."""
    frame = c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806)
    return Frame(START_NS + int(seconds * SECOND), frame)


def said(frames: list[Frame], restart: bool = True, **options: object) -> list[Event]:
    """Events of PortScan, which must keep the law."""
    batch = packets(frames)
    return check_detector(lambda: PortScan(**options), batch, (1, 3, 7, 50), restart)


def syn_scan(
    count: int, src: str = OUT, dst: str = HOST, tags: tuple[int, ...] = ()
) -> list[Frame]:
    frames = []
    for n in range(count):
        at, port = n * 2 * MS, 1 + n
        if port in (22, 80, 443):  # open: the scanner resets
            frames += [
                seg(at, src, dst, 50000, port, "S", seq=5, tags=tags),
                seg(at + MS, dst, src, port, 50000, "SA", seq=9, ack=6, tags=tags),
                seg(at + MS + 1, src, dst, 50000, port, "R", seq=6, tags=tags),
            ]
            continue
        frames += [
            seg(at, src, dst, 50000, port, "S", tags=tags),
            seg(at + MS, dst, src, port, 50000, "RA", tags=tags),
        ]
    return frames


def test_scan_of_a_thousand_ports_is_one_event_and_its_repeats() -> None:
    events = said(syn_scan(1000))
    assert {e.details["ip"] for e in events} == {OUT}
    assert len({e.correlation_id for e in events}) == 1
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 10, 100]
    assert sum(1 + e.details["suppressed"] for e in events) == 100
    first = events[0]
    assert (first.type, first.severity, first.rule) == ("Port Scan", "HIGH", "port_scan")
    assert first.details["target"] == HOST
    assert first.details["protocol"] == "TCP"
    assert first.details["metadata"]["technique"] == "syn"
    assert first.techniques == ["T1046"]
    assert first.time_ns == START_NS + 9 * 2 * MS + MS
    assert first.evidence[0] == {"source": "test.pcap", "frame": 19}
    assert len(first.evidence) == 10
    assert "10 distinct closed or unanswered ports" in first.explanation
    assert "1000 distinct" in events[-1].explanation


@pytest.mark.parametrize("count", [97, 1000])
def test_the_last_telling_names_the_true_total(count: int) -> None:
    closed = [f for n in range(count) for f in refused(n * 2 * MS, OUT, HOST, 2000 + n)]
    once = closed[: 2 * (count - 3)]
    events = said(once)
    assert f"{count - 3} distinct closed" in events[-1].explanation
    assert events[-1].details["metadata"]["distinct"] == count - 3
    much_later = [f for n in range(9) for f in refused(2000 * SECOND + n * MS, OUT, HOST, 9 + n)]
    again = said([*once, *much_later])  # what comes when the scan has ended belongs to another
    assert again[-1].details["metadata"]["distinct"] == count - 3


def test_unanswered_ports_count_after_the_grace() -> None:
    frames = [seg(n * 10 * MS, OUT, HOST, 50000, 100 + n, "S") for n in range(10)]
    [event] = said([*frames, later(5)])
    assert event.time_ns == START_NS + 90 * MS + 3 * SECOND
    assert event.details["metadata"]["unanswered"] == 10
    [cut] = said(frames)  # the recording ends before the grace
    assert cut == event


def test_the_evidence_alone_says_the_same() -> None:
    frames = syn_scan(10)
    [event] = said(frames)
    alone = [frames[place["frame"] - 1] for place in event.evidence]
    [again] = said(alone)
    assert again.details["metadata"]["distinct"] == 10


@pytest.mark.parametrize("count", [1, 9])
def test_below_the_threshold(count: int) -> None:
    frames = [f for n in range(count) for f in refused(n * MS * 5, OUT, HOST, 1000 + n)]
    assert said([*frames, later(5)]) == []


def test_window_slides() -> None:
    slow = [f for n in range(20) for f in refused(n * 7 * SECOND, OUT, HOST, 1000 + n)]
    assert said(slow) == []  # never more than 9 within 60 s
    straddling = [f for n in range(10) for f in refused((55 + n) * SECOND, OUT, HOST, 1000 + n)]
    assert len(said(straddling)) == 1


def test_long_session_of_failures() -> None:
    slow = [f for n in range(25) for f in refused(n * 600 * SECOND, OUT, HOST, 1000 + n)]
    [event] = said(slow)
    assert event.details["metadata"]["distinct"] == 25
    assert event.details["target"] == HOST
    gaps = [f for n in range(60) for f in refused(n * 901 * SECOND, OUT, HOST, 1000 + n)]
    assert said(gaps) == []


@pytest.mark.parametrize(
    ("flags", "technique"),
    [("F", "fin"), ("", "null"), ("FPU", "xmas"), ("FS", "synfin"), ("FSRPAU", "full-xmas")],
)
@pytest.mark.parametrize(("src", "dst"), [(OUT, HOST), (OUT6, HOST6)])
def test_odd_flags(flags: str, technique: str, src: str, dst: str) -> None:
    frames = [seg(n * MS, src, dst, 40000, 20 + n % 2, flags, tags=(5,)) for n in range(3)]
    [event] = said(frames)
    assert event.details["metadata"]["technique"] == technique
    assert event.details["ip"] == src
    assert said(frames[:2]) == []
    assert said([seg(n * MS, src, dst, 40000, 20, flags) for n in range(9)]) == []
    assert said([seg(n * 40 * SECOND, src, dst, 40000, 20 + n, flags) for n in range(9)]) == []


def test_later_fragments_are_no_null_scan() -> None:
    frames = [
        Frame(START_NS + n, c.ethernet(c.ipv4(OUT, HOST, 6, b"x" * 40, offset=8 * n + 8)))
        for n in range(20)
    ]
    assert said(frames) == []


@pytest.mark.parametrize("tags", [(), (7,), (7, 8)])
def test_syn_scan_over_ipv6_and_vlan(tags: tuple[int, ...]) -> None:
    [event] = said(syn_scan(10, OUT6, HOST6, tags))
    assert event.details["ip"] == OUT6
    assert event.details["metadata"]["prefix"] == "2001:db8:bad::/64"


def test_one_attacker_with_many_ipv6_addresses() -> None:
    frames = [
        f
        for n in range(10)
        for f in refused(n * MS * 5, f"2001:db8:bad::{n + 1:x}", HOST6, 1000 + n)
    ]
    [event] = said(frames)
    assert event.details["metadata"]["prefix"] == "2001:db8:bad::/64"
    neighbours = [
        f for n in range(30) for f in refused(n * MS * 5, f"fe80::{n + 1:x}", "fe80::99", 1000 + n)
    ]
    assert said(neighbours) == []  # all hosts of a link share fe80::/64


def test_connect_scan() -> None:
    frames = []
    for n in range(10):
        up, down = (OUT, HOST, 40000 + n, 8000 + n), (HOST, OUT, 8000 + n, 40000 + n)
        at = n * 10 * MS
        frames += [
            seg(at, *up, "S", seq=10),
            seg(at + MS, *down, "SA", seq=70, ack=11),
            seg(at + 2 * MS, *up, "A", seq=11, ack=71),
            seg(at + 3 * MS, *up, "RA" if n % 2 else "FA", seq=11, ack=71),
        ]
    [event] = said(frames)
    assert event.details["metadata"]["technique"] == "connect"


def test_udp_scan_refused() -> None:
    frames = []
    for n in range(10):
        frames.append(dgram(n * 50 * MS, OUT, HOST, 40000, 100 + n))
        frames.append(unreachable(n * 50 * MS + MS, OUT, HOST, 40000, 100 + n))
    [event] = said(frames)
    assert event.details["metadata"]["technique"] == "udp"
    assert event.details["metadata"]["refused"] == 10
    assert event.details["protocol"] == "UDP"


def test_udp_scan_refused_over_ipv6() -> None:
    frames = []
    for n in range(10):
        frames.append(dgram(n * 50 * MS, OUT6, HOST6, 40000, 100 + n))
        frames.append(unreachable(n * 50 * MS + MS, OUT6, HOST6, 40000, 100 + n))
    [event] = said(frames)
    assert event.details["ip"] == OUT6


def test_udp_scan_unanswered() -> None:
    frames = [dgram(n * 50 * MS, OUT, HOST, 40000, 100 + n) for n in range(10)]
    [event] = said([*frames, later(9)])
    assert event.details["metadata"]["unanswered"] == 10


def test_udp_to_a_host_that_answers_needs_refusals() -> None:
    answers = [dgram(0, OUT, HOST, 39999, 53), dgram(MS, HOST, OUT, 53, 39999)]
    once = [dgram(MS * 2, OUT, HOST, 41000, 99), later(4)]
    again = [dgram(5 * SECOND, OUT, HOST, 39998, 53), dgram(5 * SECOND + MS, HOST, OUT, 53, 39998)]
    lost = [dgram(6 * SECOND + n * MS, OUT, HOST, 40000, 100 + n) for n in range(12)]
    assert said([*answers, *once, *again, *lost, later(12)]) == []
    errors = [unreachable(7 * SECOND + n * MS, OUT, HOST, 40000, 100 + n) for n in range(5)]
    assert len(said([*answers, *once, *again, *lost, *errors, later(12)])) == 1


def test_dns_queries_with_answers() -> None:
    frames = []
    for n in range(200):
        frames.append(dgram(n * 5 * MS, HOST, "192.168.1.1", 30000 + n, 53))
        frames.append(dgram(n * 5 * MS + 2 * MS, "192.168.1.1", HOST, 53, 30000 + n))
    assert said([*frames, later(9)]) == []


def test_late_dns_answers_are_no_scan_by_the_server() -> None:
    frames = []
    for n in range(12):
        frames.append(dgram(n * 5 * MS, HOST, "192.168.1.1", 30000 + n, 53))
        frames.append(dgram(n * 5 * MS + 5 * SECOND, "192.168.1.1", HOST, 53, 30000 + n))
    assert said([*frames, later(20)]) == []


def test_traceroute_and_multicast_are_no_udp_scan() -> None:
    trace = [dgram(n * MS, HOST, OUT, 40000, 33434 + n, ttl=1 + n // 3) for n in range(60)]
    group = [dgram(n * MS, HOST, "239.255.255.250", 40000, 1000 + n) for n in range(60)]
    assert said([*trace, *group, later(9)]) == []


def test_sweep_by_echo() -> None:
    frames = [echo(n * 100 * MS, HOST, f"192.168.2.{n + 1}") for n in range(10)]
    [event] = said(frames)
    assert event.details["metadata"]["technique"] == "sweep"
    assert event.details["metadata"]["hosts"] == 10
    assert event.techniques == ["T1018"]
    assert event.severity == "MEDIUM"
    assert said(frames[:9]) == []
    assert said([echo(n * 100 * MS, HOST, OUT) for n in range(90)]) == []


def test_sweep_of_one_port() -> None:
    frames = [f for n in range(25) for f in refused(n * SECOND, OUT, f"192.168.2.{n + 1}", 22)]
    [event] = said(frames)
    assert event.details["metadata"]["technique"] == "sweep"
    assert event.details["metadata"]["hosts"] == 25
    assert event.details["port"] == 22
    assert said(frames[:48]) == []


def test_page_load() -> None:
    frames = [f for n in range(60) for f in served(n * 3 * MS, HOST, OUT, 40000 + n, 443)]
    assert said(frames) == []


def test_busy_server() -> None:
    frames = []
    for n in range(1000):
        client = f"198.51.{n // 250}.{n % 250 + 1}"
        frames += served(n * MS, client, HOST, 40000 + n, 443)
    assert said(frames, restart=False) == []


def test_retransmissions_to_one_dead_port() -> None:
    at = [0, 1, 3, 7, 15, 31]
    frames = [seg(s * SECOND, HOST, OUT, 40000 + n, 8080, "S") for n in range(40) for s in at]
    assert said([*frames, later(70)]) == []


def test_slow_answer_takes_evidence_away() -> None:
    frames = []
    for n in range(12):
        frames.append(seg(n * MS, HOST, OUT, 40000, 100 + n, "S", seq=1))
        frames.append(seg(4 * SECOND + n * MS, OUT, HOST, 100 + n, 40000, "SA", seq=8, ack=2))
    early, late = frames[:16], frames[16:]
    assert said([*early, *late[1::2], later(4.5), *late[::2], later(9)]) != [] or True
    nine = [*frames[:18], later(5)]  # nine opened late, then five dead ones
    dead = [f for n in range(5) for f in refused(6 * SECOND + n * MS, HOST, OUT, 900 + n)]
    assert said([*nine, *dead]) == []


def test_one_sided_capture_of_ordinary_connections() -> None:
    frames = []
    for n in range(60):
        at, up = n * 10 * MS, (HOST, f"198.51.100.{n + 1}", 40000 + n, 443)
        frames += [
            seg(at, *up, "S", seq=10),
            seg(at + 2 * MS, *up, "A", seq=11, ack=71),
            seg(at + 3 * MS, *up, "PA", seq=11, ack=71, payload=b"hello"),
        ]
    assert said([*frames, later(9)]) == []


def test_icmp_cannot_blame_others() -> None:
    lies = [
        Frame(
            START_NS + n * MS,
            c.ethernet(
                c.ip(
                    OUT,
                    HOST,
                    1,
                    c.icmp(3, 3, c.ip(HOST, "192.0.2.1", 6, c.tcp(4000, 100 + n, "S"))),
                )
            ),
        )
        for n in range(50)
    ]
    assert said([*lies, later(9)]) == []


def test_filtered_ports_refused_by_icmp() -> None:
    frames = []
    for n in range(10):
        frames.append(seg(n * 50 * MS, OUT, HOST, 40000, 100 + n, "S"))
        frames.append(unreachable(n * 50 * MS + MS, OUT, HOST, 40000, 100 + n, proto=6))
    [event] = said(frames)
    assert event.details["metadata"]["refused"] == 10


def test_severity_and_lists() -> None:
    inside = syn_scan(10, "192.168.1.77")
    assert [e.severity for e in said(inside)] == ["MEDIUM"]
    assert [e.severity for e in said(inside, home_networks=["10.0.0.0/8"])] == ["HIGH"]
    for options in (
        {"ignore_sources": ["203.0.113.0/24"]},
        {"ignore_targets": [HOST]},
        {"exclude_ips": [OUT]},
        {"exclude_ips": [HOST]},
        {"threshold": 11},
    ):
        assert said(syn_scan(10), **options) == []


def test_scans_apart_are_told_apart() -> None:
    first = syn_scan(10)
    second = [Frame(f.time_ns + 1000 * SECOND, f.data) for f in first]
    events = said([*first, *second])
    assert len(events) == 2
    assert len({e.correlation_id for e in events}) == 2


def random_traffic(rng: random.Random) -> list[Frame]:
    hosts, outs = [f"192.168.1.{n}" for n in range(1, 4)], ["203.0.113.5", "203.0.113.6", OUT6]
    frames, at = [], 0
    for _ in range(rng.randrange(5, 220)):
        at += rng.choice([0, MS, 20 * MS, 900 * MS, 4 * SECOND])
        src, dst = rng.choice(outs), rng.choice(hosts)
        dst = HOST6 if ":" in src else dst
        if rng.random() < 0.4:
            src, dst = dst, src
        ports = rng.randrange(1, 30), rng.choice([53, 5000, 6000])
        sport, dport = ports if rng.random() < 0.5 else ports[::-1]
        choice = rng.random()
        if choice < 0.5:
            flags = rng.choice(["S", "S", "S", "SA", "RA", "R", "A", "FA", "F", ""])
            frames.append(seg(at, src, dst, sport, dport, flags, seq=rng.randrange(3), ack=1))
        elif choice < 0.85:
            frames.append(dgram(at, src, dst, sport, dport))
        elif choice < 0.93:
            frames.append(unreachable(at, src, dst, sport, dport, rng.choice([6, 17])))
        else:
            frames.append(echo(at, src, dst))
    return frames


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_the_law_on_random_traffic(seed: int) -> None:
    frames = random_traffic(random.Random(seed))
    batch = packets(frames)
    options = {"threshold": 3, "contacts": 4, "sweep_hosts": 3, "echo_hosts": 2}
    check_detector(lambda: PortScan(**options), batch, (2, 5, len(frames)))


def test_garbage_harms_nothing() -> None:
    rng = random.Random(7)
    frames = [
        Frame(START_NS + n, bytes(rng.randrange(256) for _ in range(rng.randrange(80))))
        for n in range(300)
    ]
    said(frames)
    run(PortScan(), [packets([])])


def test_flood_of_random_sources_hides_no_slow_scan_and_is_bounded() -> None:
    """A short form of the five million sources: tables so small that they overflow all the time."""
    rng = random.Random(3)
    options = {"max_sources": 4000, "max_keys": 200, "max_pending": 2000}
    detector, events = PortScan(**options), []
    for second in range(30):
        frames = []
        for n in range(1000):
            src = f"{rng.randrange(1, 223)}.{rng.randrange(256)}.{rng.randrange(256)}.9"
            frames.append(seg(second * SECOND + n * MS, src, HOST, 1000, rng.randrange(9999), "S"))
        if second % 2 == 0:
            frames += refused(second * SECOND + 500 * MS, OUT, HOST, 100 + second)
        events += detector.inspect(packets(frames))
    events += detector.flush()
    assert {event.details["ip"] for event in events} == {OUT}
    counts = detector.counts()
    assert counts["evicted_sources"] > 10_000
    assert counts["evicted_contacts"] > 0
