from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import numpy as np
import pytest

from mlids.web import rules
from mlids.web.matching import matcher
from mlids.web.requests import AGENT, PATH, VALUE, request
from mlids.web.screening import WORDS, needs_look, screen

HERE = Path(__file__).parent
AGENTS = (HERE / "agents.txt").read_text("utf-8").splitlines()
TARGETS = (HERE / "targets.txt").read_text("utf-8").splitlines()
ATTACKS = [
    line.split("\t")[1] for line in (HERE / "attacks.txt").read_text("utf-8").split("\n") if line
]
VALUES = ATTACKS + [
    text for rule in rules.rules() if VALUE in rule.parts for text in rule.rule.match
]


def as_it_is(value: str) -> str:
    return value.replace("\n", "%0a").replace("&", "%26").replace("#", "%23")


def line(target: str, agent: str = AGENTS[0], referrer: str = "https://shop.example/") -> bytes:
    start = "203.0.113.7 - - [10/Oct/2024:13:55:36 +0000]"
    return f'{start} "GET {target} HTTP/1.1" 200 2326 "{referrer}" "{agent}"\n'.encode()


@pytest.mark.parametrize(
    "encode",
    [lambda value: quote(value, safe=""), quote, quote_plus, as_it_is,
     lambda value: quote(quote(value, safe=""), safe="")],
    ids=["all", "some", "plus", "raw", "twice"],
)  # fmt: skip
def test_no_attack_is_held_back(encode: Callable[[str], str]) -> None:
    held = []
    for value in VALUES:
        target = f"/search?q={encode(value)}"
        found = matcher().examine(request(b"GET", target.encode()))
        if found and not needs_look(line(target)):
            held.append(value)
    assert held == []


def test_no_scanner_is_held_back() -> None:
    for rule in rules.rules():
        for text in rule.rule.match:
            if rule.parts == {PATH}:
                assert needs_look(line(text)), text
            elif rule.parts == {AGENT}:
                assert needs_look(line("/", text)), text


def test_words_hidden_in_base64_are_seen() -> None:
    for word in WORDS:
        for before in ("", "x", "xy", "xyz"):
            for spelt in (word, word.upper(), word.capitalize()):
                text = base64.b64encode(before.encode() + spelt + b" 1").decode()
                assert needs_look(line(f"/?q={text}")), (word, before)


def test_ordinary_lines_are_let_pass() -> None:
    for agent in AGENTS:
        assert not needs_look(line("/", agent)), agent
    plain = [
        "/",
        "/index.html",
        "/static/js/main.4f3a2b.chunk.js?v=12",
        "/products/42?page=2&sort=price&utm_source=news",
        "/search?q=red+shoes+and+socks",
        "/search?q=caf%C3%A9%20cr%C3%A8me",
        "/select/a-shop",
        "/login?next=https%3A%2F%2Fapp.example.com%2Fhome",
        "/api/v1/users/123/orders/delete",
        "/a?t=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF123_-x",
        "/image.php?id=550e8400-e29b-41d4-a716-446655440000",
    ]
    assert [target for target in plain if needs_look(line(target))] == []
    share = sum(needs_look(line(target)) for target in TARGETS) / len(TARGETS)
    assert share < 0.9  # these are odd on purpose


def test_rows_of_a_buffer() -> None:
    texts = [line("/a"), line("/?q='"), line("/b"), line("/..%2f..%2f"), line("/c"), line("/.env")]
    starts = np.cumsum([0, *map(len, texts)])[:-1]
    assert screen(b"".join(texts), starts).tolist() == [1, 3, 5]
    assert screen(b"".join(texts[:1]), starts[:1]).tolist() == []
    assert screen(b"", np.zeros(0, np.int64)).tolist() == []
    assert [needs_look(text) for text in texts] == [False, True, False, True, False, True]


def test_a_sign_does_not_reach_into_the_next_line() -> None:
    texts = [b"GET /?q=1 or\n", b"= x\n", b"GET /?a=b\n"]
    starts = np.cumsum([0, *map(len, texts)])[:-1]
    assert set(screen(b"".join(texts), starts).tolist()) <= {0, 1}


def test_hundred_thousand_lines_take_no_time() -> None:
    text = b"".join(line(f"/products/{n}?page=2", AGENTS[n % len(AGENTS)]) for n in range(20_000))
    starts = np.flatnonzero(np.frombuffer(b"\n" + text[:-1], np.uint8) == 10)
    assert len(screen(text, starts)) == 0
    best = 9.0
    for _ in range(3):
        begin = time.perf_counter()
        screen(text, starts)
        best = min(best, time.perf_counter() - begin)
    assert 20_000 / best > 150_000
