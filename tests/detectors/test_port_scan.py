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
    """Events of PortScan, which must keep the law (random traffic is cut more often, below)."""
    batch = packets(frames)
    return check_detector(lambda: PortScan(**options), batch, (2, 7), restart)


def techniques(events: list[Event]) -> list[str]:
    return [event.details["metadata"]["technique"] for event in events]


def only(technique: str, events: list[Event]) -> list[Event]:
    return [e for e in events if e.details["metadata"]["technique"] == technique]


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
    pauses = [f for n in range(20) for f in refused(n * 5 * SECOND, OUT, HOST, 1000 + n)]
    assert techniques(said(pauses, threshold=14)) == []  # never more than 13 within 60 s
    assert techniques(said(pauses, threshold=13)) == ["syn"]
    straddling = [f for n in range(10) for f in refused((55 + n) * SECOND, OUT, HOST, 1000 + n)]
    assert len(said(straddling)) == 1


def test_long_session_of_failures() -> None:
    slow = [f for n in range(25) for f in refused(n * 600 * SECOND, OUT, HOST, 1000 + n)]
    [event] = only("syn", said(slow))
    assert event.details["metadata"]["distinct"] == 25
    assert event.details["target"] == HOST
    gaps = [f for n in range(60) for f in refused(n * 901 * SECOND, OUT, HOST, 1000 + n)]
    assert set(techniques(said(gaps))) == {"slow"}


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
        f for n in range(20) for f in refused(n * MS * 5, f"fe80::{n + 1:x}", "fe80::99", 1000 + n)
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


def bare(at: int, src: str, dst: str, protocol: int, payload: bytes = b"") -> Frame:
    """An IP packet of any protocol."""
    return Frame(START_NS + at, c.ethernet(c.ip(src, dst, protocol, payload)))


def who_has(at: int, src: str, dst: str, mac: str = "02:00:00:00:00:05") -> Frame:
    return Frame(START_NS + at, c.ethernet(c.arp(1, src, dst, mac), 0x0806, src=mac))


def is_at(at: int, src: str, dst: str) -> Frame:
    """The answer of src to dst."""
    return Frame(START_NS + at, c.ethernet(c.arp(2, src, dst), 0x0806))


def random_traffic(rng: random.Random) -> list[Frame]:
    hosts, outs = (
        [f"192.168.1.{n}" for n in range(1, 4)],
        ["203.0.113.5", "203.0.113.6", OUT6, "2001:db8:bad:1::1", "2001:db8:bad:2::1"],
    )
    frames, at, pauses = [], 0, [0, MS, 20 * MS, 900 * MS, 4 * SECOND]
    if rng.random() < 0.3:
        pauses += [20 * SECOND, 400 * SECOND]
    flags = ["S", "S", "SA", "RA", "R", "A", "A", "FA", "F", "", "PA", "FSPU", "FPU", "FSRPAU"]
    for _ in range(rng.randrange(5, 220)):
        at += rng.choice(pauses)
        src, dst = rng.choice(outs), rng.choice(hosts)
        dst = HOST6 if ":" in src else dst
        if rng.random() < 0.4:
            src, dst = dst, src
        ports = rng.randrange(1, 12), rng.choice([53, 5000, 6000, 40000])
        sport, dport = ports if rng.random() < 0.5 else ports[::-1]
        choice = rng.random()
        if choice < 0.55:
            load = bytes(rng.choice([0, 0, 0, 5]))
            what = rng.choice(flags)
            frames.append(
                seg(at, src, dst, sport, dport, what, seq=rng.randrange(3), ack=1, payload=load)
            )
        elif choice < 0.75:
            frames.append(dgram(at, src, dst, sport, dport))
        elif choice < 0.8:
            frames.append(unreachable(at, src, dst, sport, dport, rng.choice([6, 17])))
        elif choice < 0.84:
            frames.append(echo(at, src, dst))
        elif choice < 0.92:
            a, b = rng.sample([*hosts, "192.168.1.77", "192.168.1.78", "192.168.1.79"], 2)
            mac = f"02:00:00:00:00:{a.rpartition('.')[2]:>02}"
            frames.append(who_has(at, a, b, mac) if rng.random() < 0.75 else is_at(at, a, b))
        else:
            frames.append(bare(at, src, dst, rng.choice([2, 6, 47, 50, 99, 100]), b"abcd"))
    return frames


