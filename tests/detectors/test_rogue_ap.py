from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.detectors.rogue_ap import RogueAp
from mlids.events import Event
from mlids.testing import START_NS, check_detector, packets, run

SECOND = 1_000_000_000
OURS, SECOND_OURS, EVIL, CLIENT = (
    "3c:52:82:00:00:01",
    "3c:52:82:00:00:02",
    "02:13:37:00:00:66",
    "a4:5e:60:00:00:07",
)
ALL = "ff:ff:ff:ff:ff:ff"
CORP = {"ssid": "Corp", "bssids": [OURS, SECOND_OURS.upper()], "channels": [1, 6]}
PLAIN, RADIOTAP, PPI = 105, 127, 192
PSK, SAE = 0x000FAC02, 0x000FAC08


def raw(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def head(subtype: int, receiver: str, sender: str, bssid: str, flags: int = 0) -> bytes:
    addresses = raw(receiver) + raw(sender) + raw(bssid)
    return bytes([subtype << 4, flags]) + b"\0\0" + addresses + b"\0\0"


def element(kind: int, value: bytes) -> bytes:
    return bytes([kind, len(value)]) + value


def rsn(*suites: int) -> bytes:
    body = struct.pack("<H", 1) + b"\0\x0f\xac\x04" + struct.pack("<H", 1) + b"\0\x0f\xac\x04"
    return element(
        48, body + struct.pack("<H", len(suites)) + struct.pack(f">{len(suites)}I", *suites)
    )


SECURITY = {
    "open": (0x0001, b""),
    "wep": (0x0011, b""),
    "wpa": (0x0011, element(221, b"\x00\x50\xf2\x01\x01\x00")),
    "wpa2": (0x0011, rsn(PSK)),
    "mixed": (0x0011, rsn(PSK, SAE)),
    "wpa3": (0x0011, rsn(SAE)),
    "owe": (0x0011, rsn(0x000FAC12)),
}


def beacon(
    ssid: bytes | str, bssid: str = OURS, channel: int = 6, security: str = "wpa2", *,
    response: bool = False, more: bytes = b"",
) -> bytes:  # fmt: skip
    name = ssid.encode() if isinstance(ssid, str) else ssid
    capabilities, protection = SECURITY[security]
    body = bytes(8) + struct.pack("<HH", 100, capabilities) + element(0, name)
    body += element(1, b"\x82\x84") + (element(3, bytes([channel])) if channel else b"")
    receiver = CLIENT if response else ALL
    return head(5 if response else 8, receiver, bssid, bssid) + body + protection + more


def deauth(
    bssid: str = OURS, client: str = ALL, subtype: int = 12, flags: int = 0, sender: str = ""
) -> bytes:
    return head(subtype, client, sender or bssid, bssid, flags) + struct.pack("<H", 7)


def wrapped(frame: bytes, kind: int, frequency: int = 2437) -> bytes:
    if kind == RADIOTAP:
        return struct.pack("<BBHIHH", 0, 0, 12, 0x08, frequency, 0) + frame
    if kind == PPI:
        return struct.pack("<BBHI", 0, 0, 8, PLAIN) + frame
    return frame


def at(seconds: float, frame: bytes) -> Frame:
    return Frame(START_NS + int(seconds * SECOND), frame)


def said(frames: list[Frame], kind: int = PLAIN, **options: object) -> list[Event]:
    batch = packets([Frame(f.time_ns, wrapped(f.data, kind)) for f in frames], kind)
    return check_detector(lambda: RogueAp(**options), batch, (1, 3, 7, 50))


def ours(*networks: dict[str, object]) -> dict[str, object]:
    return {"networks": list(networks) or [CORP]}


def techniques(events: list[Event]) -> list[str]:
    return [event.details["metadata"]["technique"] for event in events]


def air(seconds: int = 20) -> list[Frame]:
    """Our two access points and some neighbours, as they should be."""
    frames = []
    for n in range(seconds * 5):
        frames += [
            at(n / 5, beacon("Corp", OURS, 1)),
            at(n / 5 + 0.01, beacon("Corp", SECOND_OURS, 6)),
            at(n / 5 + 0.02, beacon("Café", "f0:00:00:00:00:09", 11, "open")),
            at(n / 5 + 0.03, beacon(b"", "f0:00:00:00:00:0a", 11)),
        ]
        if n % 9 == 0:
            frames.append(at(n / 5 + 0.04, beacon("Corp", OURS, 1, response=True)))
    return frames


@pytest.mark.parametrize("kind", [PLAIN, RADIOTAP, PPI])
def test_evil_twin(kind: int) -> None:
    assert said(air(), kind, **ours()) == []
    events = said([*air(), at(3.5, beacon("Corp", EVIL))], kind, **ours())
    [event] = events
    assert (event.type, event.severity, event.rule) == ("Rogue AP", "HIGH", "rogue_ap/evil-twin")
    assert event.details["bssid"] == EVIL
    assert event.details["ssid"] == "Corp"
    assert event.details["metadata"]["channel"] == 6
    assert event.details["metadata"]["security"] == "wpa2"
    assert event.techniques == ["T1557.004"]
    assert event.time_ns == START_NS + 35 * SECOND // 10
    assert event.evidence[0]["source"] == "test.pcap"
    assert said([*air(), at(3.5, beacon("Corp", EVIL))], kind) == []  # without an inventory


def test_beacons_go_on_by_the_volume_law() -> None:
    events = said([at(n / 10, beacon("Corp", EVIL)) for n in range(150)], **ours())
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 10, 100, 150]
    assert len({e.correlation_id for e in events}) == 1


