"""Events into Splunk: by its HTTP event collector, or as syslog on syslog's ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from mlids import rfc5424
from mlids.bulk import Bulk, PieceError
from mlids.errors import MLIDSError, SinkError
from mlids.events import Event, EventSink
from mlids.http import Answer, Client
from mlids.identity import host_name
from mlids.stream import Stream

SYSLOG, SYSLOG_TLS = 514, 6514  # RFC 6587 and RFC 5425
# Codes of the collector that find fault with the data: none, invalid format, event field missing,
# event field blank, indexed fields. Others with status 400 are about the token's settings.
_FAULTS = frozenset({5, 6, 12, 13, 15})


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Where Splunk listens, and how events are labelled there."""

    host: Annotated[str, msgspec.Meta(min_length=1, description="name or address of Splunk")] = (
        "splunk.example.local"
    )
    port: Annotated[
        int,
        msgspec.Meta(ge=1, le=65535, description="8088: event collector; 514, 6514 (TLS): syslog"),
    ] = 514
    token: Annotated[
        str, msgspec.Meta(description="token of the event collector", extra={"secret": True})
    ] = ""
    protocol: Annotated[
        Literal["auto", "hec", "syslog"], msgspec.Meta(description="auto: by the port")
    ] = "auto"
    scheme: Annotated[
        Literal["auto", "http", "https"],
        msgspec.Meta(description="of the event collector; auto: https"),
    ] = "auto"
    tls: Annotated[
        bool | None, msgspec.Meta(description="encrypt syslog; null: on port 6514 only")
    ] = None
    verify: Annotated[bool, msgspec.Meta(description="check the server's certificate")] = True
    ca_file: Annotated[
        str, msgspec.Meta(description="authorities to trust, PEM; empty: those of the system")
    ] = ""
    index: Annotated[str, msgspec.Meta(description="index; empty: the token's own")] = ""
    sourcetype: Annotated[str, msgspec.Meta(min_length=1, description="Splunk's sourcetype")] = (
        "mlids"
    )
    gzip: Annotated[bool, msgspec.Meta(description="compress what is sent")] = False
    max_bytes: Annotated[
        int, msgspec.Meta(ge=10_000, le=800_000_000, description="size of one request")
    ] = 1_000_000
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=300, description="for one request")] = (
        10.0
    )
    retry_seconds: Annotated[
        float, msgspec.Meta(gt=0, le=3600, description="the longest wait before another attempt")
    ] = 30.0
    spool_max_bytes: Annotated[
        int, msgspec.Meta(ge=1 << 16, description="what may wait on disk while the peer is away")
    ] = 1 << 30


class SplunkSink(EventSink):
    """Sends events to Splunk: ``SplunkSink("splunk.example.local", 8088, token)``.

    Port 514 and 6514 (TLS) speak RFC 5424 syslog over TCP, any other the HTTP event collector.
    """

    Settings = Settings

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        token: str | None = None,
        **options: Any,
    ) -> None:
        named = {"host": host, "port": port, "token": token}
        super().__init__(
            **{key: value for key, value in named.items() if value is not None}, **options
        )
        settings: Settings = self.settings
        self.retry_seconds = settings.retry_seconds
        self.spool_max_bytes = settings.spool_max_bytes
        self._syslog = settings.protocol == "syslog" or (
            settings.protocol == "auto" and settings.port in (SYSLOG, SYSLOG_TLS)
        )
        self._peer = _stream(settings) if self._syslog else _client(settings)

    def open(self) -> None:
        """Connect, or look the server up. Raises `MLIDSError` E002 without the token it needs."""
        if not (self._syslog or self.settings.token):
            raise MLIDSError(
                "E002",
                "Splunk's event collector needs a token",
                "set integrations.splunk.token, or port 514 for syslog",
            )
        self._peer.open()

    def send_event(self, event: Event) -> None:
        """Send one event."""
        self.send_batch([event])

    def send_batch(self, events: Sequence[Event]) -> None:
        """Send events; where the collector names one that is wrong, only that is rejected."""
        if isinstance(self._peer, Stream):
            frames = (rfc5424.frame(rfc5424.message(event)) for event in events)
            self._peer.send(b"".join(frames))
            return
        client = self._peer
        bulk = Bulk([self._entry(event) for event in events], self.settings.max_bytes)
        bulk.send(lambda piece: self._post(client, bulk.body(piece)))

    def close(self) -> None:
        """Close the connection."""
        self._peer.close()

    def endpoints(self) -> list[tuple[str, int]]:
        """The server's addresses."""
        return self._peer.endpoints()

    def _entry(self, event: Event) -> bytes:
        entry = {
            "time": round(event.time_ns / 1e9, 6),
            "host": str(event.get("host") or host_name()),
            "source": "mlids",
            "sourcetype": self.settings.sourcetype,
            **({"index": self.settings.index} if self.settings.index else {}),
            "event": msgspec.Raw(event.encoded()),
        }
        return msgspec.json.encode(entry)

    def _post(self, client: Client, body: bytes) -> None:
        answer = client.post("/services/collector/event", body, "application/json")
        said = answer.json()
        code = said.get("code")
        if answer.status == 200 and code == 0:
            return
        if answer.status == 413 or (answer.status == 400 and code in _FAULTS):
            index = said.get("invalid-event-number")
            raise PieceError(_said(answer), index if isinstance(index, int) else None)
        slow = 300 <= answer.status < 500 and answer.status not in (408, 429)
        raise SinkError(_said(answer), wait_s=self.retry_seconds if slow else answer.retry_after_s)


def _stream(settings: Settings) -> Stream:
    return Stream(
        settings.host,
        settings.port,
        tls=settings.port == SYSLOG_TLS if settings.tls is None else settings.tls,
        verify=settings.verify,
        ca_file=settings.ca_file,
        timeout_s=settings.timeout_seconds,
    )


def _client(settings: Settings) -> Client:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if settings.scheme == "auto" else settings.scheme
    return Client(
        f"{scheme}://{host}:{settings.port}",
        headers={"Authorization": f"Splunk {settings.token}"},
        verify=settings.verify,
        ca_file=settings.ca_file,
        compress=settings.gzip,
        timeout_s=settings.timeout_seconds,
    )


def _said(answer: Answer) -> str:
    return f"Splunk answers {answer.status}: {answer.text()}"
