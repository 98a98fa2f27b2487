from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.detectors.wire_brute_force import WireBruteForce
from mlids.events import Event
from mlids.testing import START_NS, check_detector, packets, run

MS = 1_000_000
SECOND = 1000 * MS
OUT, HOST, INSIDE = "203.0.113.9", "192.168.1.10", "192.168.1.66"
MYSQL = b"\x48\0\0\x02\xff\x15\x04#28000Access denied for user 'root'@'203.0.113.9'"
POSTGRES = b'E\0\0\0\x64SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "x"\0\0'
SMB2 = b"\0\0\0\x49\xfeSMB\x40\0\0\0\x6d\0\0\xc0" + bytes(60)
SMB1 = b"\0\0\0\x23\xffSMB\x73\x6d\0\0\xc0" + bytes(30)


def tcp(
    time: float, src: str, dst: str, sport: int, port: int, flags: str, data: bytes = b""
) -> Frame:
    return Frame(
        START_NS + int(time), c.ethernet(c.ip(src, dst, 6, c.tcp(sport, port, flags, payload=data)))
    )


def session(
    time: float,
    sport: int,
    port: int,
    talk: list[tuple[str, int | bytes]],
    src: str = OUT,
    dst: str = HOST,
    gap: float = 20 * MS,
    end: str = "FA",
) -> list[Frame]:
    """A connection: ">" sends to the server, "<" back; what is said, or how many bytes."""
    frames = [
        tcp(time, src, dst, sport, port, "S"),
        tcp(time + MS, dst, src, port, sport, "SA"),
        tcp(time + 2 * MS, src, dst, sport, port, "A"),
    ]
    time += 3 * MS
    for way, what in talk:
        data = what if isinstance(what, bytes) else b"x" * what
        if way == ">":
            frames.append(tcp(time, src, dst, sport, port, "PA", data))
        else:
            frames.append(tcp(time, dst, src, port, sport, "PA", data))
        time += gap
    frames.append(tcp(time, src, dst, sport, port, end))
    frames.append(tcp(time + MS, dst, src, port, sport, "FA"))
    return frames


KEYS: list[tuple[str, int | bytes]] = [
    (">", 21), ("<", 41), (">", 1500), ("<", 1080), (">", 48), ("<", 500), (">", 16), (">", 44),
    ("<", 44), (">", 60), ("<", 52),
]  # fmt: skip
FAILED_SSH = [*KEYS, (">", 148), ("<", 52)]
COMMAND_SSH = [
    *KEYS,
    (">", 372),
    ("<", 330),
    (">", 640),
    ("<", 28),
    ("<", 600),
    (">", 200),
    ("<", 180),
]
KEYSCAN_SSH = KEYS[:6]
FAILED_RDP: list[tuple[str, int | bytes]] = [
    (">", 43), ("<", 19), (">", 300), ("<", 1200), (">", 600), ("<", 300), (">", 700), ("<", 120),
]  # fmt: skip
FAILED_VNC: list[tuple[str, int | bytes]] = [
    ("<", 12), (">", 12), ("<", 2), (">", 1), ("<", 16), (">", 16), ("<", 30),
]  # fmt: skip


def refusals(
    count: int, port: int, answer: bytes, src: str = OUT, gap: float = 2 * SECOND
) -> list[Frame]:
    frames = []
    for n in range(count):
        talk = [("<", b"220 ready\r\n"), (">", b"USER bob\r\n"), ("<", answer)]
        frames += session(n * gap, 20000 + n, port, talk, src)
    return frames


def sessions(
    count: int, port: int, talk: Any, src: str = OUT, gap: float = 5 * SECOND
) -> list[Frame]:
    return [f for n in range(count) for f in session(n * gap, 20000 + n, port, talk, src)]


def said(
    frames: list[Frame], pieces: tuple[int, ...] = (1, 3, 7, 50), **options: Any
) -> list[Event]:
    return check_detector(lambda: WireBruteForce(**options), packets(frames), pieces)