@given(st.integers(0, 10**9))
@settings(max_examples=20, deadline=None)
def test_the_law_on_random_traffic(seed: int) -> None:
    frames = random_traffic(random.Random(seed))
    batch = packets(frames)
    options = {"threshold": 3, "contacts": 4, "sweep_hosts": 3, "echo_hosts": 2}
    options |= {"flag_packets": 2, "protocols": 2, "probes": 2, "arp_hosts": 2}
    options |= {"slow_failures": 2, "slow_contacts": 3, "decoy_sources": 2}
    options |= {"distributed_sources": 2, "distributed_ports": 3}
    check_detector(lambda: PortScan(**options), batch, (1, 3, 7, 50))


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


def flood(chance: random.Random, begin: int, count: int) -> list[Frame]:
    """SYNs of as many random sources to random ports, within half a minute."""
    frames = []
    for n in range(count):
        src = f"{chance.randrange(1, 223)}.{chance.randrange(256)}.{chance.randrange(256)}.7"
        at = begin + n * 30 * SECOND // count
        frames.append(seg(at, src, HOST, 1000, chance.randrange(9999), "S"))
    return frames


def test_a_scanner_slower_than_the_tables_remember_is_found_in_a_flood() -> None:
    """Between two of its probes more sources come than there is room for."""
    chance = random.Random(5)
    detector, events = PortScan(max_sources=1000, max_keys=200, max_pending=2000), []
    for turn in range(12):
        begin = turn * 900 * SECOND
        frames = [*refused(begin, OUT, HOST, 1000 + turn), *flood(chance, begin + SECOND, 6000)]
        events += detector.inspect(packets(frames))
    events += detector.flush()
    assert {event.details["ip"] for event in events} == {OUT}
    assert set(techniques(events)) == {"slow"}
    assert detector.counts()["evicted_sources"] > 50_000


def closed_to(count: int, probe: str, answer: str = "", sport: int = 40000) -> list[Frame]:
    """Probes of so many ports; answer: flags of the target's answer, if it gives one."""
    frames = []
    for n in range(count):
        frames.append(seg(n * 10 * MS, OUT, HOST, sport, 20 + n, probe))
        if answer:
            frames.append(seg(n * 10 * MS + MS, HOST, OUT, 20 + n, sport, answer))
    return [*frames, later(9)]


@pytest.mark.parametrize("answer", ["", "R", "RA"])
def test_maimon_scan(answer: str) -> None:
    [event] = said(closed_to(3, "FA", answer))
    metadata = event.details["metadata"]
    assert metadata["technique"] == "maimon"
    assert metadata["refused"] == (3 if answer else 0)
    assert event.details["ip"] == OUT
    assert event.evidence[0]["frame"] == (5 if answer else 3)
    assert said(closed_to(2, "FA", answer)) == []
    one_port = [seg(n * 5 * SECOND, OUT, HOST, 40000 + n, 22, "FA") for n in range(9)]
    assert said([*one_port, later(60)]) == []


def test_ends_of_connections_that_began_before_the_capture() -> None:
    answered = closed_to(30, "FA", "A") + closed_to(30, "FA", "FA", 41000)
    assert said(sorted(answered, key=lambda f: f.time_ns)) == []
    spoke = []
    for n in range(30):
        at, up = n * 20 * MS, (OUT, HOST, 40000, 20 + n)
        spoke.append(seg(at, *up, "PA", payload=b"the last words"))
        spoke.append(seg(at + MS, *up, "FA"))  # only one direction was recorded
    assert said([*spoke, later(9)]) == []


def test_a_server_that_closes_connections_of_a_client_that_is_gone() -> None:
    frames = [seg(n * 10 * MS, HOST, OUT, 443, 50000 + n, "FA") for n in range(20)]
    frames += [seg(n * 10 * MS, HOST, OUT, 8080, 50000 + n, "A") for n in range(20)]
    assert said([*sorted(frames, key=lambda f: f.time_ns), later(9)]) == []


