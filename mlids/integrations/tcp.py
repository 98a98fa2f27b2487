"""Events as JSON lines over TCP, to anything that reads lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from mlids.events import Event, EventSink
from mlids.stream import Stream


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Where the lines go, and how."""

    host: Annotated[str, msgspec.Meta(min_length=1, description="name or address of the peer")] = (
        "localhost"
    )
    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="its port")] = 9999
    tls: Annotated[bool, msgspec.Meta(description="encrypt the connection")] = False
    verify: Annotated[bool, msgspec.Meta(description="check the peer's certificate")] = True
    ca_file: Annotated[
        str, msgspec.Meta(description="authorities to trust, PEM; empty: those of the system")
    ] = ""
    timeout_seconds: Annotated[
        float, msgspec.Meta(gt=0, le=300, description="for connecting and for each batch")
    ] = 10.0
    retry_seconds: Annotated[
        float, msgspec.Meta(gt=0, le=3600, description="the longest wait before another attempt")
    ] = 30.0
    spool_max_bytes: Annotated[
        int, msgspec.Meta(ge=1 << 16, description="what may wait on disk while the peer is away")
    ] = 1 << 30


class TCPSink(EventSink):
    """Connects to a peer and sends one event a line; MLIDS reconnects by itself."""

    Settings = Settings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.retry_seconds = self.settings.retry_seconds
        self.spool_max_bytes = self.settings.spool_max_bytes
        self._stream = Stream(
            self.settings.host,
            self.settings.port,
            tls=self.settings.tls,
            verify=self.settings.verify,
            ca_file=self.settings.ca_file,
            timeout_s=self.settings.timeout_seconds,
        )

    def open(self) -> None:
        """Connect. Raises `SinkError`."""
        self._stream.open()

    def send_event(self, event: Event) -> None:
        """Send one line."""
        self.send_batch([event])

    def send_batch(self, events: Sequence[Event]) -> None:
        """Send lines; where the connection fails, all of them are offered again."""
        self._stream.send(b"".join(event.encoded() + b"\n" for event in events))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def endpoints(self) -> list[tuple[str, int]]:
        """The peer, while there is a connection."""
        return self._stream.endpoints()
