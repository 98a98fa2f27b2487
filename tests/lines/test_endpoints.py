from __future__ import annotations

import socket

import pytest

from mlids.errors import MLIDSError
from mlids.lines.endpoints import Endpoint, bound, dropped, endpoint, tls_context


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("udp://127.0.0.1:5514", Endpoint("udp", "127.0.0.1", 5514)),
        ("tcp://[::1]:6514", Endpoint("tcp", "::1", 6514)),
        ("tls://0.0.0.0", Endpoint("tls", "0.0.0.0", 6514)),
        ("udp://0.0.0.0", Endpoint("udp", "0.0.0.0", 514)),
    ],
)
def test_endpoints(text, expected):
    assert endpoint(text) == expected


def test_the_text_of_an_endpoint_is_read_as_itself():
    for text in ("udp://127.0.0.1:5514", "tcp://[::1]:1"):
        assert str(endpoint(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "ftp://a:1",
        "127.0.0.1:514",
        "udp://:1",
        "udp://a:99999",
        "udp://a:b",
        "udp://[",
        "udp://a:1/x",
        "",
    ],
)
def test_what_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r".") as caught:
        endpoint(text)
    assert "\n" not in str(caught.value)


def test_a_port_in_use_is_told_with_its_address():
    for kind in ("udp", "tcp"):
        first = bound(Endpoint(kind, "127.0.0.1", 0))
        at = Endpoint(kind, "127.0.0.1", first.getsockname()[1])
        with pytest.raises(MLIDSError) as caught:
            bound(at)
        assert caught.value.code == "E008"
        assert str(at) in caught.value.message
        first.close()


def test_an_address_of_another_machine_is_told():
    with pytest.raises(MLIDSError) as caught:
        bound(Endpoint("udp", "192.0.2.1", 5514))
    assert caught.value.code == "E103"
    assert "0.0.0.0" in caught.value.hint


def test_a_port_for_the_privileged_is_told(monkeypatch):
    def forbidden(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", forbidden)
    with pytest.raises(MLIDSError) as caught:
        bound(Endpoint("udp", "127.0.0.1", 514))
    assert caught.value.code == "E004"
    assert "1024" in caught.value.hint


def test_what_the_kernel_drops_is_known():
    made = bound(Endpoint("udp", "127.0.0.1", 0))
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) > 200_000
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(500):
            sender.sendto(b"x" * 100, made.getsockname())
    read = 0
    try:
        while True:
            made.recv(1000)
            read += 1
    except BlockingIOError:
        pass
    assert read + dropped(made) == 500
    made.close()
    assert dropped(made) == 0


def test_certificates_that_cannot_be_used_are_told(tmp_path):
    (tmp_path / "x.pem").write_text("no certificate")
    for name in ("none.pem", "x.pem", ""):
        with pytest.raises(MLIDSError, match="E002"):
            tls_context(str(tmp_path / name) if name else "", "")
