"""The feed with real sockets: clients that read, that stall, that talk, that never finish."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mlids.errors import MLIDSError, SinkError
from mlids.feed.door import Door
from mlids.feed.server import Feed


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


@pytest.fixture
def feed(free_port: int) -> Iterator[Feed]:
    made = Feed(Door(max_clients=60), lambda: [b"hello"], client_queue=500)
    made.stuck_s = 0.5  # type: ignore[misc]
    made.ping_s = (0.4, 0.4)  # type: ignore[misc]
    made.open("127.0.0.1", free_port, [(0.05, lambda: b"tick")])
    yield made
    made.close()


def port(feed: Feed) -> int:
    return feed.endpoints()[0][1]


def stalled(feed: Feed) -> socket.socket:
    """A client that shakes hands and then reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port(feed)))
    key = base64.b64encode(os.urandom(16)).decode()
    client.sendall(
        f"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return client


def delays(feed: Feed, count: int, size: int = 2000) -> list[float]:
    """Seconds from publishing to the arrival at a client that reads."""
    arrived: dict[int, float] = {}
    ready = threading.Event()

    def read() -> None:
        with connect(f"ws://127.0.0.1:{port(feed)}/", compression=None, proxy=None) as client:
            ready.set()
            while len(arrived) < count:
                message = client.recv(timeout=10)
                if message[0].isdigit():
                    arrived[int(message.split()[0])] = time.perf_counter()

    reader = threading.Thread(target=read)
    reader.start()
    assert ready.wait(5)
    sent = []
    for n in range(count):
        sent.append(time.perf_counter())
        feed.publish([b"%d " % n + b"x" * size])
        time.sleep(0.001)
    reader.join(15)
    return sorted(arrived[n] - sent[n] for n in range(count))


def test_clients_get_the_greeting_the_messages_and_what_repeats(feed: Feed) -> None:
    with connect(f"ws://127.0.0.1:{port(feed)}/", proxy=None) as client:
        assert client.recv() == "hello"
        feed.publish([b"one", b"two"])
        found = [client.recv() for _ in range(4)]
        assert [one for one in found if one != "tick"] == ["one", "two"]
        assert "tick" in found
        until(lambda: feed.clients() == 1)
    until(lambda: feed.clients() == 0)


def test_without_clients_messages_are_taken(feed: Feed) -> None:
    feed.publish([b"x"] * 1000)


def test_stalled_clients_are_dropped_and_the_others_do_not_wait(feed: Feed) -> None:
    alone = delays(feed, 150)
    clients = [stalled(feed) for _ in range(40)]
    until(lambda: feed.clients() == 40)
    begin = time.monotonic()
    among = delays(feed, 150)
    assert among[int(150 * 0.99)] <= alone[int(150 * 0.99)] + 0.1  # 20 ms on a quiet machine
    until(lambda: feed.clients() == 0, 8)
    assert time.monotonic() - begin < 8
    for client in clients:
        client.close()


def test_a_full_queue_ends_a_client_at_once(feed: Feed) -> None:
    client = stalled(feed)
    until(lambda: feed.clients() == 1)
    begin = time.monotonic()
    for _ in range(60):
        feed.publish([b"x" * 10_000] * 100)
        if not feed.clients():
            break
    until(lambda: feed.clients() == 0)
    assert time.monotonic() - begin < 3
    client.close()


def test_a_burst_does_not_drop_a_client_that_reads(feed: Feed) -> None:
    received = []

    def read() -> None:
        with connect(f"ws://127.0.0.1:{port(feed)}/", compression=None, proxy=None) as client:
            try:
                while len(received) < 5000:
                    message = client.recv(timeout=5)
                    received.extend([message] if message.startswith("e") else [])
            except (ConnectionClosed, TimeoutError):
                pass

    reader = threading.Thread(target=read)
    reader.start()
    until(lambda: feed.clients() == 1)
    for begin in range(0, 5000, 200):
        feed.publish([b"e%d" % n for n in range(begin, begin + 200)])
    reader.join(10)
    assert received == [f"e{n}" for n in range(5000)]


def test_clients_that_talk_are_not_heard_and_large_messages_end_them(feed: Feed) -> None:
    with connect(f"ws://127.0.0.1:{port(feed)}/", proxy=None) as client:
        for _ in range(5):
            client.send("hello?")
        assert client.recv() == "hello"
        client.send("x" * 10_000)
        with pytest.raises(ConnectionClosed):
            while True:
                client.recv(timeout=5)


def test_there_is_room_for_so_many_and_no_more(feed: Feed) -> None:
    clients = [stalled(feed) for _ in range(60)]
    until(lambda: feed.clients() == 60)
    one_more = stalled(feed)
    assert b"503" in one_more.recv(100)
    for client in (*clients, one_more):
        client.close()


def test_connections_that_never_ask_are_limited(feed: Feed) -> None:
    silent = [socket.create_connection(("127.0.0.1", port(feed))) for _ in range(135)]

    def cut() -> int:
        closed = 0
        for one in silent:
            one.setblocking(False)
            try:
                closed += one.recv(1) == b""
            except BlockingIOError:
                pass
            except OSError:
                closed += 1
        return closed

    until(lambda: cut() >= 5)
    for one in silent:
        one.close()


@pytest.mark.parametrize("rubbish", [b"\0" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"A" * 100_000])
def test_rubbish_harms_nobody(feed: Feed, rubbish: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port(feed))) as client:
        try:
            client.sendall(rubbish)
            client.settimeout(0.3)
            client.recv(1000)
        except OSError:
            pass
    with connect(f"ws://127.0.0.1:{port(feed)}/", proxy=None) as client:
        assert client.recv() == "hello"


def test_after_the_end_it_takes_nothing_and_the_port_is_free(feed: Feed) -> None:
    there = port(feed)
    with connect(f"ws://127.0.0.1:{there}/", proxy=None) as client:
        client.recv()
        feed.close()
        with pytest.raises(SinkError):
            feed.publish([b"x"])
        with pytest.raises(ConnectionClosed):
            while True:
                client.recv(timeout=5)
    feed.open("127.0.0.1", there, [])
    with pytest.raises(MLIDSError):
        Feed(Door(), list).open("127.0.0.1", there, [])
