"""The connection to somebody else's WebSocket server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from mlids.errors import MLIDSError, SinkError
from mlids.feed.uplink import Uplink


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


class Peer:
    """A WebSocket server that keeps what it reads."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.headers: list[Any] = []
        self.connections: list[ServerConnection] = []
        self._server: Server = serve(self._handle, "127.0.0.1", 0)
        self.port = self._server.socket.getsockname()[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        assert connection.request
        self.headers.append(connection.request.headers)
        for message in connection:
            self.messages.append(message)

    def close(self) -> None:
        self._server.shutdown()
        for connection in self.connections:
            connection.close_socket()


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


def test_greeting_messages_and_what_repeats_arrive(peer: Peer) -> None:
    headers = {"Authorization": "Bearer s3cr3t"}
    link = Uplink(f"ws://127.0.0.1:{peer.port}/events", headers=headers)
    link.open([b"hello"], [(0.02, lambda: b"tick")])
    link.publish([b"one", b"two"])
    until(lambda: "two" in peer.messages and "tick" in peer.messages)
    assert [one for one in peer.messages if one != "tick"] == ["hello", "one", "two"]
    assert peer.headers[0]["Authorization"] == "Bearer s3cr3t"
    assert link.endpoints() == [("127.0.0.1", peer.port)]
    link.close()
    assert link.endpoints() == []


def test_a_server_that_left_is_noticed_and_found_again(peer: Peer) -> None:
    link = Uplink(f"ws://127.0.0.1:{peer.port}/", timeout_s=2)
    link.open([], [])
    until(lambda: peer.connections)
    peer.connections[0].close_socket()
    with pytest.raises(SinkError):
        link.publish([b"lost?"])
    link.close()
    link.open([], [])
    link.publish([b"again"])
    until(lambda: "again" in peer.messages)
    link.close()


def test_what_the_server_says_is_thrown_away(peer: Peer) -> None:
    link = Uplink(f"ws://127.0.0.1:{peer.port}/", timeout_s=5)
    link.open([], [])
    until(lambda: peer.connections)
    for n in range(100):
        peer.connections[0].send(str(n))
    link.publish([b"still there"])
    until(lambda: peer.messages == ["still there"])
    link.close()


def shaking_hands(answer: bytes) -> int:
    """A server that answers the handshake with these bytes and then reads nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def talk() -> None:
        connection, _ = listener.accept()
        kept.append(connection)
        request = connection.recv(65536).decode()
        key = request.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0]
        from websockets.utils import accept_key

        connection.sendall(answer.replace(b"KEY", accept_key(key).encode()))
        time.sleep(5)

    threading.Thread(target=talk, daemon=True).start()
    return int(listener.getsockname()[1])


SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: KEY\r\n\r\n"
)


@pytest.mark.parametrize("size", [10, 50_000])
def test_a_server_that_reads_nothing_ends_in_time(size: int) -> None:
    link = Uplink(f"ws://127.0.0.1:{shaking_hands(SWITCH)}/", timeout_s=0.3)
    begin = time.monotonic()
    with pytest.raises(SinkError):
        link.open([b"x" * size] * 500, [])
    link.close()
    assert time.monotonic() - begin < 4


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ws://203.0.113.1/\r\nContent-Length: 0\r\n\r\n",
        b"rubbish\r\n\r\n",
        SWITCH.replace(b"KEY", b"wrong"),
    ],
)
def test_other_answers_are_sink_errors(answer: bytes) -> None:
    with pytest.raises(SinkError):
        Uplink(f"ws://127.0.0.1:{shaking_hands(answer)}/", timeout_s=1).open([], [])


def test_nobody_there_shows_no_secret(free_port: int) -> None:
    headers = {"Authorization": "Bearer s3cr3t"}
    link = Uplink(f"ws://u:s3cr3t@127.0.0.1:{free_port}/?k=s3cr3t", headers=headers)
    with pytest.raises(SinkError) as caught:
        link.open([], [])
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://x", "ws://", "ws://h:99999", "ws://[", "x", "ws:s3cr3t"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(MLIDSError) as caught:
        Uplink(url)
    assert caught.value.code == "E002"
    assert "s3cr3t" not in str(caught.value)
