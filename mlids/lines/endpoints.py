"""Addresses at which log lines are taken in: ``udp://127.0.0.1:5514``, ``tls://[::]:6514``."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import struct
from typing import NamedTuple
from urllib.parse import urlsplit

from mlids.errors import MLIDSError

PORTS = {"udp": 514, "tcp": 514, "tls": 6514}
BUFFER = 32 << 20  # bytes that the kernel keeps of datagrams that are not read yet
BACKLOG = 128
_RCVBUFFORCE = 33  # numbers of linux/asm-generic/socket.h
_MEMINFO = 55
_DROPS = 8  # position of the drops among the figures of SO_MEMINFO


class Endpoint(NamedTuple):
    """Where to listen, and how."""

    kind: str  # udp, tcp or tls
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{self.port}"


def endpoint(text: str) -> Endpoint:
    """An endpoint from its text. Raises ValueError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from None
    if parts.scheme not in PORTS or parts.path not in ("", "/") or not parts.hostname:
        raise ValueError(f"{text}: write udp://ADDRESS:PORT, tcp://… or tls://…")
    return Endpoint(parts.scheme, parts.hostname, PORTS[parts.scheme] if port is None else port)


def bound(at: Endpoint) -> socket.socket:
    """A socket that listens there and never waits. Raises `MLIDSError` E004, E008, E103."""
    kind = socket.SOCK_DGRAM if at.kind == "udp" else socket.SOCK_STREAM
    try:
        family, _, _, _, address = socket.getaddrinfo(
            at.host, at.port, type=kind, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind)
    except OSError as error:
        raise _error(at, error) from None
    try:
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            _enlarge(made)
        made.bind(address)
        if kind == socket.SOCK_STREAM:
            made.listen(BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise _error(at, error) from None
    return made


def _enlarge(made: socket.socket) -> None:
    """As much as there may be: root may exceed what the system allows to others."""
    for option in (socket.SO_RCVBUF, _RCVBUFFORCE):
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, option, BUFFER)


def _error(at: Endpoint, error: OSError) -> MLIDSError:
    text = f"cannot listen at {at}: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM):
        hint = "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose one above, such as 5514"
        return MLIDSError("E004", text, hint)
    if error.errno == errno.EADDRINUSE:
        hint = "another program (a syslog daemon?) listens there: stop it, or choose another port"
        return MLIDSError("E008", text, hint)
    hint = "name an address that this machine has, 0.0.0.0 or [::] for all"
    return MLIDSError("E103", text, hint)


def dropped(made: socket.socket) -> int:
    """Datagrams that the kernel had no room for, since it was opened; 0 where it does not say."""
    try:
        figures = made.getsockopt(socket.SOL_SOCKET, _MEMINFO, 4 * (_DROPS + 1))
        return int(struct.unpack_from("I", figures, 4 * _DROPS)[0])
    except (OSError, struct.error):
        return 0


def tls_context(certificate: str, key: str, client_ca: str = "") -> ssl.SSLContext:
    """What a TLS listener shows, and whom it demands certificates of. Raises `MLIDSError` E002."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key or None, password="")
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = ", ".join(filter(None, (certificate, key, client_ca)))
        reason = getattr(error, "strerror", None) or str(error)
        raise MLIDSError("E002", f"TLS cannot use {files or 'no certificate'}: {reason}") from None
    return context
