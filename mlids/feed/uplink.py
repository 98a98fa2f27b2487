"""Sends messages to one WebSocket server, and sees each batch arrive."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from ssl import SSLContext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlids.errors import MLIDSError, SinkError
from mlids.feed.server import Periodic

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection


class Uplink:
    """A connection to ``ws://host:port/path`` (or wss); who owns it reconnects by `open`.

    headers: for the handshake; context: how a certificate is checked; timeout_s: for connecting,
    for each send and for each answer.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        context: SSLContext | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.host, self.port, self.secure = _place(url)
        self._url = url
        self._headers = dict(headers or {})
        self._context = context
        self._timeout_s = timeout_s
        self._connection: ClientConnection | None = None
        self._exit = contextlib.ExitStack()
        self._closed = threading.Event()

    def open(self, greeting: Sequence[bytes], periodic: Periodic) -> None:
        """Connect, send the greeting, and repeat the periodic messages."""
        try:
            from websockets.sync.client import connect
        except ImportError as error:
            hint = 'pip install "websockets>=15,<18"'
            raise MLIDSError("E005", "websockets is missing", hint) from error
        self.close()
        log = logging.getLogger("mlids.feed.uplink.websockets")
        log.setLevel(logging.CRITICAL)  # its lines hold headers, and these may hold the token
        options: dict[str, Any] = {"ssl": self._context} if self.secure else {}
        try:
            # A socket of our own, so that no redirect can lead elsewhere.
            own = self._exit.enter_context(self._socket())
            self._connection = self._exit.enter_context(
                connect(
                    self._url,
                    sock=own,
                    additional_headers=self._headers,
                    user_agent_header="mlids",
                    compression=None,
                    proxy=None,
                    open_timeout=self._timeout_s,
                    close_timeout=1,
                    max_size=4096,
                    logger=log,
                    **options,
                )
            )
        except Exception as error:
            self.close()
            raise self._failure(error) from error
        self.publish(greeting)
        self._closed = threading.Event()
        for seconds, make in periodic:
            work = (self._closed, self._connection, seconds, make)
            threading.Thread(target=self._repeat, args=work, daemon=True).start()

    def publish(self, messages: Sequence[bytes]) -> None:
        """Send messages in order and see the last one arrive. Raises `SinkError`."""
        connection = self._connection
        if connection is None:
            raise SinkError(f"{self.host}:{self.port}: not connected")
        try:
            for message in messages:
                connection.send(message, text=True)
            self._expect_answer(connection)
        except Exception as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        self._closed.set()
        self._connection = None
        with contextlib.suppress(Exception):
            self._exit.close()
        self._exit = contextlib.ExitStack()

    def endpoints(self) -> list[tuple[str, int]]:
        """The server's address and port, while there is a connection."""
        if self._connection is None:
            return []
        return [self._connection.remote_address[:2]]

    def _socket(self) -> socket.socket:
        opened = socket.create_connection((self.host, self.port), timeout=self._timeout_s)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The library sends without a limit of time; the kernel gives it one.
        limit = struct.pack("ll", int(self._timeout_s), int(self._timeout_s % 1 * 1e6))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        return opened

    def _expect_answer(self, connection: ClientConnection) -> None:
        """A pong says that all before the ping arrived; whatever else is said is thrown away."""
        pong, until = connection.ping(), time.monotonic() + self._timeout_s
        while not pong.wait(0.01):
            with contextlib.suppress(TimeoutError):
                connection.recv(timeout=0)  # raises where the connection is closed
            if time.monotonic() > until:
                raise TimeoutError("the server does not answer")

    def _repeat(
        self,
        closed: threading.Event,
        connection: ClientConnection,
        seconds: float,
        make: Callable[[], bytes],
    ) -> None:
        while not closed.wait(seconds):
            try:
                connection.send(make(), text=True)
            except Exception:  # the next batch finds the connection closed, and tells
                return

    def _failure(self, error: Exception) -> SinkError:
        if isinstance(error, SinkError):
            return error
        said = " ".join(str(error).split())[:200] or type(error).__name__
        return SinkError(f"{self.host}:{self.port}: {said}")


def _place(url: str) -> tuple[str, int, bool]:
    """Host, port and whether it is encrypted. Raises `MLIDSError` E002."""
    try:
        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        port = parts.port or (443 if secure else 80)
    except ValueError as error:
        raise MLIDSError("E002", "sinks.websocket.url is no ws:// or wss:// address") from error
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise MLIDSError("E002", "sinks.websocket.url is no ws:// or wss:// address")
    return parts.hostname, port, secure
