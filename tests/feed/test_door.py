"""Who may connect."""

from __future__ import annotations

import socket

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from mlids.errors import MLIDSError, SinkError
from mlids.feed.door import Door, addresses, is_loopback, listening


def request(path: str = "/", *headers: tuple[str, str]) -> Request:
    return Request(path, Headers(list(headers)))


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:8080", True),
        ("https://localhost", True),
        ("http://127.0.0.1:3000", True),
        ("http://127.8.8.8", True),
        ("http://[::1]:9000", True),
        ("https://soc.example", True),
        ("https://soc.example:444", False),
        ("http://soc.example", False),
        ("https://evil.example", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://evil.example#localhost", False),
        ("http://localhost@evil.example", False),
        ("http://evil.example@localhost", True),
        ("file://localhost", False),
        ("null", False),
        ("", False),
        ("http://[", False),
    ],
)
def test_origins(origin: str, allowed: bool) -> None:
    door = Door(frozenset({"https://soc.example"}))
    assert door.allows(origin) == allowed
    refusal = door.refusal(request("/", ("Origin", origin)), 0)
    assert (refusal is None) == allowed
    assert allowed or (refusal and refusal[0] == 403)


def test_programs_without_an_origin_may_come_and_two_origins_may_not() -> None:
    assert Door().refusal(request(), 0) is None
    both = ("Origin", "http://localhost"), ("Origin", "https://evil.example")
    assert Door().refusal(request("/", *both), 0)


@pytest.mark.parametrize(
    ("path", "headers", "allowed"),
    [
        ("/", [], False),
        ("/?token=s3cr3t", [], True),
        ("/?token=wrong", [], False),
        ("/?token=wrong&token=s3cr3t", [], True),
        ("/?token=", [], False),
        ("/", [("Authorization", "Bearer s3cr3t")], True),
        ("/", [("Authorization", "Bearer s3cr3")], False),
        ("/", [("Authorization", "Basic s3cr3t")], False),
        ("/?" + "a=1&" * 50 + "token=s3cr3t", [], False),
        ("//[?token=s3cr3t", [], False),
        ("/?token=%ff%00", [], False),
    ],
)
def test_tokens(path: str, headers: list[tuple[str, str]], allowed: bool) -> None:
    refusal = Door(token="s3cr3t").refusal(request(path, *headers), 0)
    assert (refusal is None) == allowed
    assert allowed or (refusal and refusal[0] == 401)
    assert "s3cr3t" not in repr(refusal)


def test_no_more_clients_than_may_come() -> None:
    refusal = Door(max_clients=2).refusal(request(), 2)
    assert refusal
    assert refusal[0] == 503


def test_loopback_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost", "")))


def test_localhost_is_listened_on_in_full(free_port: int) -> None:
    sockets = listening("localhost", free_port)
    found = {opened.getsockname()[0] for opened in sockets}
    assert "127.0.0.1" in found
    assert found <= {address for _, address in addresses("localhost", free_port)}
    with pytest.raises(MLIDSError) as caught:
        listening("localhost", free_port)
    assert caught.value.code == "E008"
    for opened in sockets:
        opened.close()


def test_places_that_are_not_ours_are_sink_errors(free_port: int) -> None:
    with pytest.raises(SinkError):
        listening("203.0.113.1", free_port)
    with pytest.raises(SinkError):
        listening("no-such-host.invalid", free_port)
    with pytest.raises(SinkError):
        addresses("a" * 300, 1)


def test_a_port_in_use_leaves_nothing_open(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)), pytest.raises(MLIDSError):
        listening("127.0.0.1", free_port)
    listening("127.0.0.1", free_port)[0].close()
