"""Lines that attackers make: they blame nobody else, take no time, and are told however they come."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from mlids import assembly
from mlids.batches import Detector, LineBatch
from mlids.events import Event, Severity
from mlids.lines.chunks import line_bounds
from mlids.signatures.compiled import Compiled
from mlids.signatures.examples import lines as example_lines
from mlids.signatures.library import library
from mlids.testing import START_NS, check_detector, lines, run
from tests.golden import loglines
from tests.golden.loglines import FIELD, WRITERS, Writer

OTHER = "198.51.100.66"
FORGED = tuple(
    text.replace("@", OTHER)
    for text in (
        "@", " @ ", '"@"', "'@'", "<@>", "[@]", "(@)", "@:4711", "::ffff:@", "x[@]", "x [@]:",
        "client: @", ", client: @, server: web.example", ", client: @", "[client @]", "[client @:4711] x",
        " [client @] user eve", "] [client @] ", "SRC=@", " SRC=@ DST=192.0.2.1 ",
        "IN=eth0 OUT= SRC=@ DST=192.0.2.1 PROTO=TCP SPT=1 DPT=22 WINDOW=1 SYN ",
        "[1.1] IN=eth0 OUT= SRC=@ DST=192.0.2.1 PROTO=TCP SPT=1 DPT=22 WINDOW=1 SYN ",
        " src=@", "x src=@ y", " src=@ dst=192.0.2.1 ", "|src=@|", "\\|src=@ ", "\\ src=@ ",
        " rhost=@", " rhost=@  user=root", " ruser= rhost=@  user=root", "x  rhost=@ ", " rip=@, lip=192.0.2.1",
        ">, rip=@, lip=192.0.2.1, x=<", "x from @ port 1", " from @ port 1 ssh2", " from @", "from @ port 1",
        "x from @ port 1 ssh2 ", "@ port 1 [preauth]", "x @ port 4711 [preauth]", "x[@]: SASL LOGIN authentication failed: y",
        "root from @ port 22 ssh2\nJan 13 10:30:45 gate sshd[1]: Failed password for root from @ port 22 ssh2",
        "sshd[1]: Failed password for root from @ port 22 ssh2", "Failed password for root from @ port 22 ssh2",
        "x\r\nJan 13 10:30:45 gate sshd[1]: Invalid user eve from @ port 1",
        "x#012Jan 13 10:30:45 gate sshd[1]: Invalid user eve from @ port 1",
        "x%0aJan 13 10:30:45 gate sshd[1]: Invalid user eve from @ port 1",
        "X-Forwarded-For: @", "@, @", "for=@;proto=http", "for=\"[::ffff:@]\"", "X-Real-IP: @",
        '","remote_addr":"@","x":"', '", "ip": "@", "a": "', '"}{"remote_addr":"@","status":404}',
        '{"remote_addr":"@","request":"GET /?a=1%27%20or%201=1--%20 HTTP/1.1","status":200}',
        '{"ip":"@"}', '{"src_ip":"@"}', '{"sourceIPs":["@"]}', '{"client_ip":"@","method":"GET","uri":"/?q=<script>alert(1)</script>","status":200}',
        '\\", \\"remote_addr\\": \\"@\\"', '\\u0022,\\u0022ip\\u0022:\\u0022@\\u0022', "\\x22,\\x22remote_addr\\x22:\\x22@\\x22",
        "\\x22,\"ip\":\"@\"", '\\\\","remote_addr":"@","y":"', "\\", '\\"', '\\" ip=@ ', '" ip=@ x="', " ip=@ ", ",ip=@", "\tip=@",
        '" remote_addr=@ remoteAddr=@ client_ip=@ "', " remote_addr=@ client=@ ",
        '"@" "@"', '@ - - [13/Jan/2025:10:30:45 +0000] "GET /?q=<script>alert(1)</script> HTTP/1.1" 200 5',
        '\n@ - - [13/Jan/2025:10:30:45 +0000] "GET /?q=<script>alert(1)</script> HTTP/1.1" 200 5 "-" "-"',
        '] @ - - [13/Jan/2025:10:30:45 +0000] "GET / HTTP/1.1" 401 5',
        "haproxy: @:1 [13/Jan/2025:10:30:45.655] a b 1/2/3/4/5 200 1 - - ---- 1/1/1/1/0 0/0 ",
        "} @:1 [13/Jan/2025:10:30:45.655] a b 1/2/3/4/5 200 1", "x@@", "eve @ evil", "eve@[@]", "@/x", "//@/x", "http://@/x",
        "\t@\t", "x\t1736764245.5\tCabcdefgh1\t@\t1", "\\x09@\\x09", " - - 80 - @ - - 404 0 0 1", " GET /x - 80 - @ x - 404 0 0",
        "'addr=@ ", "'addr=@", "' addr=@ res=failed'", 'x"addr=@ ', " addr=@ ", "'hostname=@'addr=@",
        "type=USER_LOGIN msg=audit(1736764245.000:99): pid=7 msg='op=login acct=\"x\" addr=@ res=failed'",
        "CEF:0|a|b|1|2|n|9|src=@ outcome=failure", "@ CEF:0|a|b|1|2|n|9|src=@ outcome=failure",
        " outcome=failure src=@ suser=x duser=y", " request=http://web.example/?q=1' or 1=1--  src=@ c6a2=@",
        "#Fields: c-ip date", "order refused for eve by @", "x\norder refused for eve by @",
        "\x1b[2K@", "\u2028@", "\u00a0@", "\x00@", "\x85from @ port 1", "{{@}}", "${@}", "%{@}",
        "message repeated 5 times: [ Failed password for root from @ port 1 ssh2]",
        "] [useragent: x] [client: @] [useragent: y", "x] GET /y 404 [client: @] [useragent: z] GET /x 404",
        "x -> @", "X-FORWARDED-FOR -> @", "GET /", "HTTP/1.1\" 404 5 \"-\" \"-\"\n@ - - ", "(evil.example[@]) - USER x",
        "x: no such user found from evil.example [@] to 192.0.2.1:21", "#@", "@#4711 (x): query (cache) 'x' denied",
    )
)  # fmt: skip


def wrong(batch: LineBatch) -> list[tuple[str, bytes]]:
    """Lines for which another is blamed than the one who did it, and by what."""
    found = []
    for detector in loglines.detectors():
        for event in run(detector, [batch]):
            serious = Severity(event.severity).rank >= Severity.MEDIUM.rank
            if serious and OTHER in str(event.details.get("ip", "")):
                found.append((event.rule, batch.line(int(event.evidence[0]["line"]) - 1)))
    return found


def sources(batch: LineBatch) -> list[tuple[str, bytes]]:
    """Lines of which the format itself takes the other for the client."""
    try:
        column = batch.column("src")
    except KeyError:
        return []
    rows = [row for row, src in enumerate(column) if src and OTHER.encode() in src]
    return [("column src", batch.line(row)) for row in rows]


# Each text goes into every third line of a kind, since there are several of each.
@pytest.mark.parametrize("name", sorted({writer.format for writer in WRITERS}))
def test_no_line_blames_a_third_party(name: str) -> None:
    writers = [writer for writer in WRITERS if writer.format == name]
    few = len(writers) < 6
    for number, writer in enumerate(writers):
        texts = FORGED if few else FORGED[number % 3 :: 3]
        made = [line for text in texts for line in writer.lines(text)]
        batch = lines(*made, format=loglines.form(name))
        assert sources(batch) + wrong(batch) == [], writer.template


def forged_examples(rule: Compiled, texts: Sequence[str]) -> Iterator[bytes]:
    """The examples of a rule with these texts in the place of their user."""
    for example in rule.rule.match:
        user, src = example.user, example.src
        if src and user and user != src and example.message.count(user) == 1:
            for text in texts:
                for spelt in (loglines.raw(text), loglines.quoted(text)):
                    yield from example_lines(
                        rule, example.message.replace(user, spelt), example.program
                    )


def test_no_user_of_a_rule_blames_a_third_party() -> None:
    by_format = defaultdict(list)
    for number, rule in enumerate(library().rules):
        made = list(forged_examples(rule, FORGED[number % 8 :: 8]))
        for name in sorted(rule.formats) or ("syslog", "app"):
            by_format[name] += made
    assert sum(map(len, by_format.values())) > 2000
    for name, made in by_format.items():
        assert wrong(lines(*made, format=loglines.form(name))) == [], name


# -- crashes that were found

CRASHES = (
    ("auth", "Jan 13 10:30:45 gate sshd[43]: Invalid user  408  from 203.0.113.7 port 4711"),
    ("json_lines", '{"logger": "sshd", "user": "Failed password", "ip": "203.0.113.7"}'),
    ("json_lines", '{"logger": "x", "message": null, "user": "Invalid user ", "x": " 408 "}'),
)


@pytest.mark.parametrize(("name", "line"), CRASHES)
def test_no_line_stops_a_detector(name: str, line: str) -> None:
    batch = lines(line, format=loglines.form(name))
    for detector in loglines.detectors():
        run(detector, [batch])
    batch.column("user")


# -- time

MAX_LINE = 65_536
MOST_S = 0.05
SLACK = 3  # for slow machines
FILLINGS = (
    *("[", "]", "(", "{", '"', "'", "\\", "\\x22", "\\=", "\\u0041", "a=b ", "%25", "%2525252525", "../"),
    *("%u0041", "' or 1=1 ", "<script", "&lt;", "&#x3c;", "${${", "QUJDREVGR0g", "/*", "[client 1.2.3.4] "),
    *(", client: 1.2.3.4", " SRC=1.2.3.4", " src=1.2.3.4", " from 1.2.3.4 port 1", ": ", '" 404 ', " ", "\t"),
    *("&a.b=c", "\xff", "\xc0\xaf", "0x41", "select ", "|cat ", "javascript:", "0", ";base64,QUJDREVGR0hJSktM"),
    "\\96$authentication failure; (style=x:expression(file://sleep(1) \\|\t%25'%2525252525/*0x41424344c:\\w\\/etc/passwd",
    "4\xbe\xe3\xb9\x0f\x9d?\xc1Z' or 1=1 $(#&x[a]=\\x22\\user=<! 0x27%25",
)  # fmt: skip


def _many(text: str) -> str:
    """As many of a text, numbered, as a line can hold."""
    count = (MAX_LINE - 200) // (len(text) + 4)
    return ",".join(text.replace("@", str(number)) for number in range(count))


SPECIAL = (
    ("json_lines", "{" + _many('"k@":1') + "}"),
    ("json_lines", '{"a":' + "[" * 30_000 + "]" * 30_000 + "}"),
    ("json_lines", '{"request":"GET /?q={' + _many('\\"k@\\":\\"<script\\"') + '} HTTP/1.1","status":404}'),
    ("json_lines", '{"log":"' + "\\ud800" * 10_000 + '"}'),
    ("json_lines", '{"path":"/","status":200,"query":"' + _many("a@=<script").replace(",", "&") + '"}'),
    ("falco", '{"priority":"Critical","rule":"x","output":"y","tags":[' + _many('"T1@"') + "]}"),
    ("eve", '{"event_type":"alert","flow_id":1,"alert":{"metadata":{"mitre_technique_id":[' + _many('"T1@"') + "]}}}"),
    ("auditd", "type=EXECVE msg=audit(1736764245.000:43): argc=9 " + _many("a@=41").replace(",", " ")),
    ("auditd", "type=EXECVE msg=audit(1736764245.000:43): argc=9 " + _many("a1[@]=41").replace(",", " ")),
    ("auditd", "type=USER_CMD msg=audit(1736764245.000:43): pid=1 msg='cmd=" + "41" * 32_000 + "'"),
    ("logfmt", _many("k@=v").replace(",", " ")),
    ("cef", "CEF:0|a|b|1|2|n|9|" + _many("k@=v").replace(",", " ")),
    ("iis", "#Fields: " + "c-ip " * 13_000),
    ("zeek", "1736764245.5\t" + "\t".join("x" * 30_000)),
)  # fmt: skip


def filled(writer: Writer, filling: str) -> bytes:
    """A line of the longest that there is, its fields full of a text."""
    parts = writer.template.encode().split(FIELD.encode())
    room = MAX_LINE - sum(map(len, parts))
    each = room // (len(parts) - 1)
    text = filling.encode("latin-1")
    value = (text * (each // len(text) + 1))[:each]
    return value.join(parts)[:MAX_LINE]


def taken(detectors: Sequence[Detector[Any]], name: str, line: bytes) -> float:
    """Seconds that all detectors take for a line, the best of three."""
    best = MOST_S * 1000
    for _ in range(3):
        batch = lines(line, format=loglines.form(name))
        began = time.perf_counter()
        for detector in detectors:
            for _ in detector.inspect(batch):
                pass
        best = min(best, time.perf_counter() - began)
        if best < MOST_S:
            break
    return best


def long_lines(name: str) -> Iterator[tuple[str, bytes]]:
    writers = [one for one in WRITERS if one.format == name and FIELD in one.template]
    for number, filling in enumerate(FILLINGS):
        for writer in {writers[0], writers[number % len(writers)]}:
            yield filling, filled(writer, filling)
    yield from ((text[:40], text.encode()) for of, text in SPECIAL if of == name)


@pytest.mark.parametrize("name", sorted({writer.format for writer in WRITERS}))
def test_no_line_takes_long(name: str) -> None:
    detectors = loglines.detectors()
    for _, line in long_lines(name):  # patterns are compiled when they are first needed
        taken(detectors, name, line[:2000])
    slow = {
        what: round(seconds, 3)
        for what, line in long_lines(name)
        if (seconds := taken(detectors, name, line)) > MOST_S * SLACK
    }
    assert slow == {}


# -- the law of cuts

Input = tuple[str, list[bytes]]  # a format, and lines


def cut(inputs: Sequence[Input], bounds: Sequence[Sequence[int]]) -> Iterator[LineBatch]:
    """The batches that monitors make of inputs which are read in pieces, each with its format."""
    for number, ((name, made), places) in enumerate(zip(inputs, bounds, strict=True)):
        form, base, first = loglines.form(name), 0, 1
        for begin, end in pairwise((0, *places, len(made))):
            data = b"".join(line + b"\n" for line in made[begin:end])
            starts, ends = line_bounds(data)
            numbers = np.arange(first, first + len(starts), dtype=np.int64)
            batch = LineBatch(
                data, starts, ends, numbers, f"{number}.log", base, written=START_NS, format=form
            )
            form.recognised(batch)
            base, first = base + len(data), first + len(starts)
            yield batch


def said(name: str, batches: Iterator[LineBatch], restarts: bool = False) -> list[bytes]:
    detector: Any = assembly.build(loglines.settings(), "detectors", name)
    events: list[Event] = []
    for batch in batches:
        if restarts:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(detector.save()))
            detector = assembly.build(loglines.settings(), "detectors", name)
            detector.restore(state)
        events += detector.inspect(batch)
    return sorted(event.encoded() for event in [*events, *detector.flush()])


def mixed(chance: random.Random) -> list[Input]:
    """A few inputs with lines of all formats' rules."""
    by_format = defaultdict(list)
    for name, line in loglines.seeds():
        by_format[name].append(line.replace(b"\n", b" "))
    names = chance.sample(sorted(by_format), 3)
    return [(name, [chance.choice(by_format[name]) for _ in range(30)]) for name in names]


@pytest.mark.parametrize("seed", range(8))
def test_nothing_depends_on_how_lines_were_cut(seed: int) -> None:
    chance = random.Random(seed)
    inputs = mixed(chance)
    whole: list[list[int]] = [[] for _ in inputs]
    pieces = [sorted(chance.sample(range(1, len(made)), 1 + seed)) for _, made in inputs]
    for name in assembly.detectors(loglines.settings(), LineBatch):
        expected = said(name, cut(inputs, whole))
        assert said(name, cut(inputs, pieces)) == expected, name
        assert said(name, cut(inputs, pieces), restarts=True) == expected, name


@pytest.mark.parametrize("name", loglines.names())
def test_every_detector_keeps_the_law_on_every_format(name: str) -> None:
    made = [line for of, line in loglines.seeds() if of == name] or [b"x"]
    batch = lines(*(made * 12)[:60], format=loglines.form(name))
    for detector in assembly.detectors(loglines.settings(), LineBatch):
        check_detector(
            lambda found=detector: assembly.build(loglines.settings(), "detectors", found),  # type: ignore[misc]
            batch,
            pieces=(3, 50),
        )
