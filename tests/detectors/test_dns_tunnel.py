from __future__ import annotations

import base64
import hashlib
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture import dns
from mlids.capture.crafting import Frame
from mlids.detectors.dns_tunnel import DnsTunnel
from mlids.events import Event
from mlids.testing import START_NS, check_detector, packets, run

SECOND = 1_000_000_000
CLIENT, SERVER = "192.168.1.10", "192.168.1.53"
A, CNAME, NULL, MX, TXT, AAAA, SRV = 1, 5, 10, 15, 16, 28, 33


def ask(
    seconds: float, name: str, kind: int = A, src: str = CLIENT, *, refused: bool = False,
    tcp: bool = False, port: int = 53,
) -> Frame:  # fmt: skip
    """One question; refused: the answer that there is no such name."""
    flags = 0x8183 if refused else 0x0100
    head = struct.pack(">HHHHHH", 7, flags, 1, 0, 0, 0)
    data = head + dns.wire(name) + b"\0" + struct.pack(">HH", kind, 1)
    ends = (SERVER, src) if refused else (src, SERVER)
    ports = (port, 40000) if refused else (40000, port)
    if tcp:
        body = c.ip(*ends, 6, c.tcp(*ports, "PA", payload=struct.pack(">H", len(data)) + data))
    else:
        body = c.ip(*ends, 17, c.udp(*ports, data))
    return Frame(START_NS + int(seconds * SECOND), c.ethernet(body))


def said(frames: list[Frame], **options: object) -> list[Event]:
    return check_detector(lambda: DnsTunnel(**options), packets(frames), (1, 3, 7, 50))


def letters(
    rng: random.Random, size: int, alphabet: str = "abcdefghijklmnopqrstuvwxyz0123456789"
) -> str:
    return "".join(rng.choice(alphabet) for _ in range(size))


def digits(rng: random.Random, size: int) -> str:
    return letters(rng, size, "0123456789abcdef")


def slow(count: int, size: int = 60, gap: float = 10.0, **more: object) -> list[Frame]:
    rng = random.Random(1)
    return [
        ask(n * gap, letters(rng, size) + ".x.evil.example.com", **more)  # type: ignore[arg-type]
        for n in range(count)
    ]


def iodine(count: int, kind: int = NULL) -> list[Frame]:
    rng = random.Random(2)
    frames = []
    for n in range(count):
        name = ".".join(letters(rng, 57) for _ in range(3)) + "." + letters(rng, 20)
        frames.append(ask(n * 0.05, f"{name}.t.evil.org", kind))
    return frames


def dnscat2(count: int, size: int = 18) -> list[Frame]:
    rng = random.Random(3)
    return [
        ask(n, f"{digits(rng, size)}.evil.net", rng.choice([TXT, CNAME, MX])) for n in range(count)
    ]


def dns2tcp(count: int) -> list[Frame]:
    rng = random.Random(4)
    names = [base64.b32encode(rng.randbytes(30)).decode().strip("=").lower() for _ in range(count)]
    return [ask(n * 0.2, f"{name}.tcp.evil.de", TXT) for n, name in enumerate(names)]


def test_slow_exfiltration() -> None:
    events = said(slow(30))
    first = events[0]
    assert (first.type, first.severity, first.rule) == (
        "DNS Tunneling",
        "HIGH",
        "dns_tunnel/long-labels",
    )
    assert first.details["ip"] == CLIENT
    assert first.details["domain"] == "example.com"
    assert first.details["metadata"]["names"] == 20
    assert first.details["metadata"]["bytes"] == 20 * (60 + len("xevil"))
    assert first.techniques == ["T1071.004", "T1048"]
    assert first.time_ns == START_NS + 190 * SECOND
    assert [place["frame"] for place in first.evidence] == list(range(20, 10, -1))
    assert "threshold 20" in first.explanation
    assert sum(1 + event.details["suppressed"] for event in events) == 11
    assert said(slow(19)) == []
    assert said(slow(100, gap=16)) == []  # 18 or 19 at a time


@pytest.mark.parametrize(
    ("frames", "technique", "domain"),
    [
        (iodine(40), "long-names", "evil.org"),
        (iodine(40, A), "long-names", "evil.org"),
        (dnscat2(60), "odd-records", "evil.net"),
        (dnscat2(60, 60), "long-labels", "evil.net"),
        (dns2tcp(60), "long-labels", "evil.de"),
    ],
)
def test_known_tunnels(frames: list[Frame], technique: str, domain: str) -> None:
    events = said(frames)
    assert events[0].details["metadata"]["technique"] == technique
    assert {event.details["domain"] for event in events} == {domain}
    assert {event.details["ip"] for event in events} == {CLIENT}
    assert len({event.correlation_id for event in events}) == 1


def test_edges_of_the_thresholds() -> None:
    assert said(dnscat2(29)) == []
    assert said(dnscat2(30)) != []
    assert said(iodine(14)) == []
    assert said(iodine(15)) != []