@pytest.mark.parametrize(("flags", "count"), [("F", 3), ("", 3), ("FPU", 3), ("FA", 3), ("A", 10)])
def test_nothing_that_belongs_to_a_connection_counts(flags: str, count: int) -> None:
    frames = []
    for n in range(count):
        at, up, down = n * MS, (OUT, HOST, 40000, 20 + n), (HOST, OUT, 20 + n, 40000)
        frames += [seg(at, *up, "S", seq=1), seg(at, *down, "SA", seq=7, ack=2)]
        frames += [seg(at, *up, "PA", seq=2, ack=8, payload=b"hi")]
        frames += [seg(20 * SECOND + at, *up, flags, seq=4, ack=8)]
    frames.sort(key=lambda f: f.time_ns)
    assert said([*frames, later(30)]) == []


@pytest.mark.parametrize("answer", ["", "R"])
def test_ack_scan(answer: str) -> None:
    [event] = said(closed_to(10, "A", answer))
    metadata = event.details["metadata"]
    assert (metadata["technique"], metadata["distinct"]) == ("ack", 10)
    assert (metadata["refused"], metadata["threshold"]) == (10 if answer else 0, 10)
    assert event.details["port"] == 20
    assert "10 distinct ports that got an ACK without a connection" in event.explanation
    assert said(closed_to(9, "A", answer)) == []
    apart = [seg(n * 7 * SECOND, OUT, HOST, 40000, 20 + n, "A") for n in range(20)]
    assert said([*apart, later(200)]) == []


def test_half_of_ordinary_traffic_is_no_ack_scan() -> None:
    """Only what a client sends is captured: its SYN, ACK and bare ACKs of what it receives."""
    frames = []
    for n in range(40):
        at, up = n * 10 * MS, (HOST, OUT, 40000 + n, 8000 + n)
        frames += [seg(at, *up, "S", seq=10), seg(at + 30 * MS, *up, "A", seq=11, ack=71)]
        frames += [seg(at + 2 * SECOND, *up, "FA", seq=11, ack=90)]
    downloads = [
        seg(n * 9 * MS + m * 50 * MS, HOST, OUT, 50000 + n, 9000 + n, "A")
        for n in range(40)
        for m in range(4)
    ]
    frames = sorted([*frames, *downloads], key=lambda f: f.time_ns)
    assert said([*frames, later(9)]) == []


