"""Broken lines through every log format and every detector of lines; broken rules through loaders.

``python -m tests.golden.test_fuzz_lines SECONDS [SEED]`` searches longer; what breaks something is
kept in `found/`, where each is tried again by every run of the tests.
"""

from __future__ import annotations

import functools
import random
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mlids.batches import LineBatch
from mlids.config import ConfigManager
from mlids.errors import MLIDSError
from mlids.ingested import rules as ingested_rules
from mlids.lines.chunks import line_bounds
from mlids.sigma import rules as sigma_rules
from mlids.signatures import library
from mlids.testing import START_NS
from mlids.web import rules as web_rules
from tests.golden import loglines

FOUND = Path(__file__).with_name("found")
SECONDS = 2.0
SLOW_S = 1.0  # no input may take longer
DEEP = 10_000
BIG = 1_000_000
COLUMNS = (
    "time", "host", "program", "pid", "message", "src", "user", "outcome", "method", "target",
    "status", "size", "referrer", "agent", "cookies", "body", "vhost",
)  # fmt: skip
PIECES = tuple(
    text.encode("utf-8", "surrogatepass")
    for text in (
        "\0", "\x1b[31m", '"', "'", "[", "]", "{", "}", "(", ")", "\\", "%", "%00", "%ff", "\\x", "\\x22",
        "\\u", "\\u0000", "\\ud800", "\\udc00\\ud800", "\ud800", "\ufeff", "\u2028", "\u00a0", "\t", "\r",
        " ", "   ", "\n", "\r\n", "\n\n", "=", "==", "<", ">", "|", ",", ":", "::", "#", "-", "--", "/", ".",
        "0", "-1", "-0", "1e999", "-1e999", "1e-999", "NaN", "Infinity", "null", "true", "[]", "{}", '""',
        "9" * 25, "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1" * 5000,
        "0.", ".5", "1" + "0" * 30, "-62135596800", "253402300800", "99999999999999999999.5", "0x1F",
        "\u0661\u0662\u0663", "\u00b2", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
        "2025-02-30T25:61:61+99:99", "2262-04-12T00:00:00Z", "1677-09-20T00:00:00+23:59", "Feb 30 23:59:60",
        "Jan  0 00:00:00", "Feb 29 10:00:00", "31/Dec/9999:23:59:59 -2359", "01/Jan/0000:00:00:00 +0000",
        "99/Xxx/2025:99:99:99 +9999", "999.999.999.999", "::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3.4:99999",
        "1.2.3.4:\u0661", "[::]:1", "::1%" + "z" * 300, "#Fields: date time c-ip", "\n#Fields: \n", "\n#fields\t\n",
        "\n#separator \\x09\n", "\n#separator \\xff\n", "\n#separator  \n", "\n#path\tnotice\n", "\n#Software: Microsoft\n",
        "\n#fields\tts\tid.orig_h\tnote\tname\n", "\n#unset_field\t\n",
        "message repeated 999999999 times: [ ", "message repeated 2 times: [ Failed password for x from 1.2.3.4 port 1 ssh2]",
        "CEF:0|", "audit(", "type=EXECVE msg=audit(1.1:1): argc=99 a0=41 a9999=4 a1[9999]=41", " a0=4 ", " acct=0 ",
        "IN= OUT= SRC= DST= ", " SRC=1.2.3.4 ", "haproxy[1]: ", "sshd[99999999999]: ", '"status":', '"time":',
        "@cee: ", "order ", "aaab", "' or 1=1-- ", "<script>alert(1)</script>", "../../etc/passwd", "%2525252527",
    )
)  # fmt: skip


@functools.cache
def seeds() -> list[tuple[str, bytes]]:
    return loglines.seeds()


def mutated(line: bytes, chance: random.Random) -> bytes:
    """A few changes to a line: bytes, pieces of text, parts of it cut, doubled or moved."""
    new = bytearray(line)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(new) + 1)
        kind = chance.random()
        if kind < 0.5:
            new[at:at] = chance.choice(PIECES)
        elif kind < 0.6 and at < len(new):
            new[at] = chance.randrange(256)
        elif kind < 0.7:
            new[at : at + chance.choice((1, 2, 8, 40))] = b""
        elif kind < 0.78:
            new[at:at] = new[max(0, at - chance.choice((1, 10, 60))) : at] * chance.choice((1, 3))
        elif kind < 0.86:
            _revalued(new, chance)
        elif kind < 0.9:
            del new[at:]
        else:
            new[at:at] = chance.choice(seeds())[1][: chance.choice((20, 100, 1000))]
    return bytes(new)


