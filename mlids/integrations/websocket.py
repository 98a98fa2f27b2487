"""Events, heartbeats and statistics for WebSocket clients such as a dashboard in a browser."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from mlids.alerts import ActiveAlerts
from mlids.errors import MLIDSError, SinkError
from mlids.events import Event, EventSink, format_time
from mlids.feed.door import Door, addresses, is_loopback
from mlids.feed.uplink import Uplink
from mlids.metrics import Rate
from mlids.stream import tls_context

if TYPE_CHECKING:
    from mlids.feed.server import Feed

FIRST = ("severity", "details")
FURTHER = ("id", "source", "correlation_id", "tags", "rule", "explanation")


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Where clients find the events, and which clients."""

    host: Annotated[str, msgspec.Meta(min_length=1, description="name or address to listen on")] = (
        "localhost"
    )
    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="port to listen on")] = 8080
    url: Annotated[
        str,
        msgspec.Meta(description="ws:// or wss:// server to connect to, instead of listening"),
    ] = ""
    heartbeat_seconds: Annotated[
        float, msgspec.Meta(ge=0.05, le=3600, description="seconds between heartbeats")
    ] = 30.0
    stats_seconds: Annotated[
        float, msgspec.Meta(ge=0.05, le=3600, description="seconds between statistics")
    ] = 5.0
    allowed_origins: Annotated[
        list[str],
        msgspec.Meta(description="web pages that may connect, beside those of this machine"),
    ] = msgspec.field(default_factory=list)
    token: Annotated[
        str,
        msgspec.Meta(
            description="what clients must show: ?token=… or Authorization: Bearer …",
            extra={"secret": True},
        ),
    ] = ""
    tls_cert: Annotated[str, msgspec.Meta(description="certificate chain to serve with, PEM")] = ""
    tls_key: Annotated[str, msgspec.Meta(description="its private key, PEM")] = ""
    ca_file: Annotated[
        str, msgspec.Meta(description="for url: authorities to trust; empty: the system's")
    ] = ""
    verify: Annotated[bool, msgspec.Meta(description="for url: check the certificate")] = True
    insecure: Annotated[
        bool, msgspec.Meta(description="allow other machines without token or TLS")
    ] = False
    client_queue: Annotated[
        int, msgspec.Meta(ge=10, le=1_000_000, description="messages held for one client")
    ] = 2000
    max_clients: Annotated[int, msgspec.Meta(ge=1, le=10_000, description="clients at once")] = 200
    retry_seconds: Annotated[
        float, msgspec.Meta(gt=0, le=3600, description="the longest wait before another attempt")
    ] = 30.0
    spool_max_bytes: Annotated[
        int, msgspec.Meta(ge=1 << 16, description="what may wait on disk while the peer is away")
    ] = 1 << 30


