"""Strict small servers: they refuse what the real ones refuse."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for a condition."""

    def wait(condition: Callable[[], object], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.002)

    return wait


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Certificate and key for localhost and 127.0.0.1, signed by themselves."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl (apt-get install openssl)")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    kind = ["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    kind += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        ["openssl", *kind, "-keyout", key, "-out", cert, *names], check=True, capture_output=True
    )
    return cert, key


class LineServer:
    """Reads bytes from whoever connects; can hang, hang up, or reset."""

    def __init__(self, port: int = 0, certificate: tuple[str, str] | None = None) -> None:
        self.data = b""
        self.connections: list[socket.socket] = []
        self.accepted = 0
        self.reading = threading.Event()
        self.reading.set()
        self._context = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def lines(self) -> list[bytes]:
        return self.data.split(b"\n")[:-1]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        try:
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            self.connections.append(connection)
            while True:
                self.reading.wait()
                data = connection.recv(1 << 16)
                if not data:
                    return
                self.data += data
        except OSError:
            pass

    def hang_up(self) -> None:
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.connections.clear()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        self.reading.set()


@pytest.fixture
def line_server() -> Iterator[Callable[..., LineServer]]:
    """Makes line servers and closes them."""
    made: list[LineServer] = []

    def make(*args: Any, **options: Any) -> LineServer:
        made.append(LineServer(*args, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


class WebServer:
    """An HTTP server whose `answer(request) -> (status, body, headers)` decides."""

    def __init__(self, certificate: tuple[str, str] | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.scripted: list[Any] = []  # answers given before the server's own; None: reset
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = {
                    "path": self.path,
                    "headers": self.headers,
                    "raw": body,
                    "body": gzip.decompress(body)
                    if self.headers.get("Content-Encoding") == "gzip"
                    else body,
                }
                outer.requests.append(request)
                answer = outer.scripted.pop(0) if outer.scripted else outer.answer(request)
                if answer is None:
                    linger = b"\1\0\0\0\0\0\0\0"  # close by a reset
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                    self.close_connection = True
                    return
                status, said, *headers = answer
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                for name, value in (headers[0] if headers else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    super().handle()

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: dict[str, Any]) -> tuple[Any, ...]:
        return 200, {}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Collector(WebServer):
    """Splunk's HTTP event collector."""

    token = "5cr37"
    max_bytes = 1_000_000

    def __init__(self, certificate: tuple[str, str] | None = None) -> None:
        self.stored: list[dict[str, Any]] = []
        super().__init__(certificate)

    def answer(self, request: dict[str, Any]) -> tuple[Any, ...]:
        if request["path"] != "/services/collector/event":
            return 404, {"text": "The requested URL was not found on this server.", "code": 404}
        shown = request["headers"].get("Authorization")
        if shown is None:
            return 401, {"text": "Token is required", "code": 2}
        if shown != f"Splunk {self.token}":
            return 403, {"text": "Invalid token", "code": 4}
        if len(request["raw"]) > self.max_bytes:
            return 413, b"<html>Content-Length too large</html>"
        text = request["body"].decode()
        if not text.strip():
            return 400, {"text": "No data", "code": 5}
        events, at, decoder = [], 0, json.JSONDecoder()
        while at < len(text):
            number = len(events)
            try:
                entry, at = decoder.raw_decode(text, at)
            except ValueError:
                return 400, {
                    "text": "Invalid data format",
                    "code": 6,
                    "invalid-event-number": number,
                }
            if "event" not in entry:
                return 400, {
                    "text": "Event field is required",
                    "code": 12,
                    "invalid-event-number": number,
                }
            if not isinstance(entry.get("time"), int | float) or self.refuses(entry):
                return 400, {
                    "text": "Invalid data format",
                    "code": 6,
                    "invalid-event-number": number,
                }
            events.append(entry)
        self.stored += events
        return 200, {"text": "Success", "code": 0}

    def refuses(self, entry: dict[str, Any]) -> bool:
        return bool(entry["event"].get("tags") == ["bad"])


class Cluster(WebServer):
    """Elasticsearch's `_bulk`."""

    authorization: str | None = None
    max_bytes = 10_000_000

    def __init__(self, certificate: tuple[str, str] | None = None) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.busy: set[str] = set()  # ids that get a 429, once
        super().__init__(certificate)

    def answer(self, request: dict[str, Any]) -> tuple[Any, ...]:
        if self.authorization and request["headers"].get("Authorization") != self.authorization:
            return 401, {"error": {"type": "security_exception"}, "status": 401}
        if not request["path"].startswith("/_bulk"):
            return 405, {"error": "no handler found"}
        if request["headers"].get("Content-Type") != "application/x-ndjson":
            return 406, {"error": "Content-Type header is not supported"}
        if len(request["raw"]) > self.max_bytes:
            return 413, b""
        body = request["body"]
        if not body.endswith(b"\n"):
            return 400, {"error": {"type": "illegal_argument_exception", "reason": "newline"}}
        lines = body.split(b"\n")[:-1]
        try:
            parsed = [json.loads(line, object_pairs_hook=unique) for line in lines]
        except ValueError as error:
            return 400, {"error": {"type": "x_content_parse_exception", "reason": str(error)}}
        if len(parsed) % 2:
            return 400, {"error": {"type": "illegal_argument_exception"}}
        items = [self.create(*pair) for pair in zip(parsed[::2], parsed[1::2], strict=True)]
        return 200, {"errors": any(i["create"]["status"] >= 300 for i in items), "items": items}

    def create(self, action: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        ((operation, meta),) = action.items()
        assert operation == "create"
        key = (meta["_index"], meta["_id"])
        if meta["_index"] != meta["_index"].lower():
            return item(400, "invalid_index_name_exception")
        if meta["_id"] in self.busy:
            self.busy.discard(meta["_id"])
            return item(429, "es_rejected_execution_exception")
        if key in self.documents:
            return item(409, "version_conflict_engine_exception")
        if not isinstance(document.get("details"), dict):
            return item(400, "document_parsing_exception")
        self.documents[key] = document
        return {"create": {"status": 201}}


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("duplicate field")
    return dict(pairs)


def item(status: int, kind: str) -> dict[str, Any]:
    return {"create": {"status": status, "error": {"type": kind, "reason": "r"}}}


def serving(kind: type[WebServer]) -> Any:
    @pytest.fixture
    def made() -> Iterator[Any]:
        server = kind()
        yield server
        server.close()

    return made


collector = serving(Collector)
cluster = serving(Cluster)


@pytest.fixture
def tls_collector(certificate: tuple[str, str]) -> Iterator[Collector]:
    server = Collector(certificate)
    yield server
    server.close()