def _revalued(new: bytearray, chance: random.Random) -> None:
    """Another value in the place of one: behind a mark up to the next."""
    marks = [at for at, octet in enumerate(new) if octet in b' =:,"[']
    if marks:
        begin = chance.choice(marks) + 1
        ends = [at for at in marks if at > begin]
        end = ends[0] if ends else len(new)
        new[begin:end] = chance.choice(PIECES)


def huge(line: bytes, chance: random.Random) -> bytes:
    """A line with one part that is far too much of something."""
    at = chance.randrange(len(line) + 1)
    part = chance.choice(
        (
            chance.choice(PIECES)[:200] * 300,
            b"x" * BIG,
            b"[" * DEEP,
            b'{"a":' * DEEP + b"1" + b"}" * DEEP,
            b"{" + b",".join(b'"k%d":1' % n for n in range(3000)) + b"}",
            b" ".join(b"k%d=v" % n for n in range(3000)),
            b"7" * 5000,
        )
    )
    return line[:at] + part + line[at:]


def text(chance: random.Random) -> tuple[str, bytes]:
    """A name of a format, and lines of it and of others, broken."""
    name, line = chance.choice(seeds())
    made = []
    for _ in range(chance.choice((1, 2, 5, 20))):
        if chance.random() < 0.3:
            line = chance.choice([one for of, one in seeds() if of == name])
        elif chance.random() < 0.05:
            line = chance.choice(seeds())[1]
        made.append(mutated(line, chance) if chance.random() < 0.9 else line)
    if chance.random() < 0.03:
        made[-1] = huge(made[-1], chance)
    if chance.random() < 0.1:
        name = chance.choice(loglines.names())
    end = chance.choice((b"\n", b"\n", b"\n", b"\r\n", b"\n\n"))
    return name, end.join(made) + b"\n"


def batch_of(data: bytes, name: str) -> LineBatch:
    """The lines of some bytes, as monitors make a batch of them."""
    starts, ends = line_bounds(data)
    numbers = np.arange(1, len(starts) + 1, dtype=np.int64)
    form = loglines.form(name)
    return LineBatch(data, starts, ends, numbers, source="fuzz.log", written=START_NS, format=form)


def attempt(name: str, data: bytes) -> None:
    """Every format looks at the lines, one parses them, and all detectors inspect them."""
    for known in loglines.names():
        assert 0 <= loglines.form(known).sniff(data) <= 1, known
    batch = batch_of(data, name)
    assert batch.format is not None
    assert len(batch.format.recognised(batch)) == len(batch)
    some = batch.take(np.arange(0, len(batch), 2))
    _read(some)
    _read(batch)
    for detector in loglines.detectors():
        for event in [*detector.inspect(batch), *detector.inspect(some)]:
            assert event.encoded()
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(detector.save()))
        detector.restore(state)
        for event in detector.flush():
            assert event.encoded()
        assert all(count >= 0 for count in detector.counts().values())


def _read(batch: LineBatch) -> None:
    assert len(batch.records()) == len(batch)
    for column in COLUMNS:
        try:
            values = batch.column(column)
        except KeyError:
            continue
        assert len(values) == len(batch)
        if column == "time":
            assert values.dtype == np.int64
        else:
            assert all(value is None or type(value) is bytes for value in values), column


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.lines")), ids=lambda path: path.stem)
def test_what_once_broke_something(path: Path) -> None:
    began = time.monotonic()
    attempt(path.stem.partition("-")[0], path.read_bytes())
    assert time.monotonic() - began < SLOW_S


@pytest.mark.parametrize("seed", range(2))
def test_broken_lines_break_nothing(seed: int) -> None:
    assert search(seed, SECONDS) == []


def search(seed: int, seconds: float, keep: bool = False) -> list[str]:
    """Try lines for so long; those that break something, and why."""
    seeds()
    attempt("app", b"x\n")  # what is compiled once is not counted
    chance, until, broken = random.Random(seed), time.monotonic() + seconds, []
    while time.monotonic() < until:
        name, data = text(chance)
        began = time.monotonic()
        try:
            attempt(name, data)
            took = time.monotonic() - began
            reason = f"{name} took {took:.1f} s" if took > SLOW_S else ""
        except Exception as error:
            reason = f"{name}: {type(error).__name__}: {error}"[:300]
        if reason:
            broken.append(reason)
            if keep:
                path = FOUND / f"{name}-{seed}-{len(broken)}.lines"
                path.write_bytes(data)
                print(f"{path.name}: {reason}", flush=True)
    return broken


# -- rules


def _shipped(*parts: str) -> list[bytes]:
    folder = resources.files("mlids").joinpath("rules", *parts)
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return [file.read_bytes() for file in files if file.name.endswith(".yaml")]