class WebSocketSink(EventSink):
    """Serves events on ``ws://localhost:8080``, or sends them to `url`.

    `stats` may be set to a callable that gives events_per_second, total_events and active_alerts;
    without one, what the sink itself has sent is counted. A server without clients takes events and
    shows them to nobody: they are stored all the same.
    """

    Settings = Settings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        settings: Settings = self.settings
        self.retry_seconds = settings.retry_seconds
        self.spool_max_bytes = settings.spool_max_bytes
        self.stats: Callable[[], Mapping[str, Any]] = self._own_stats
        self._peer: Feed | Uplink | None = None
        self._started = time.monotonic()
        self._lock = threading.Lock()  # of the counts below
        self._total = 0
        self._rate = Rate()
        self._alerts = ActiveAlerts()

    def open(self) -> None:
        """Listen, or connect. Raises E008 (port in use), E002 (unsafe), `SinkError`."""
        self.close()
        settings: Settings = self.settings
        periodic = [
            (settings.heartbeat_seconds, self._heartbeat),
            (settings.stats_seconds, self._stats),
        ]
        if settings.url:
            link = self._uplink()
            link.open(self._greeting(), periodic)
            self._peer = link
            return
        self._require_safety()
        door = Door(frozenset(settings.allowed_origins), settings.token, settings.max_clients)
        context = _server_context(settings)
        from mlids.feed.server import Feed  # asyncio is paid for by those who serve

        feed = Feed(door, self._greeting, client_queue=settings.client_queue, context=context)
        feed.open(settings.host, settings.port, periodic)
        self._peer = feed

    def send_event(self, event: Event) -> None:
        """Send one event."""
        self.send_batch([event])

    def send_batch(self, events: Sequence[Event]) -> None:
        """Send events to all clients."""
        if self._peer is None:
            raise SinkError("the WebSocket sink is not open")
        self._peer.publish([_message(event) for event in events])
        now = time.monotonic()
        with self._lock:
            self._total += len(events)
        for event in events:
            self._alerts.add(event, now)

    def close(self) -> None:
        """Close all connections."""
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.close()

    def endpoints(self) -> list[tuple[str, int]]:
        """Where it listens, or the server it is connected to."""
        return self._peer.endpoints() if self._peer is not None else []

    def clients(self) -> int:
        """How many clients are connected."""
        return getattr(self._peer, "clients", int)()

    def _uplink(self) -> Uplink:
        settings: Settings = self.settings
        headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
        link = Uplink(settings.url, headers=headers)
        if not (link.secure or settings.insecure or _local(link.host, link.port)):
            raise MLIDSError(
                "E002",
                f"sinks.websocket.url sends events to {link.host} unencrypted",
                "use wss://, or allow it with sinks.websocket.insecure: true",
            )
        if not link.secure:
            return link
        try:
            context = tls_context(settings.verify, settings.ca_file)
        except OSError as error:
            raise MLIDSError("E002", f"sinks.websocket.ca_file: {error}") from error
        return Uplink(settings.url, headers=headers, context=context)

    def _require_safety(self) -> None:
        settings: Settings = self.settings
        safe = bool(settings.token and settings.tls_cert)
        if not (safe or settings.insecure or _local(settings.host, settings.port)):
            raise MLIDSError(
                "E002",
                f"sinks.websocket.host {settings.host!r}: other machines without token and TLS",
                "set token, tls_cert and tls_key, or allow it with insecure: true",
            )

    def _greeting(self) -> list[bytes]:
        return [self._heartbeat(), self._stats()]

    def _heartbeat(self) -> bytes:
        uptime = int(time.monotonic() - self._started)
        now = format_time(time.time_ns())
        return msgspec.json.encode({"type": "heartbeat", "timestamp": now, "uptime": uptime})

    def _stats(self) -> bytes:
        numbers = self._own_stats()
        try:
            given = self.stats()
            numbers = {key: given.get(key, own) for key, own in numbers.items()}
            return msgspec.json.encode({"type": "stats", "data": numbers})
        except Exception:  # the application's; what the sink has counted is still right
            return msgspec.json.encode({"type": "stats", "data": self._own_stats()})

    def _own_stats(self) -> dict[str, Any]:
        with self._lock:
            return {
                "events_per_second": round(self._rate.update(self._total), 2),
                "total_events": self._total,
                "active_alerts": self._alerts.count(time.monotonic()),
            }


def _message(event: Event) -> bytes:
    data = {"timestamp": event["timestamp"], "event_type": event["type"]}
    data |= {key: event[key] for key in FIRST}
    data |= {key: event[key] for key in FURTHER if key in event}
    return msgspec.json.encode({"type": "event", "data": data}, enc_hook=str)


def _local(host: str, port: int) -> bool:
    return all(is_loopback(address) for _, address in addresses(host, port))


def _server_context(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key or None)
    except OSError as error:
        raise MLIDSError("E002", f"sinks.websocket.tls_cert: {error.strerror or error}") from error
    return context
