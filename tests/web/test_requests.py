from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlids.web import requests
from mlids.web.requests import (
    AGENT,
    BODY,
    COOKIE,
    HEADER,
    MOST_PARTS,
    NAME,
    PATH,
    QUERY,
    REFERRER,
    VALUE,
    Part,
    body_begin,
    body_length,
    parse,
    request,
    several,
)

HEAD = (
    b"GET /a/b.php?id=1&name=x%20y&flag HTTP/1.1\r\n"
    b"Host: shop.example\r\n"
    b"User-Agent: curl/8\r\n"
    b"Referer: https://shop.example/s?q=old\r\n"
    b"Cookie: sid=abc; theme=dark;bare\r\n"
    b"X-Api: token\r\n"
    b"Accept: */*\r\n\r\n"
)


def values(made: requests.Request | None, kind: str) -> list[bytes]:
    assert made is not None
    return [part.value for part in made.parts if part.kind == kind]


def test_a_head_is_taken_apart() -> None:
    made = parse(HEAD)
    assert made is not None
    assert (made.method, made.path, made.host) == (b"GET", b"/a/b.php", b"shop.example")
    assert made.target == b"/a/b.php?id=1&name=x%20y&flag"
    assert values(made, PATH) == [b"/a/b.php"]
    assert values(made, QUERY) == [b"id=1&name=x%20y&flag"]
    assert values(made, VALUE) == [b"1", b"x%20y", b"flag"]
    assert values(made, COOKIE) == [b"abc", b"dark", b"bare"]
    assert values(made, AGENT) == [b"curl/8"]
    assert values(made, REFERRER) == [b"https://shop.example/s", b"old"]
    assert values(made, HEADER) == [b"token"]
    assert [p.label for p in made.parts if p.value == b"1"] == ["value id"]


@pytest.mark.parametrize("length", range(len(HEAD)))
def test_a_head_may_be_cut_anywhere(length: int) -> None:
    made = parse(HEAD[:length])
    if length > 5:
        assert made is not None
        assert HEAD.startswith(b"GET " + made.target[:20])


def test_a_line_of_a_log_makes_the_same_parts() -> None:
    logged = request(
        b"GET",
        b"/a/b.php?id=1&name=x%20y&flag",
        cookies=b"sid=abc; theme=dark;bare",
        referrer=b"https://shop.example/s?q=old",
        agent=b"curl/8",
    )
    seen = parse(HEAD)
    assert seen is not None
    left = [part for part in seen.parts if part.kind != HEADER]
    assert sorted(logged.parts) == sorted(left)


@pytest.mark.parametrize(
    "text", [b"", b"\x16\x03\x01", b"GET", b"SSH-2.0-x\r\n", b"\r\n\r\n", b" / "]
)
def test_what_is_no_request(text: bytes) -> None:
    assert parse(text) is None


def test_blanks_in_a_target_are_part_of_it() -> None:
    made = parse(b"GET /?q=1 or 1=1 HTTP/1.0\r\n\r\n")
    assert values(made, VALUE) == [b"1 or 1=1"]


def test_a_proxy_is_asked_for_an_address() -> None:
    made = parse(b"GET http://x.example/a?b=c HTTP/1.1\r\n\r\n")
    assert values(made, PATH) == [b"/a"]


def test_odd_names_of_parameters_are_parts() -> None:
    made = request(b"GET", b"/?a[1' or 1=1]=2&plain=3")
    assert values(made, NAME) == [b"a[1' or 1=1]=2"]
    assert values(request(b"GET", b"/?utm_source=a&b[0]=c&$top=5"), NAME) == []


def test_bodies() -> None:
    form = request(
        b"POST", b"/", body=b"a=1&b=%27", content_type=b"application/x-www-form-urlencoded"
    )
    assert values(form, BODY) == [b"1", b"%27"]
    document = json.dumps({"a": ["x", {"b c": "y'"}], "n": 1, "z": None}).encode()
    made = request(b"POST", b"/", body=document)
    assert sorted(values(made, BODY)) == [b"x", b"y'"]
    assert values(made, NAME) == [b"b c"]
    cut = request(b"POST", b"/", body=b'{"a": "x \\"y\\" <b", "c": "unfin')
    assert b'x "y" <b' in values(cut, BODY)
    assert any(b"unfin" in value for value in values(cut, BODY))
    xml = request(b"POST", b"/", body=b"<a>x=1</a>")
    assert values(xml, BODY) == [b"<a>x=1</a>"]
    parts = request(b"POST", b"/", body=b"--b\r\nx=1", content_type=b"multipart/form-data")
    assert values(parts, BODY) == [b"--b\r\nx=1"]


def test_json_in_a_value_is_opened() -> None:
    made = request(b"GET", b"/?q=%7B%22a%22%3A%22x%20y%22%7D")
    assert [part for part in made.parts if part.kind == VALUE] == [Part(VALUE, b"a", b"x y")]
    broken = request(b"GET", b"/?q={oops")
    assert values(broken, VALUE) == [b"{oops"]


def test_lengths_of_bodies() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
    assert body_length(head) == 5
    assert body_begin(head + b"12345") == len(head)
    assert body_length(head[:-2]) is None
    assert body_length(HEAD) == 0
    assert body_length(b"POST / HTTP/1.1\nContent-Length: 7\n\nx") == 7
    assert body_length(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n") == 0
    assert body_length(b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n") == 0


def test_several_requests_in_one_piece() -> None:
    post = b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\na=1"
    assert several(HEAD + post + HEAD) == [HEAD, post, HEAD]
    assert several(HEAD + b"rubbish") == [HEAD + b"rubbish"]
    assert several(HEAD[:30]) == [HEAD[:30]]
    assert len(several(b"GET / HTTP/1.1\r\n\r\n" * 500)) == requests.MOST_PIPELINED


def test_parts_are_bounded_and_none_is_lost() -> None:
    query = b"&".join(b"a%d=%d" % (n, n) for n in range(3000))
    made = request(b"GET", b"/?" + query)
    assert len(made.parts) <= MOST_PARTS + 10
    assert any(b"2999" in part.value for part in made.parts[-3:])


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_can_be_taken_apart(text: bytes) -> None:
    for head in (text, b"GET /" + text, b"POST / HTTP/1.1\r\n\r\n" + text, HEAD[:60] + text):
        made = parse(head)
        if made is not None:
            assert all(isinstance(part.value, bytes) for part in made.parts)
        several(head)
