"""Connections that find out whether their peer is still there."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from mlids.errors import SinkError
from mlids.stream import Stream, tls_context


@pytest.fixture
def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def opened(listener: socket.socket, **options: object) -> tuple[Stream, socket.socket]:
    stream = Stream("127.0.0.1", listener.getsockname()[1], **options)  # type: ignore[arg-type]
    stream.open()
    return stream, listener.accept()[0]


def test_what_is_sent_has_reached_the_peers_kernel(listener: socket.socket) -> None:
    stream, peer = opened(listener)
    stream.send(b"x" * 10_000)
    peer.setblocking(False)
    assert len(peer.recv(20_000)) == 10_000
    stream.close()
    stream.close()


def test_a_reset_is_noticed_at_the_send_that_meets_it(listener: socket.socket) -> None:
    stream, peer = opened(listener)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    with pytest.raises(SinkError):
        stream.send(b"x")
    with pytest.raises(SinkError, match="not connected"):
        stream.send(b"x")


def test_a_peer_that_acknowledges_nothing_more_ends_in_time(listener: socket.socket) -> None:
    stream, peer = opened(listener, timeout_s=0.2)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    begin = time.monotonic()
    with pytest.raises(SinkError):
        for _ in range(100):
            stream.send(b"x" * 100_000)
    assert time.monotonic() - begin < 2


def test_a_peer_that_talks_without_end_is_left(listener: socket.socket) -> None:
    stream, peer = opened(listener, timeout_s=1)

    def talk() -> None:
        try:
            while True:
                peer.sendall(b"y" * 65536)
        except OSError:
            pass

    threading.Thread(target=talk, daemon=True).start()
    with pytest.raises(SinkError):
        for _ in range(10_000):
            stream.send(b"x")
    peer.close()


def test_keepalive_is_on(listener: socket.socket) -> None:
    stream, _ = opened(listener)
    assert stream._socket
    assert stream._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert stream.endpoints() == [("127.0.0.1", listener.getsockname()[1])]


def test_a_server_that_speaks_no_tls_is_a_sink_error(listener: socket.socket) -> None:
    def talk() -> None:
        peer, _ = listener.accept()
        peer.recv(100)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        peer.close()

    threading.Thread(target=talk, daemon=True).start()
    with pytest.raises(SinkError):
        Stream("127.0.0.1", listener.getsockname()[1], tls=True, timeout_s=2).open()


def test_certificates_are_checked_unless_told_otherwise() -> None:
    assert tls_context().check_hostname
    assert not tls_context(verify=False).check_hostname
    with pytest.raises(OSError, match="No such file"):
        tls_context(ca_file="/no/such/file.pem")
