"""A TCP or TLS connection that says when its peer is gone, for sinks that get no answer.

What a kernel took is not what a peer took. So before each send the connection is asked whether the
peer closed it, and after each send (on Linux) whether the peer's kernel acknowledged all of it.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time

from mlids.errors import SinkError

MAX_DISCARDED = 1 << 20  # what a peer may say before a send; nothing is expected of it


class Stream:
    """A connection to one peer.

    tls: wrap it; verify and ca_file: how its certificate is checked (the system's authorities where
    no file is named); timeout_s: for connecting and for each send.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: bool = False,
        verify: bool = True,
        ca_file: str = "",
        timeout_s: float = 10.0,
    ) -> None:
        self.host = host
        self.port = port
        self.timeout_s = timeout_s
        self._tls = tls
        self._verify = verify
        self._ca_file = ca_file
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Connect. Raises `SinkError`."""
        self.close()
        try:
            raw = socket.create_connection((self.host, self.port), timeout=self.timeout_s)
        except OSError as error:
            raise SinkError(f"{self.host}:{self.port}: {_reason(error)}") from error
        try:
            self._socket = self._prepared(raw)
        except (OSError, ValueError) as error:
            raw.close()
            raise SinkError(f"{self.host}:{self.port}: {_reason(error)}") from error

    def send(self, data: bytes) -> None:
        """Send all of it and see it acknowledged. Raises `SinkError`, and closes the connection."""
        try:
            self._expect_open()
            self._connected().sendall(data)
            self._expect_acknowledged()
            self._expect_open()
        except (OSError, ValueError) as error:
            self.close()
            raise SinkError(f"{self.host}:{self.port}: {_reason(error)}") from error

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def endpoints(self) -> list[tuple[str, int]]:
        """The peer's address and port, while there is a connection."""
        try:
            return [self._connected().getpeername()[:2]]
        except OSError:
            return []

    def _prepared(self, raw: socket.socket) -> socket.socket:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if option := getattr(socket, name, None):
                raw.setsockopt(socket.IPPROTO_TCP, option, value)
        if not self._tls:
            return raw
        context = tls_context(self._verify, self._ca_file)
        return context.wrap_socket(raw, server_hostname=self.host)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionResetError("not connected")
        return self._socket

    def _expect_open(self) -> None:
        """Raise where the peer has closed; what it said is thrown away."""
        connected, discarded = self._connected(), 0
        connected.setblocking(False)
        try:
            while discarded <= MAX_DISCARDED:
                said = connected.recv(65536)
                if not said:
                    raise ConnectionResetError("the peer closed the connection")
                discarded += len(said)
            raise ConnectionAbortedError("the peer talks too much")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            connected.settimeout(self.timeout_s)

    def _expect_acknowledged(self) -> None:
        """Wait until the peer's kernel has all that was sent; elsewhere than on Linux, trust it."""
        if not sys.platform.startswith("linux"):
            return
        import fcntl
        import termios

        until, pause_s = time.monotonic() + self.timeout_s, 0.0002
        while int.from_bytes(
            fcntl.ioctl(self._connected(), termios.TIOCOUTQ, bytes(4)), sys.byteorder
        ):
            if time.monotonic() > until:
                raise TimeoutError("the peer takes nothing")
            self._expect_open()
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.02)


def tls_context(verify: bool = True, ca_file: str = "") -> ssl.SSLContext:
    """How a server's certificate is checked. Raises OSError where `ca_file` cannot be read."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
