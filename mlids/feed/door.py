"""Who may connect to what MLIDS serves, and where it listens."""

from __future__ import annotations

import errno
import hmac
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from mlids.errors import MLIDSError, SinkError

if TYPE_CHECKING:
    from websockets.http11 import Request


@dataclass(frozen=True)
class Door:
    """Who may connect: origins are those of browsers, token is empty where none is needed."""

    allowed_origins: frozenset[str] = frozenset()
    token: str = ""
    max_clients: int = 100

    def refusal(self, request: Request, clients: int) -> tuple[int, str] | None:
        """Status and text for a request that may not come in, None for one that may."""
        origins = request.headers.get_all("Origin")
        if len(origins) > 1 or not all(map(self.allows, origins)):
            return 403, "this origin is not allowed: see sinks.websocket.allowed_origins\n"
        if self.token and not self._shows_token(request):
            return 401, "a token is needed\n"
        if clients >= self.max_clients:
            return 503, "too many clients\n"
        return None

    def allows(self, origin: str) -> bool:
        """Pages of this machine, whatever their port, and those that are named."""
        if origin in self.allowed_origins:
            return True
        try:
            parts = urlsplit(origin)
            host = parts.hostname or ""
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and (host == "localhost" or is_loopback(host))

    def _shows_token(self, request: Request) -> bool:
        shown = [
            value.removeprefix("Bearer ") for value in request.headers.get_all("Authorization")
        ]
        try:
            shown += parse_qs(urlsplit(request.path).query, max_num_fields=20).get("token", [])
        except ValueError:
            return False
        wanted = self.token.encode()
        return any(hmac.compare_digest(one.encode("utf-8", "replace"), wanted) for one in shown)


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def addresses(host: str, port: int) -> list[tuple[int, str]]:
    """Family and address of every place a host name stands for. Raises `SinkError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SinkError(f"{host}: {error}") from error
    return list(dict.fromkeys((int(family), str(place[0])) for family, _, _, _, place in found))


def listening(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on all addresses of a host; those the machine has not are left out."""
    sockets: list[socket.socket] = []
    last: OSError | None = None
    for family, address in addresses(host, port):
        try:
            sockets.append(socket.create_server((address, port), family=family, backlog=128))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                for opened in sockets:
                    opened.close()
                raise MLIDSError("E008", f"{host}:{port} is in use") from error
            last = error
    if not sockets:
        raise SinkError(f"{host}:{port}: {last.strerror if last else 'no address'}") from last
    return sockets