def _sigma(data: bytes) -> None:
    sigma_rules.parse(data)


def _config(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_bytes(data)
        assert ConfigManager(path, environment={}).settings


LOADERS: dict[str, tuple[list[bytes], Callable[[bytes], Any]]] = {
    "login": (_shipped("login"), lambda data: library.load(data, "login")),
    "log": (_shipped("log"), lambda data: library.load(data, "log")),
    "ingested": (_shipped("ingested"), ingested_rules.load),
    "web": (_shipped("web"), web_rules.load),
    "config": ([loglines.CONFIG.encode()], _config),
    "sigma": ([Path(__file__).with_name("lines_sigma.yaml").read_bytes()], _sigma),
}
YAML = (
    b"\0", b"\xff", b"\t", b": ", b"- ", b"{", b"}", b"[", b"]", b"&a ", b"*a", b"!!python/object:os.system x",
    b"!!binary x", b"!!float x", b"!!int x", b"!!timestamp 2025-99-99", b"2025-99-99", b"? ", b"|", b">", b"'", b'"',
    b"null", b"~", b".inf", b".nan", b"1" * 5000, b"0x", b"0b", b"1:99:99", b"-1", b"[" * 5000, b"{a: " * 2000, b"%", b"\n---\n", b"\n...\n",
    b"<<: *a", b"<<: {a: 1}", b"(", b")", b"(?P<", b"(?P<src>", b"{{ip}}", b"{{x}}", b"*", b"{1000}", b"\\", b"\\Q", b"\\pN",
    b'"\\ud800"', b'"\\x00"', b"\xf0\x9f\x92\xa9", b"true", b"holds: []", b"match: []", b"1 of them", b" and not ", b"|re: ", b"|cidr: ",
    b"|base64offset|contains: ", b"|windash: ", b"timespan: 99999999999999d", b"timespan: -1m", b"condition: {gte: 1e999}",
    b"a: &a [*a]", b"&x [*x]", b"- &b {c: *b}",
)  # fmt: skip


def rule_file(seed_texts: list[bytes], chance: random.Random) -> bytes:
    """A file of rules, broken."""
    new = bytearray(chance.choice(seed_texts))
    if chance.random() < 0.7:  # a short one breaks in more ways
        ends = [at for at, octet in enumerate(new) if octet == 10] or [0]
        del new[chance.choice(ends) + 1 :]
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(new) + 1)
        kind = chance.random()
        if kind < 0.6:
            new[at : at + chance.choice((0, 0, 3, 12))] = chance.choice(YAML)
        elif kind < 0.8:
            del new[at : at + chance.choice((1, 5, 40))]
        else:
            new[at:at] = new[max(0, at - 30) : at]
    return bytes(new)


def try_rules(kind: str, data: bytes) -> None:
    """Only an error that MLIDS itself tells is right."""
    try:
        LOADERS[kind][1](data)
    except MLIDSError as error:
        assert error.code in ("E002", "E107"), error


def search_rules(kind: str, seed: int, seconds: float, keep: bool = False) -> list[str]:
    """Try files of rules for so long; those that break the loader, and why."""
    chance, until, broken = random.Random(seed), time.monotonic() + seconds, []
    while time.monotonic() < until:
        data = rule_file(LOADERS[kind][0], chance)
        began = time.monotonic()
        try:
            try_rules(kind, data)
            took = time.monotonic() - began
            reason = f"took {took:.1f} s" if took > SLOW_S else ""
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:300]
        if reason:
            broken.append(reason)
            if keep:
                path = FOUND / f"{kind}-{seed}-{len(broken)}.rules"
                path.write_bytes(data)
                print(f"{path.name}: {reason}", flush=True)
    return broken


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.rules")), ids=lambda path: path.stem)
def test_rules_that_once_broke_something(path: Path) -> None:
    try_rules(path.stem.partition("-")[0], path.read_bytes())


@pytest.mark.parametrize("kind", LOADERS)
def test_broken_rules_are_told(kind: str) -> None:
    assert search_rules(kind, 0, 0.4) == []


def search_long(seed: int, seconds: float) -> list[str]:
    """Lines and rules for so long; what breaks something is kept."""
    found = search(seed, seconds * 0.8, keep=True)
    for kind in LOADERS:
        found += search_rules(kind, seed, seconds * 0.2 / len(LOADERS), keep=True)
    return found


if __name__ == "__main__":
    count = len(search_long(int((sys.argv[2:] or ["0"])[0]), float(sys.argv[1])))
    print(f"{count} found")
    sys.exit(count > 0)