@pytest.mark.parametrize(
    ("port", "service", "answer"),
    [
        (21, "ftp", b"530 Login incorrect.\r\n"),
        (21, "ftp", b"530-User cannot log in.\r\n530 End\r\n"),
        (25, "smtp", b"535 5.7.8 Error: authentication failed\r\n"),
        (587, "smtp", b"535 Authentication credentials invalid\r\n"),
        (110, "pop3", b"-ERR [AUTH] Authentication failed.\r\n"),
        (143, "imap", b"a1 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"),
        (23, "telnet", b"\r\nLogin incorrect\r\nhost login: "),
        (3306, "mysql", MYSQL),
        (5432, "postgresql", POSTGRES),
        (445, "smb", SMB2),
        (139, "smb", SMB1),
    ],
)
def test_refusals_in_clear_text(port: int, service: str, answer: bytes) -> None:
    events = said(refusals(14, port, answer))
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 10]
    first = events[0]
    assert (first.type, first.severity) == ("Brute Force", "HIGH")
    assert first.rule == f"wire_brute_force/{service}"
    assert (first.details["ip"], first.details["target"], first.details["port"]) == (
        OUT,
        HOST,
        port,
    )
    assert first.details["protocol"] == "TCP"
    assert first.confidence == 0.9
    assert first.techniques == ["T1110.001"]
    assert first.details["metadata"]["failures"] == 5
    assert first.evidence[0] == {"source": "test.pcap", "frame": 4 * 8 + 6}
    assert len(first.evidence) == 5
    assert "threshold 5 in 600 s" in first.explanation


@pytest.mark.parametrize(("count", "found"), [(4, False), (5, True)])
def test_threshold_of_refusals(count: int, found: bool) -> None:
    frames = refusals(count, 21, b"530 Login incorrect.\r\n")
    assert bool(said(frames)) is found
    assert bool(said(frames, threshold=count)) is True
    assert said(frames, threshold=count + 1) == []


@pytest.mark.parametrize(
    ("port", "answer"),
    [
        (21, b"230 Login successful.\r\n"),
        (21, b"530 Please login with USER and PASS.\r\n"),
        (21, b"550 530 Login incorrect.\r\n"),
        (25, b"250 2.1.0 Ok\r\n"),
        (25, b"550 5.7.1 535 no\r\n"),
        (110, b"+OK logged in\r\n"),
        (110, b"-ERR no such message\r\n"),
        (143, b"a1 OK logged in\r\n"),
        (143, b"a2 NO mailbox does not exist\r\n"),
        (23, b"Last login: today\r\n$ "),
        (3306, b"\x48\0\0\x02\xff\x7a\x04#42S02Table does not exist"),
        (5432, b"E\0\0\0\x64SERROR\0C42P01\0Mrelation does not exist\0\0"),
        (445, b"\0\0\0\x49\xfeSMB\x40\0\0\0\x16\0\0\xc0" + bytes(60)),
        (8021, b"530 Login incorrect.\r\n"),
    ],
)
def test_other_answers(port: int, answer: bytes) -> None:
    assert said(refusals(40, port, answer)) == []


def test_clients_cannot_accuse_themselves_of_others() -> None:
    """What a client sends is no refusal, whatever it says."""
    frames = []
    for n in range(20):
        talk = [("<", b"220 ready\r\n"), (">", b"530 Login incorrect.\r\n")]
        frames += session(n * SECOND, 20000 + n, 21, talk)
    assert said(frames) == []


def test_windows_slide() -> None:
    slow = refusals(14, 21, b"530 Login incorrect.\r\n", gap=200 * SECOND)
    assert said(slow) == []
    assert len(said(refusals(15, 21, b"530 Login incorrect.\r\n", gap=200 * SECOND))) == 1
    day = refusals(29, 21, b"530 Login incorrect.\r\n", gap=2900 * SECOND)
    assert said(day) == []
    thirty = said(refusals(30, 21, b"530 Login incorrect.\r\n", gap=2800 * SECOND))
    assert thirty[0].details["metadata"]["window_s"] == 86_400


def test_ssh_sessions_that_look_like_failures() -> None:
    events = said(sessions(30, 22, FAILED_SSH))
    assert [e.details["metadata"]["triggers"] for e in events] == [1, 10, 21]
    first = events[0]
    assert first.rule == "wire_brute_force/ssh"
    assert (first.details["ip"], first.details["target"]) == (OUT, HOST)
    assert first.confidence == 0.5
    assert first.severity == "HIGH"
    assert first.details["metadata"]["exact"] is False
    assert first.evidence[0]["frame"] == 9 * (len(FAILED_SSH) + 5) + 1
    assert [e.severity for e in said(sessions(12, 22, FAILED_SSH, INSIDE))] == ["MEDIUM"] * 2


@pytest.mark.parametrize(("count", "found"), [(9, False), (10, True)])
def test_threshold_of_sessions(count: int, found: bool) -> None:
    assert bool(said(sessions(count, 22, FAILED_SSH))) is found


def test_sessions_that_end_by_reset() -> None:
    frames = []
    for n in range(12):
        frames += session(n * SECOND, 20000 + n, 22, FAILED_SSH, end="RA")
    assert len(said(frames)) == 2