def test_much_by_ordinary_questions() -> None:
    rng = random.Random(5)
    frames = [ask(n / 4, digits(rng, 40) + ".evil.com") for n in range(320)]
    [event, *_] = said(frames)
    assert event.details["metadata"]["technique"] == "many-names"
    assert event.details["metadata"]["names"] == 300
    assert said(frames[:299]) == []


def test_over_tcp_and_ipv6() -> None:
    assert said(slow(30, tcp=True))[0].details["protocol"] == "TCP"
    frames = [Frame(f.time_ns, f.data) for f in slow(30)]
    six = []
    for frame in frames:
        payload = frame.data[42:]
        body = c.ip("2001:db8::7", "2001:db8::53", 17, c.udp(40000, 53, payload))
        six.append(Frame(frame.time_ns, c.ethernet(body)))
    assert said(six)[0].details["ip"] == "2001:db8::7"


def test_repeated_questions_are_one_name() -> None:
    once = slow(10)
    again = [Frame(f.time_ns + n * SECOND // 10, f.data) for f in once for n in range(20)]
    assert said(again) == []
    shouted = [ask(n, ("aB" * 30 if n % 2 else "Ab" * 30) + ".evil.com") for n in range(100)]
    assert said(shouted) == []


def test_names_that_do_not_exist_are_counted_but_tell_nothing_alone() -> None:
    frames = slow(30)
    rng = random.Random(1)
    names = [letters(rng, 60) + ".x.evil.example.com" for n in range(30)]
    refused = [ask(n * 10 + 0.1, name, refused=True) for n, name in enumerate(names)]
    assert said(refused) == []
    [event, *_] = said([*frames, *refused])
    assert event.details["metadata"]["refused"] == 19


def test_clients_and_domains_are_counted_apart() -> None:
    rng = random.Random(6)
    frames = [
        ask(n, letters(rng, 60) + f".evil{n % 5}.com", src=f"192.168.1.{10 + n % 3}")
        for n in range(240)
    ]
    assert said(frames) == []  # 15 pairs of 16 names


def test_events_are_safe_to_read() -> None:
    head = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0)
    frames = []
    for n in range(30):
        label = b"\x1b[31m\n" + b"%056d" % n
        name = bytes([len(label)]) + label + b"\x04e\x1bil\x03com\0"
        body = c.ip(CLIENT, SERVER, 17, c.udp(9, 53, head + name + struct.pack(">HH", 16, 1)))
        frames.append(Frame(START_NS + n * SECOND, c.ethernet(body)))
    event = said(frames)[0]
    assert event.details["domain"] == "e?il.com"
    assert "\x1b" not in event.encoded().decode("unicode_escape")


# What is ordinary


def spread(names: list[str], kind: int = A, over: float = 290.0, **more: object) -> list[Frame]:
    step = over / len(names)
    return [ask(n * step, name, kind, **more) for n, name in enumerate(names)]  # type: ignore[arg-type]


def blocklists(rng: random.Random) -> list[Frame]:
    """A mail server asks five lists about 600 addresses; most are not listed."""
    frames = []
    zones = (
        "zen.spamhaus.org",
        "bl.spamcop.net",
        "dnsbl.sorbs.net",
        "b.example-bl.org",
        "ix.dnsbl.de",
    )
    for n in range(600):
        reverse = ".".join(str(rng.randrange(256)) for _ in range(4))
        for zone in zones:
            frames += [
                ask(n / 3, f"{reverse}.{zone}"),
                ask(n / 3, f"{reverse}.{zone}", refused=True),
            ]
    return frames


def mail(rng: random.Random) -> list[Frame]:
    """Signatures and policies of 300 senders, some of one large provider."""
    frames = []
    for n in range(300):
        domain = f"{letters(rng, 9)}.com" if n % 3 else f"{letters(rng, 8)}.mailprovider.com"
        names = [
            f"20230601._domainkey.{domain}",
            f"_dmarc.{domain}",
            domain,
            f"selector1._domainkey.{domain}",
        ]
        frames += [ask(n * 0.9, name, TXT) for name in names]
    return frames


ORDINARY = {
    "hashed content servers": lambda r: spread(
        [f"{digits(r, 32)}.cdn{n % 3}.example-cdn.net" for n in range(200)]
    ),
    "md5 below one domain": lambda r: spread([f"{digits(r, 32)}.hashcdn.net" for _ in range(200)]),
    "cloudfront": lambda r: spread([f"d{letters(r, 13)}.cloudfront.net" for _ in range(800)]),
    "load balancers": lambda r: spread(
        [f"internal-{letters(r, 32)}-{r.randrange(10**9)}.eu-central-1.elb.amazonaws.com" for _ in range(400)]
    ),
    "advertisements": lambda r: spread(
        [f"{digits(r, 32)}.safeframe.googlesyndication.com" for _ in range(100)]
    ),
    "video": lambda r: spread([f"rr{r.randrange(9)}---sn-{letters(r, 8)}.googlevideo.com" for _ in range(99)]),
    "antivirus": lambda r: spread(
        [f"0.0.0.0.1.0.0.4e.{letters(r, 26)}.avqs.mcafee.com" for _ in range(300)]
    ),
    "antivirus by hash": lambda r: spread(
        [f"{hashlib.sha1(bytes([n])).hexdigest()}.lookup.av-vendor.com" for n in range(120)], TXT, 3000
    ),
    "sophos": lambda r: spread([f"{digits(r, 60)}.{digits(r, 20)}.s.sophosxl.net" for _ in range(200)]),
    "blocklists": blocklists,
    "mail": mail,
    "reverse 4": lambda r: spread(
        [".".join(str(r.randrange(256)) for _ in range(4)) + ".in-addr.arpa" for _ in range(900)], 12
    ),
    "reverse 6": lambda r: spread([".".join(digits(r, 32)) + ".ip6.arpa" for _ in range(900)], 12),
    "domain controllers": lambda r: spread(
        [
            f"_ldap._tcp.{digits(r, 8)}-{digits(r, 4)}-{digits(r, 4)}-{digits(r, 4)}-{digits(r, 12)}"
            f".domains._msdcs.corp.example.com"
            for _ in range(40)
        ],
        SRV,
    ),
    "browser probes": lambda r: spread([f"{letters(r, 12)}.corp.local" for _ in range(30)]),
    "telemetry": lambda r: spread([f"v{n}.events.data.telemetry-vendor.com" for n in range(60)]),
    "kubernetes": lambda r: spread(
        [f"{letters(r, 10)}-{letters(r, 5)}.namespace-{n % 7}.svc.cluster.local" for n in range(900)]
    ),
    "multicast": lambda r: [
        ask(n / 9, f"{letters(r, 60)}._tcp.local", 12, port=5353) for n in range(200)
    ],
    "acme": lambda r: spread([f"_acme-challenge.{letters(r, 12)}.example.net" for _ in range(200)], TXT),
}  # fmt: skip


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_questions(kind: str) -> None:
    assert said(ORDINARY[kind](random.Random(9))) == []


def test_settings() -> None:
    frames = slow(30)
    assert said(frames, ignore_domains=["example.com"]) == []
    assert said(frames, ignore_domains=["X.Evil.example.com."]) == []
    assert said(frames, ignore_domains=["y.example.com", "other.example.com"]) != []
    assert said(frames, exclude_ips=["192.168.1.0/28"]) == []
    assert said(frames, label_names=31) == []
    assert said(frames, window_s=100) == []


def random_traffic(rng: random.Random) -> list[Frame]:
    frames, now = [], 0.0
    pool = [letters(rng, rng.choice([20, 45, 60])) for _ in range(60)]
    for _ in range(rng.randrange(20, 250)):
        now += rng.choice([0, 0.1, 2, 30, 160])
        name = f"{rng.choice(pool)}.{rng.choice(['a', 'b'])}.com"
        src = f"10.0.0.{rng.randrange(1, 3)}"
        kind = rng.choice([A, TXT])
        frames.append(ask(now, name, kind, src, refused=rng.random() < 0.2))
    return frames


@given(st.integers(0, 10**9))
@settings(max_examples=20, deadline=None)
def test_the_law_on_random_traffic(seed: int) -> None:
    frames = random_traffic(random.Random(seed))
    options = {"label_names": 4, "odd_names": 3, "many_names": 6, "many_bytes": 200}
    check_detector(lambda: DnsTunnel(**options), packets(frames), (2, 5, len(frames)))


def test_garbage_harms_nothing() -> None:
    rng = random.Random(7)
    frames = [
        Frame(
            START_NS + n,
            c.ethernet(c.ip(CLIENT, SERVER, 17, c.udp(9, 53, rng.randbytes(rng.randrange(300))))),
        )
        for n in range(500)
    ]
    whole = slow(1)[0].data
    frames += [Frame(START_NS + 1000 + n, whole[:n]) for n in range(14, len(whole))]
    assert said(frames) == []
    run(DnsTunnel(), [packets([])])


def test_flood_of_random_names_is_bounded_and_hides_no_tunnel_of_its_time() -> None:
    rng = random.Random(3)
    detector, events = DnsTunnel(max_names=4000, max_watched=10), []
    hidden = iodine(200)
    for second in range(10):
        frames = [
            ask(
                second + n / 1000,
                f"{letters(rng, 40)}.{letters(rng, 4)}.com",
                src=f"10.{rng.randrange(256)}.{rng.randrange(256)}.7",
            )
            for n in range(1000)
        ]
        frames += [f for f in hidden if f.time_ns // SECOND - START_NS // SECOND == second]
        events += detector.inspect(packets(frames))
    events += detector.flush()
    assert {event.details["ip"] for event in events} == {CLIENT}
    assert detector.counts()["evicted_names"] > 1000