def test_keep_alives_of_connections_older_than_the_capture() -> None:
    frames = []
    for n in range(40):
        frames.append(seg(n * MS, OUT, HOST, 40000 + n, 20 + n, "A"))
        frames.append(seg(n * MS + MS // 2, HOST, OUT, 20 + n, 40000 + n, "A"))
    assert said([*frames, later(9)]) == []


@pytest.mark.parametrize(("src", "dst"), [(OUT, HOST), (OUT6, HOST6)])
def test_protocol_scan(src: str, dst: str) -> None:
    frames = [bare(n * SECOND, src, dst, 100 + n) for n in range(5)]
    [event] = said(frames)
    metadata = event.details["metadata"]
    assert (metadata["technique"], metadata["protocols"]) == ("protocol", [100, 101, 102, 103, 104])
    assert (event.details["ip"], event.details["target"]) == (src, dst)
    assert "port" not in event.details
    assert said(frames[:4]) == []
    assert said([bare(n * 20 * SECOND, src, dst, 100 + n) for n in range(9)]) == []


def test_common_protocols_count_where_they_are_refused_or_have_no_header() -> None:
    frames = [bare(n * MS, OUT, HOST, protocol) for n, protocol in enumerate((1, 6, 17, 2, 47))]
    assert techniques(said(frames)) == ["protocol"]
    refusals = []
    for n, protocol in enumerate((6, 17, 1)):
        quoted = c.ip(OUT, HOST, protocol, c.tcp(1, 2, "S"))
        refusals.append(bare(SECOND + n * MS, HOST, OUT, 1, c.icmp(3, 2, quoted)))
    [event] = said([bare(0, OUT, HOST, 99), bare(MS, OUT, HOST, 98), *refusals])
    assert event.details["metadata"]["refused"] == 3
    assert event.details["metadata"]["protocols"] == [1, 6, 17, 98, 99]


def test_protocols_that_two_hosts_speak() -> None:
    both = []
    for n in range(50):
        for protocol in (2, 50, 51, 89, 103, 112, 132):
            both.append(bare(n * SECOND, "192.168.1.1", "192.168.1.2", protocol, b"abcd" * 8))
            both.append(bare(n * SECOND, "192.168.1.2", "192.168.1.1", protocol, b"abcd" * 8))
    assert said(both, restart=False) == []
    groups = [bare(n * MS, "192.168.1.1", "224.0.0.5", 80 + n) for n in range(30)]
    assert said(groups) == []


def test_arp_scan() -> None:
    frames = [who_has(n * SECOND, "192.168.1.5", f"192.168.1.{20 + n}") for n in range(5)]
    [event] = said([*frames, later(20)])
    assert event.details["metadata"]["technique"] == "arp"
    assert event.details["metadata"]["hosts"] == 5
    assert (event.details["ip"], event.details["protocol"]) == ("192.168.1.5", "ARP")
    assert (event.severity, event.techniques) == ("MEDIUM", ["T1018"])
    assert event.time_ns == START_NS + 7 * SECOND
    assert said([*frames[:4], later(20)]) == []
    assert said([*frames[:4], who_has(40 * SECOND, "192.168.1.5", "192.168.1.99"), later(60)]) == []
    assert said([*frames, later(20)], arp_hosts=6) == []
    again = [who_has(n * SECOND, "192.168.1.5", "192.168.1.20") for n in range(30)]
    assert said([*again, later(60)]) == []


def test_most_of_a_busy_link_answers() -> None:
    frames = []
    for n in range(60):
        frames.append(who_has(n * 100 * MS, "192.168.1.5", f"192.168.1.{20 + n}"))
        if n % 15:
            frames.append(is_at(n * 100 * MS + MS, f"192.168.1.{20 + n}", "192.168.1.5"))
    assert said([*frames, later(20)]) == []


def test_probes_and_announcements_are_no_arp_scan() -> None:
    probes = [who_has(n * MS, "0.0.0.0", f"192.168.1.{20 + n}") for n in range(50)]
    own = [who_has(SECOND + n * MS, f"192.168.1.{n}", f"192.168.1.{n}") for n in range(50)]
    assert said([*probes, *own, later(20)]) == []


@pytest.mark.parametrize("inward", [True, False])
def test_gateways_may_ask_for_anybody(inward: bool) -> None:
    mac, host_mac = "02:00:00:00:00:fe", "02:00:00:00:00:10"
    up, down = (HOST, "198.51.100.7"), ("198.51.100.7", HOST)
    if inward:
        packet = c.ethernet(c.ip(*down, 17, c.udp(53, 40000)), src=mac, dst=host_mac)
    else:
        packet = c.ethernet(c.ip(*up, 17, c.udp(40000, 53)), src=host_mac, dst=mac)
    asks = [who_has(n * MS, "192.168.1.1", f"192.168.1.{20 + n}", mac) for n in range(50)]
    assert said([Frame(START_NS, packet), *asks, later(20)]) == []
    assert techniques(said([*asks, later(20)])) == ["arp"] * 2
    assert said([*asks, later(20)], gateways=["192.168.1.1"]) == []
    host = [who_has(SECOND + n * MS, HOST, f"192.168.1.{20 + n}", host_mac) for n in range(5)]
    assert len(said([Frame(START_NS, packet), *host, later(20)])) == 1


def crowd(sources: int, ports: int, refuse: bool = True) -> list[Frame]:
    frames = []
    for n in range(ports):
        src = f"203.0.113.{n % sources + 1}"
        found = refused(n * 4 * SECOND, src, HOST, 1000 + n)
        frames += found if refuse else found[:1]
    return [*frames, later(ports * 4 + 9)]


@pytest.mark.parametrize("refuse", [True, False])
def test_distributed_scan(refuse: bool) -> None:
    [event] = said(crowd(13, 25, refuse), slow_failures=60)
    metadata = event.details["metadata"]
    assert (metadata["technique"], metadata["distinct"]) == ("distributed", 25)
    assert (event.details["ip"], event.details["target"]) == ("", HOST)
    assert (metadata["source_count"], len(metadata["sources"])) == (13, 13)
    assert event.severity == "HIGH"
    assert said(crowd(13, 24, refuse), slow_failures=60) == []
    assert said(crowd(9, 25, refuse), slow_failures=60) == []
    assert techniques(said(crowd(5, 25, refuse), slow_failures=60)) == []  # five contacts each


def test_a_service_that_is_gone_is_no_distributed_scan() -> None:
    clients = [
        f
        for n in range(300)
        for f in refused(n * 100 * MS, f"198.51.{n // 200}.{n % 200 + 1}", HOST, 443 + n % 3)
    ]
    assert said(clients, restart=False) == []
    window = [f for n in range(30) for f in refused(n * 60 * SECOND, f"203.0.113.{n}", HOST, n + 1)]
    assert said(window) == []


def decoys(sources: int, ports: int, step: int = 10 * MS, skew: int = MS) -> list[Frame]:
    frames = []
    for port in range(ports):
        for k in range(sources):
            at = port * step + k * skew
            frames += refused(at, f"198.51.100.{k + 1}", HOST, 1000 + port, 50000 + k)
    return sorted(frames, key=lambda f: f.time_ns)


def test_decoy_scan_blames_nobody_and_folds_the_scans_of_each() -> None:
    events = said(decoys(5, 60))
    assert set(techniques(events)) == {"decoy"}
    first = events[0]
    metadata = first.details["metadata"]
    assert (first.details["ip"], first.details["target"]) == ("", HOST)
    assert metadata["sources"] == [f"198.51.100.{k}" for k in range(1, 6)]
    assert metadata["source_count"] == 5
    assert len({event.correlation_id for event in events}) == 1
    # Told once as it began, and then each source's ten ports count as one round more.
    assert sum(1 + event.details["suppressed"] for event in events) == 1 + 5 * 6
    assert set(techniques(said(decoys(4, 60)))) == {"syn"}
    assert said(decoys(5, 3)) == []


def test_sources_that_scan_at_other_times_or_ports_are_no_decoys() -> None:
    one_by_one = decoys(5, 12, skew=5 * SECOND)
    assert set(techniques(said(one_by_one))) == {"syn"}
    frames = [
        f
        for k in range(6)
        for n in range(12)
        for f in refused(n * 10 * MS + k, f"198.51.100.{k + 1}", HOST, 1000 + k * 5 + n)
    ]
    frames.sort(key=lambda f: f.time_ns)
    assert set(techniques(said(frames))) == {"syn"}


def test_decoys_that_get_no_answer_beside_the_one_that_does() -> None:
    frames = [
        f
        for f in decoys(6, 40)
        if f.data[26:30] != b"\xc0\xa8\x01\x0a" or f.data[33] == 3  # only 198.51.100.3 is answered
    ]
    events = said([*frames, later(9)])
    [event] = only("decoy", events)[:1]
    assert len(event.details["metadata"]["sources"]) >= 5
    singles = only("syn", events)
    assert {e.details["ip"] for e in singles} == {"198.51.100.3"}  # told before it was known


def test_decoys_of_a_null_scan() -> None:
    frames = [
        seg(port * 10 * MS + k * MS, f"198.51.100.{k + 1}", HOST, 50000, 20 + port, "")
        for port in range(30)
        for k in range(5)
    ]
    assert set(techniques(said(frames))) == {"decoy"}


def at_pace(step: float, count: int, src: str = OUT, refuse: bool = True) -> list[Frame]:
    frames = []
    for n in range(count):
        found = refused(int(n * step * SECOND), src.format(n), HOST6 if ":" in src else HOST, 1 + n)
        frames += found if refuse else found[:1]
    return [*frames, later(count * step + 9)]


@pytest.mark.parametrize("step", [6, 15, 900, 7200, 86_400])
@pytest.mark.parametrize("refuse", [True, False])
def test_slow_scan(step: float, refuse: bool) -> None:
    [event] = said(at_pace(step, 4, refuse=refuse))
    metadata = event.details["metadata"]
    assert (metadata["technique"], metadata["distinct"]) == ("slow", 4)
    assert (event.details["ip"], event.details["target"]) == (OUT, HOST)
    assert [place["frame"] for place in event.evidence] == (
        [7, 5, 3, 1] if refuse else [4, 3, 2, 1]
    )
    assert said(at_pace(step, 3, refuse=refuse)) == []


def test_what_comes_close_together_is_no_slow_scan() -> None:
    assert said(at_pace(5.9, 9)) == []
    bursts = [
        f
        for turn in range(3)
        for n in range(8)
        for f in refused(turn * 1000 * SECOND + n * MS, OUT, HOST, 1 + turn * 8 + n)
    ]
    assert said(bursts) == []
    assert said([*bursts, *refused(3000 * SECOND, OUT, HOST, 99)]) != []


def test_thirty_failures_in_a_day_though_as_many_contacts_succeed() -> None:
    frames = []
    for n in range(40):
        at = n * 1800 * SECOND
        frames += refused(at, OUT, HOST, 1000 + n)
        frames += served(at + 900 * SECOND, OUT, f"192.168.1.{n + 20}", 40000 + n, 443)
    [event] = said(frames, restart=False)
    assert event.details["metadata"]["threshold"] == 30
    assert "30 in 24 h" in event.explanation
    assert said(frames[: 29 * 10], restart=False) == []
    spread_out = [
        Frame(START_NS + (f.time_ns - START_NS) * 2, f.data) for f in frames
    ]  # never 30 in 24 h
    assert said(spread_out, restart=False) == []


def test_ordinary_hosts_fail_too() -> None:
    polled = [f for n in range(200) for f in refused(n * 60 * SECOND, HOST, OUT, 8080)]
    polled += [f for n in range(200) for f in refused(n * 60 * SECOND + MS, HOST, OUT, 8081)]
    assert said(sorted(polled, key=lambda f: f.time_ns), restart=False) == []
    browser = []
    for n in range(60):
        at, six = n * 90 * SECOND, f"2001:db8:77::{n + 1:x}"
        browser += [seg(at, "2001:db8:1::99", six, 40000 + n, 443, "S")]
        browser += served(at + SECOND // 4, HOST, f"198.51.100.{n + 1}", 40000 + n, 443)
    assert said(browser, restart=False) == []
    mostly = []
    for n in range(300):
        at, host = n * 100 * SECOND, f"198.51.{n // 200}.{n % 200 + 1}"
        mostly += (
            refused(at, HOST, host, 25) if n % 10 == 0 else served(at, HOST, host, 999 + n, 25)
        )
    assert said(mostly, restart=False) == []


def probe(at: int, flags: str, window: int, port: int, urgent: int = 0) -> Frame:
    """A TCP probe of nmap -O, with the options that it gives them."""
    options = bytes.fromhex("03030a01020401090 80affffffff000000000402".replace(" ", ""))
    segment = bytearray(c.tcp(50000 + port, port, flags, options=options))
    segment[14:16], segment[18:20] = window.to_bytes(2, "big"), urgent.to_bytes(2, "big")
    return bare(at, OUT, HOST, 6, bytes(segment))


FINGERPRINT = [
    ("T2", lambda at: probe(at, "", 128, 22)),
    ("T3", lambda at: probe(at, "FSPU", 256, 22)),
    ("T4", lambda at: probe(at, "A", 1024, 23)),
    ("T5", lambda at: probe(at, "S", 31337, 1)),
    ("T6", lambda at: probe(at, "A", 32768, 1)),
    ("T7", lambda at: probe(at, "FPU", 65535, 1)),
    ("ECN", lambda at: probe(at, "SEC", 3, 22, 0xF7F5)),
    ("IE1", lambda at: bare(at, OUT, HOST, 1, c.icmp(8, 9, bytes(120)))),
    (
        "IE2",
        lambda at: Frame(
            START_NS + at, c.ethernet(c.ipv4(OUT, HOST, 1, c.icmp(8, 0, bytes(150)), tos=4))
        ),
    ),
    ("U1", lambda at: bare(at, OUT, HOST, 17, c.udp(50000, 40000, b"C" * 300))),
]


@pytest.mark.parametrize("first", range(0, 8))
def test_fingerprint(first: int) -> None:
    names = sorted(name for name, _ in FINGERPRINT[first : first + 3])
    frames = [make(n * 100 * MS) for n, (_, make) in enumerate(FINGERPRINT[first : first + 3])]
    [event] = only("fingerprint", said(frames))
    assert event.details["metadata"]["probes"] == names
    assert (event.details["ip"], event.details["target"]) == (OUT, HOST)
    assert only("fingerprint", said(frames[:2])) == []


def test_ordinary_packets_are_no_fingerprint() -> None:
    frames = [
        seg(0, OUT, HOST, 40000, 22, "SEC", options=bytes(20)),
        bare(MS, OUT, HOST, 1, c.icmp(8, 0, bytes(150))),
        bare(2 * MS, OUT, HOST, 17, c.udp(5000, 5001, bytes(300))),
        bare(3 * MS, OUT, HOST, 17, c.udp(5000, 5002, b"C" * 299)),
        seg(4 * MS, OUT, HOST, 40001, 23, "S", options=bytes(20)),
        seg(5 * MS, OUT, HOST, 40001, 24, "A", options=bytes(12)),
    ]
    assert said([*frames, later(9)]) == []


@pytest.mark.parametrize(
    ("source", "prefix"),
    [
        ("2001:db8:bad::{:x}", "2001:db8:bad::/64"),
        ("2001:db8:bad:{:x}::1", "2001:db8:bad::/56"),
        ("2001:db8:bad:{:x}00::1", "2001:db8:bad::/48"),
    ],
)
def test_an_attacker_with_a_whole_ipv6_network(source: str, prefix: str) -> None:
    fast = said(at_pace(0.1, 10, source))
    slow = said(at_pace(900, 4, source))
    assert [e.details["metadata"]["technique"] for e in (*fast, *slow)] == ["syn", "slow"]
    assert {e.details["metadata"]["prefix"] for e in (*fast, *slow)} == {prefix}
    assert said(at_pace(0.1, 9, source)) == []
    assert said(at_pace(900, 3, source)) == []


def test_two_networks_are_not_yet_one_attacker() -> None:
    frames = [
        f
        for n in range(16)
        for f in refused(n * 10 * MS, f"2001:db8:bad:{n % 2}::1", HOST6, 1000 + n)
    ]
    assert said(frames) == []
    third = [f for n in range(2) for f in refused(SECOND + n, "2001:db8:bad:7::1", HOST6, 3000 + n)]
    assert len(said([*frames, *third])) == 1


def test_a_scan_from_one_of_many_networks_is_told_once() -> None:
    alone = [f for n in range(300) for f in refused(n * 2 * MS, OUT6, HOST6, 1000 + n)]
    events = said(alone)
    assert {e.details["metadata"]["prefix"] for e in events} == {"2001:db8:bad::/64"}
    assert sum(1 + e.details["suppressed"] for e in events) == 30


def test_sweep_by_datagrams() -> None:
    inside = [dgram(n * SECOND, HOST, f"192.168.2.{n + 1}", 40000, 161) for n in range(25)]
    [event] = said([*inside, later(60)])
    assert (event.details["metadata"]["technique"], event.details["port"]) == ("sweep", 161)
    assert event.details["protocol"] == "UDP"
    assert said([*inside[:24], later(60)]) == []
    outward = [dgram(n * SECOND, HOST, f"198.51.100.{n + 1}", 40000, 443) for n in range(60)]
    assert said([*outward, later(90)]) == []  # filtered on the way
    answers = [
        Frame(f.time_ns + MS, dgram(0, f"192.168.2.{n + 1}", HOST, 161, 40000).data)
        for n, f in enumerate(inside)
    ]
    assert said(sorted([*inside, *answers[:5]], key=lambda f: f.time_ns)) == []


@pytest.mark.parametrize("kind", [13, 17])
def test_sweep_by_other_questions_of_icmp(kind: int) -> None:
    frames = [bare(n * MS, OUT, f"192.168.2.{n + 1}", 1, c.icmp(kind)) for n in range(10)]
    [event] = said(frames)
    assert event.details["metadata"]["technique"] == "sweep"
    assert said(frames[:9]) == []


def test_general_lists_count_as_well_as_those_of_the_detector() -> None:
    for options in ({"network_ignore_sources": [OUT]}, {"network_ignore_targets": [HOST]}):
        assert said(syn_scan(10), **options) == []
        assert len(said(syn_scan(10, src="203.0.113.8", dst="192.168.1.11"), **options)) == 1


def test_every_event_says_what_stands_against_which_threshold() -> None:
    frames = [closed_to(10, "A"), closed_to(3, "FA"), at_pace(60, 4), decoys(5, 5), crowd(13, 25)]
    frames.append([bare(n * MS, OUT, HOST, 100 + n) for n in range(5)])
    frames.append([make(n * MS) for n, (_, make) in enumerate(FINGERPRINT)])
    for each in frames:
        for event in said(each):
            metadata = event.details["metadata"]
            assert str(metadata["threshold"]) in event.explanation
            assert "threshold" in event.explanation
            assert event.evidence
            assert event.details["description"]
            assert event.rule == "port_scan"