@pytest.mark.parametrize(
    "talk",
    [
        COMMAND_SSH,  # a command, host keys are told
        KEYSCAN_SSH,
        [("<", 41)],  # a port scan that reads the banner
        [(">", 21), ("<", 41)],
        [*KEYS, *[(">", 1400)] * 10, *[("<", 60)] * 4],  # a backup
        [*KEYS, (">", 200), *[("<", 1400)] * 8],  # a download
    ],
)
def test_other_ssh_sessions(talk: Any) -> None:
    assert said(sessions(60, 22, talk)) == []


def test_long_session_of_one_who_types() -> None:
    talk = [*KEYS, (">", 148), ("<", 28), *[(">", 36), ("<", 36)] * 20]
    frames = []
    for n in range(12):
        frames += session(n * 300 * SECOND, 20000 + n, 22, talk, gap=5 * SECOND)
    assert said(frames) == []


@pytest.mark.parametrize(
    ("port", "service", "talk"),
    [(3389, "rdp", FAILED_RDP), (5900, "vnc", FAILED_VNC), (2222, "ssh", FAILED_SSH)],
)
def test_sessions_of_other_services(port: int, service: str, talk: Any) -> None:
    [first, *_] = said(sessions(12, port, talk))
    assert first.rule == f"wire_brute_force/{service}"
    assert said(sessions(12, port + 1000, talk)) == []


def test_remote_desktop_in_use() -> None:
    talk = [*FAILED_RDP, *[("<", 1400)] * 20, *[(">", 40)] * 20]
    assert said(sessions(12, 3389, talk)) == []


def test_sources_and_servers_are_told_apart() -> None:
    one = refusals(5, 21, b"530 Login incorrect.\r\n")
    two = refusals(5, 21, b"530 Login incorrect.\r\n", "203.0.113.10")
    events = said([*one, *two])
    assert {e.details["ip"] for e in events} == {OUT, "203.0.113.10"}
    assert len({e.correlation_id for e in events}) == 2
    spread = [f for n in range(20) for f in refusals(1, 21, b"530 no\r\n", f"203.0.113.{n + 1}")]
    assert said(spread) == []


def test_lists_leave_out() -> None:
    frames = refusals(8, 21, b"530 Login incorrect.\r\n") + sessions(12, 22, FAILED_SSH)
    assert len({e.rule for e in said(frames)}) == 2
    for options in (
        {"ignore_sources": ["203.0.113.0/24"]},
        {"network_ignore_sources": [OUT]},
        {"ignore_targets": [HOST]},
        {"network_ignore_targets": [HOST]},
        {"exclude_ips": [OUT]},
        {"exclude_ips": [HOST]},
    ):
        assert said(frames, **options) == []
    # A server that is ignored as a source is still guarded as a target.
    assert said(frames, ignore_sources=[HOST]) != []


def test_bounds() -> None:
    rng = random.Random(3)
    frames = []
    for n in range(400):
        src = f"203.0.{rng.randrange(250)}.{rng.randrange(250)}"
        frames += session(n * 10 * MS, 20000, 21, [("<", b"530 Login incorrect.\r\n")], src)[:4]
        frames.append(tcp(n * 10 * MS, src, HOST, 20000, 22, "S"))
    detector = WireBruteForce(max_keys=100, max_sessions=100)
    run(detector, [packets(frames)])
    counts = detector.counts()
    assert counts["evicted_pairs"] > 100
    assert counts["evicted_sessions"] > 100


def test_garbage_harms_nothing() -> None:
    rng = random.Random(7)
    frames = []
    for n in range(300):
        port = rng.choice([21, 22, 23, 25, 110, 143, 445, 3306, 5432, 3389])
        data = rng.choice([b"530 ", b"-ERR", b"E", SMB2, MYSQL])[: rng.randrange(9)]
        frame = tcp(n * MS, HOST, OUT, port, 4000, "PA", data + rng.randbytes(rng.randrange(30)))
        frames.append(
            Frame(frame.time_ns, frame.data[: rng.randrange(14, len(frame.data))], len(frame.data))
        )
    said(frames)
    run(WireBruteForce(), [packets([])])


@given(st.integers(0, 10**9))
@settings(max_examples=20, deadline=None)
def test_the_law_on_random_sessions(seed: int) -> None:
    rng = random.Random(seed)
    frames = []
    for n in range(rng.randrange(1, 25)):
        talk = rng.choice([FAILED_SSH, COMMAND_SSH, KEYSCAN_SSH])
        src = rng.choice([OUT, INSIDE])
        begin, gap = rng.randrange(60) * SECOND, rng.choice([1, 300, 2000]) * MS
        frames += session(
            begin, 20000 + n, 22, talk, src, gap=gap, end=rng.choice(["FA", "R", "A"])
        )
        frames += session(begin, 30000 + n, 21, [("<", b"530 Login incorrect.\r\n")], src)
    rng.shuffle(frames)
    said(frames, (2, 5, max(1, len(frames) // 3)), sessions=3, threshold=3)
