"""The HTTP client against servers that are slow, endless, rude or gone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mlids.errors import MLIDSError, SinkError
from mlids.http import Answer, Client

Serve = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs a function on every connection and gives the port."""
    listeners: list[socket.socket] = []

    def start(talk: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=run, args=(connection,), daemon=True).start()

        def run(connection: socket.socket) -> None:
            with connection:
                try:
                    connection.recv(65536)
                    talk(connection)
                except OSError:
                    pass

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


def post(port: int, **options: object) -> Answer:
    client = Client(f"http://127.0.0.1:{port}", **options)  # type: ignore[arg-type]
    try:
        return client.post("/x", b"{}", "application/json")
    finally:
        client.close()


def said(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def test_an_answer_is_read(serve: Serve) -> None:
    head = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 9\r\n\r\n"
    answer = post(serve(said(head + b'{"code":9}'[:9])))
    assert (answer.status, answer.retry_after_s) == (503, 7.0)
    assert answer.json() == {}
    assert Answer(200, b'{"a":1}').json() == {"a": 1}
    assert Answer(200, b"[1]").json() == {}
    assert Answer(200, b"\xff \n x").text() == "\ufffd x"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "disconnected|reset"),
        (b"not HTTP at all\r\n\r\n", "127.0.0.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "127.0.0.1"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "127.0.0.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000, "127.0.0.1"),
    ],
)
def test_what_is_no_answer_is_a_sink_error(serve: Serve, data: bytes, reason: str) -> None:
    with pytest.raises(SinkError, match=reason):
        post(serve(said(data)), timeout_s=2)


def test_an_endless_answer_is_cut(serve: Serve) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with pytest.raises(SinkError, match="exceeds"):
        post(serve(endless), max_answer=1_000_000)


def test_a_dripping_answer_is_cut(serve: Serve) -> None:
    def dripping(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    begin = time.monotonic()
    with pytest.raises(SinkError, match="longer"):
        post(serve(dripping), timeout_s=0.2)
    assert time.monotonic() - begin < 2


def test_a_server_that_says_nothing_is_left(serve: Serve) -> None:
    with pytest.raises(SinkError):
        post(serve(lambda connection: time.sleep(2)), timeout_s=0.1)


def test_redirects_are_answers(serve: Serve) -> None:
    data = b"HTTP/1.1 307 Go\r\nLocation: http://203.0.113.1/\r\nContent-Length: 0\r\n\r\n"
    assert post(serve(said(data))).status == 307


def test_nobody_there_names_the_address_without_its_secrets(free_port: int) -> None:
    client = Client(f"http://user:s3cr3t@127.0.0.1:{free_port}/?key=s3cr3t")
    with pytest.raises(SinkError) as caught:
        client.post("/x", b"", "text/plain")
    assert f"127.0.0.1:{free_port}" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_proxies_of_the_environment_are_not_used(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert post(serve(said(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))).status == 200


def test_names_that_do_not_exist_are_sink_errors() -> None:
    with pytest.raises(SinkError):
        Client("http://no-such-host.invalid").open()


def test_a_certificate_file_that_is_not_there_is_a_sink_error() -> None:
    with pytest.raises(SinkError):
        Client("https://127.0.0.1:1", ca_file="/no/such/file.pem").open()


@pytest.mark.parametrize("url", ["", "x", "file:///etc/passwd", "http://h:99999", "http://h:x"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(MLIDSError) as caught:
        Client(url)
    assert caught.value.code == "E002"


def test_missing_httpx2_is_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(MLIDSError) as caught:
        Client("http://127.0.0.1:1").open()
    assert caught.value.code == "E005"
    assert "pip install" in caught.value.hint
