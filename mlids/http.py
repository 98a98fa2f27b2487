"""The one way to speak HTTP: a client with time and size limits that tells no secrets.

Redirects are not followed (they would carry the token elsewhere), proxies of the environment are
not used, and an answer is read only up to a limit.
"""

from __future__ import annotations

import gzip
import logging
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import msgspec

from mlids.errors import MLIDSError, SinkError
from mlids.stream import tls_context

if TYPE_CHECKING:
    from types import ModuleType

    import httpx2


class Answer(NamedTuple):
    """What a server said. retry_after_s: the wait it asked for, None where it named none."""

    status: int
    body: bytes
    retry_after_s: float | None = None

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (msgspec.DecodeError, ValueError, RecursionError):
            return {}

    def text(self) -> str:
        """The begin of the body in one line, for an error message."""
        return " ".join(self.body[:500].decode("utf-8", "replace").split())[:200]


class Client:
    """Speaks to one server.

    url: where it is (http or https); headers: sent with every request; verify, ca_file: how its
    certificate is checked; compress: send bodies as gzip; timeout_s: for one request; max_answer:
    bytes that are read of an answer.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        verify: bool = True,
        ca_file: str = "",
        compress: bool = False,
        timeout_s: float = 10.0,
        max_answer: int = 8 << 20,
    ) -> None:
        self.host, self.port, self._tls = _place(url)
        self.url = _shown(url).rstrip("/")
        self._headers = {"User-Agent": "mlids", "Accept-Encoding": "identity", **(headers or {})}
        for name, value in self._headers.items():
            # Said here without the value, as the library would show it.
            if not (value.isascii() and value.isprintable()):
                raise MLIDSError("E002", f"the {name} for {self.url} holds a forbidden character")
        self._verify = verify
        self._ca_file = ca_file
        self._compress = compress
        self._timeout_s = timeout_s
        self._max_answer = max_answer
        self._client: httpx2.Client | None = None
        self._context: Any = None
        self._endpoints: list[tuple[str, int]] = []

    def open(self) -> None:
        """Look the server up and get ready. Raises `SinkError`; E005 without httpx2."""
        self.close()
        library = _library()
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            if self._tls and self._context is None:
                self._context = tls_context(self._verify, self._ca_file)
        except OSError as error:
            raise SinkError(f"{self.url}: {error.strerror or error}") from error
        self._endpoints = [(str(place[4][0]), int(place[4][1])) for place in found]
        self._client = library.Client(
            verify=self._context if self._tls else False,
            headers=self._headers,
            timeout=self._timeout_s,
            trust_env=False,
        )

    def post(self, path: str, body: bytes, content_type: str) -> Answer:
        """Send a body. Raises `SinkError` where no answer came; any status is an answer."""
        if self._client is None:
            self.open()
        assert self._client is not None
        headers = {"Content-Type": content_type}
        if self._compress:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        library, until = _library(), time.monotonic() + self._timeout_s
        try:
            request = self._client.stream("POST", self.url + path, content=body, headers=headers)
            with request as response:
                return self._read(response, until)
        except library.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise SinkError(f"{self.url}: {reason}") from error

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def endpoints(self) -> list[tuple[str, int]]:
        """The server's addresses and port, as they were when it was last opened."""
        return list(self._endpoints)

    def _read(self, response: httpx2.Response, until: float) -> Answer:
        body = b""
        for piece in response.iter_raw():  # as they come, so that the clock is looked at
            body += piece
            if len(body) > self._max_answer:
                raise SinkError(f"{self.url}: the answer exceeds {self._max_answer} bytes")
            if time.monotonic() > until:
                raise SinkError(f"{self.url}: the answer takes longer than {self._timeout_s:g} s")
        return Answer(response.status_code, body, _seconds(response.headers.get("Retry-After")))


def _library() -> ModuleType:
    try:
        import httpx2
    except ImportError as error:
        raise MLIDSError("E005", "httpx2 is missing", 'pip install "httpx2>=2,<3"') from error
    for name in ("httpx2", "httpcore2"):
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)  # a line for every request would drown the log
    return httpx2


def _seconds(text: str | None) -> float | None:
    return min(float(text), 3600.0) if text and text.strip().isdecimal() else None


def _place(url: str) -> tuple[str, int, bool]:
    """Host, port and whether it is https. Raises `MLIDSError` E002, showing nothing secret."""
    try:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
    except ValueError as error:
        raise MLIDSError("E002", f"an address cannot be read: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise MLIDSError("E002", f"{_shown(url)!r} is no http or https address")
    return parts.hostname, port, tls


def _shown(url: str) -> str:
    """The address without user, password, query and fragment: these may be secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