def test_random_access_points_with_our_name_make_no_flood_of_events() -> None:
    frames = [
        at(n / 100, beacon("Corp", f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}")) for n in range(2000)
    ]
    events = said(frames, **ours())
    assert len(events) < 210
    assert sum(1 + e.details["suppressed"] for e in events) == 2000


@pytest.mark.parametrize("name", ["CORP", "Corp ", "Co\u200brp", "\uff23orp", b"Corp\0\0"])
def test_names_that_look_alike(name: str | bytes) -> None:
    [event] = said([*air(2), at(3, beacon(name, EVIL))], **ours())
    assert event.rule == "rogue_ap/evil-twin"
    assert "looks like Corp" in event.explanation
    assert said([at(3, beacon(name, OURS))], **ours()) == []
    assert said([at(3, beacon("Corporate", EVIL))], **ours()) == []


@pytest.mark.parametrize(
    ("offered", "least", "weak"),
    [
        ("open", "wpa2", True),
        ("wep", "wpa2", True),
        ("wpa", "wpa2", True),
        ("owe", "wpa2", True),
        ("wpa2", "wpa2", False),
        ("mixed", "wpa2", False),
        ("wpa3", "wpa2", False),
        ("wpa2", "wpa3", True),
        ("mixed", "wpa3", False),
        ("open", "open", False),
        ("owe", "open", False),
    ],
)
def test_weaker_security(offered: str, least: str, weak: bool) -> None:
    events = said(
        [at(0, beacon("Corp", OURS, security=offered))], **ours({**CORP, "security": least})
    )
    assert techniques(events) == (["downgrade"] if weak else [])


def test_our_access_point_where_it_never_is() -> None:
    [event] = said([at(0, beacon("Corp", OURS, 11))], **ours())
    assert (event.rule, event.severity) == ("rogue_ap/channel", "MEDIUM")
    high = element(61, bytes([36]) + bytes(21))  # 5 GHz names its channel elsewhere
    assert techniques(said([at(0, beacon("Corp", OURS, 0, more=high))], **ours())) == ["channel"]
    assert said([at(0, beacon("Corp", OURS, 0))], RADIOTAP, **ours()) == []  # tuned to channel 6


def test_two_channels_at_once() -> None:
    to_and_fro = [at(n / 2, beacon("Corp", OURS, (1, 6)[n % 2])) for n in range(4)]
    events = said(to_and_fro, **ours())
    assert techniques(events) == ["two-channels", "two-channels"]
    assert events[0].details["metadata"]["channels"] == [1, 6]
    assert events[0].time_ns == START_NS + SECOND
    moved = [at(n / 10, beacon("Corp", OURS, 1 if n < 20 else 6)) for n in range(60)]
    assert said(moved, **ours()) == []
    slow = [at(n * 2.1, beacon("Corp", OURS, (1, 6)[n % 2])) for n in range(9)]
    assert said(slow, **ours()) == []


def test_several_networks_of_one_name() -> None:
    guests = {"ssid": "Corp", "bssids": [EVIL], "security": "open"}
    frames = [*air(2), at(1, beacon("Corp", EVIL, security="open"))]
    assert said(frames, **ours(CORP, guests)) == []
    assert techniques(said(frames, **ours(CORP))) == ["evil-twin"]
    anywhere = {"ssid": "Corp"}  # no access points named: only its security is judged
    assert techniques(said(frames, **ours(anywhere))) == ["downgrade"]


def test_karma() -> None:
    names = ["Airport", "HomeNet", "Hotel Guest", "Office"]
    frames = [at(n * 10, beacon(name, EVIL, response=True)) for n, name in enumerate(names)]
    events = said(frames)
    assert techniques(events) == ["karma", "karma"]
    assert events[0].severity == "LOW"
    assert events[0].details["metadata"]["names"] == names[:3]
    assert events[0].time_ns == START_NS + 20 * SECOND
    [event, *_] = said(frames, **ours({"ssid": "Hotel Guest"}))
    assert event.severity == "HIGH" or "downgrade" in techniques([event])
    assert said(frames[:2]) == []
    alike = [
        at(n, beacon(name, EVIL, response=True))
        for n, name in enumerate(["Home", "Home-5G", "HOME guest"])
    ]
    assert said(alike) == []
    apart = [
        at(n, beacon(name, f"f0:00:00:00:00:{n:02x}", response=True))
        for n, name in enumerate(names)
    ]
    assert said(apart) == []
    slow = [at(n * 61, beacon(name, EVIL, response=True)) for n, name in enumerate(names)]
    assert said(slow) == []


def test_flood_of_new_names() -> None:
    def flood(count: int, begin: float = 0) -> list[Frame]:
        return [
            at(begin + n / 10, beacon(f"free wifi {n}", f"02:00:00:00:00:{n:02x}"))
            for n in range(count)
        ]

    assert said(flood(49)) == []
    [event] = said(flood(50))
    assert (event.rule, event.severity) == ("rogue_ap/beacon-flood", "LOW")
    assert event.details["metadata"]["count"] == 50
    assert event.techniques == ["T1498"]
    assert said(flood(50, 100), **ours()) != []
    [event] = said([*air(2), *flood(50, 100)], **ours())
    assert event.severity == "HIGH"
    same = [at(n / 10, beacon("one", f"02:00:00:00:00:{n:02x}")) for n in range(99)]
    assert said(same) == []
    street = [at(n * 3, beacon(f"home {n}", f"02:00:00:00:00:{n:02x}")) for n in range(99)]
    assert said(street) == []


@pytest.mark.parametrize("subtype", [10, 12])
def test_flood_of_deauthentications(subtype: int) -> None:
    fast = [at(n * 0.1, deauth(subtype=subtype)) for n in range(10)]
    [event] = said(fast, **ours())
    assert (event.rule, event.severity) == ("rogue_ap/deauth-flood", "HIGH")
    assert event.details["bssid"] == OURS
    assert event.time_ns == START_NS + 9 * SECOND // 10
    assert len(event.evidence) == 10
    assert [e.severity for e in said(fast)] == ["LOW"]
    assert said(fast[:9], **ours()) == []
    steady = [at(n * 2, deauth(client=CLIENT, sender=CLIENT)) for n in range(30)]
    assert len(said(steady, **ours())) == 1
    assert said(steady[:29], **ours()) == []
    assert said([at(n * 2.1, f.data) for n, f in enumerate(steady)], **ours()) == []


def test_deauthentications_that_are_none() -> None:
    assert said([at(0, deauth())], **ours()) == []
    assert said([at(n / 50, deauth(flags=0x40)) for n in range(50)], **ours()) == []  # protected
    assert said([at(n / 50, deauth(flags=0x08)) for n in range(50)], **ours()) == []  # sent again
    apart = [at(n / 50, deauth(f"f0:00:00:00:00:{n:02x}")) for n in range(50)]
    assert said(apart, **ours()) == []


def test_names_are_safe_to_read() -> None:
    evil = {"ssid": "Corp"}
    frames = [at(n / 100, beacon(b"\x1b[31mx\n%d\xff" % n, EVIL)) for n in range(60)]
    for event in said(frames, **ours(evil)):
        text = event.encoded().decode("unicode_escape")
        assert "\x1b" not in text
        assert "\n" not in text


def random_air(rng: random.Random) -> list[Frame]:
    frames, now = [], 0.0
    points = [OURS, SECOND_OURS, EVIL]
    for _ in range(rng.randrange(10, 200)):
        now += rng.choice([0, 0.1, 0.9, 5, 70])
        name = rng.choice(["Corp", "corp", "a", "bcdef", "ghijk", "lmnop", ""])
        point = rng.choice(points)
        if rng.random() < 0.3:
            frames.append(at(now, deauth(point, subtype=rng.choice([10, 12]))))
        else:
            security, channel = rng.choice(list(SECURITY)), rng.choice([0, 1, 6])
            response = rng.random() < 0.5
            frames.append(at(now, beacon(name, point, channel, security, response=response)))
    return frames


@given(st.integers(0, 10**9))
@settings(max_examples=25, deadline=None)
def test_the_law_on_random_air(seed: int) -> None:
    frames = random_air(random.Random(seed))
    options = ours() | {"karma_names": 2, "beacon_names": 3, "deauth_burst": 2, "deauth_minute": 4}
    batch = packets(frames, PLAIN)
    check_detector(lambda: RogueAp(**options), batch, (2, 5, len(frames)))


@pytest.mark.parametrize("kind", [PLAIN, 119, RADIOTAP, 163, PPI])
def test_garbage_harms_nothing(kind: int) -> None:
    rng = random.Random(7)
    whole = [wrapped(beacon("Corp", EVIL, security="mixed"), kind), wrapped(deauth(), kind)]
    frames = [Frame(START_NS + n, rng.randbytes(rng.randrange(120))) for n in range(300)]
    frames += [Frame(START_NS + 999 + n, each[:n]) for each in whole for n in range(len(each))]
    for _ in range(300):
        damaged = bytearray(rng.choice(whole))
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        frames.append(Frame(START_NS + 5000, bytes(damaged)))
    check_detector(lambda: RogueAp(**ours()), packets(frames, kind), (3,))


def test_wired_captures_cost_nothing_and_say_nothing() -> None:
    wired = packets([c.ethernet(c.ip("10.0.0.1", "10.0.0.2", 6, c.tcp(1, 2, "S")))])
    assert run(RogueAp(**ours()), [wired, packets([])]) == []
    assert not wired.memo


def test_flood_of_random_points_is_bounded() -> None:
    rng = random.Random(3)
    detector = RogueAp(**ours())
    for second in range(10):
        frames = []
        for n in range(1500):
            point = "02:" + ":".join(f"{rng.randrange(256):02x}" for _ in range(5))
            frames.append(at(second + n / 2000, deauth(point)))
            frames.append(
                at(second + n / 2000, beacon(rng.randbytes(8), point, response=n % 2 == 0))
            )
        list(detector.inspect(packets(frames, PLAIN)))
    counts = detector.counts()
    assert counts["evicted_points"] > 10_000
    assert len(detector.save()["rings"][0]) <= 4096
