"""A syslog listener: lines that other machines send over UDP, TCP or TLS (RFC 3164, 5424, 6587).

What a line says of its host is the sender's word; the address it came from is not. So the lines of
each sender are batches of their own, whose source ends with its address.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Annotated, Any

import msgspec
import numpy as np

from mlids import registry
from mlids.batches import InputStatus, LineBatch, LogFormat, Monitor
from mlids.lines.chunks import line_bounds
from mlids.lines.endpoints import endpoint, tls_context
from mlids.lines.receiving import Limits, Place, Receiver
from mlids.lines.recognition import Formats, Ledger, Recognition

WAIT_S = 0.2  # until a stop is noticed
GATHER_S = 0.1  # lines that come so close together make one batch a sender
LINES = 16_384  # lines that are gathered at most
REST_S = 0.5  # how long is read on after a stop what has come already
HEARTBEAT_S = 1.0
PEERS = 1000  # senders whose line numbers are kept
APART = 256  # senders that get batches of their own in one turn
OTHERS = "several addresses"


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of the syslog listener."""

    listen: Annotated[
        list[str],
        msgspec.Meta(
            description="Where: udp://127.0.0.1:5514, tcp://[::1]:5514, tls://0.0.0.0:6514 …"
        ),
    ] = []
    certificate: Annotated[
        str, msgspec.Meta(description="PEM file that tls:// shows, with its chain")
    ] = ""
    key: Annotated[str, msgspec.Meta(description="PEM file of its key, if it is apart")] = ""
    client_ca: Annotated[
        str,
        msgspec.Meta(description="PEM file: only clients with a certificate of these may send"),
    ] = ""
    allow: Annotated[
        list[str], msgspec.Meta(description="Addresses and networks that may send; empty: all")
    ] = []
    max_line: Annotated[
        int, msgspec.Meta(ge=480, le=1 << 20, description="Bytes of the longest message kept")
    ] = 65536
    max_connections: Annotated[
        int, msgspec.Meta(ge=1, le=10_000, description="Clients of tcp:// and tls://, each place")
    ] = 200
    idle_s: Annotated[
        float,
        msgspec.Meta(ge=0.1, le=86400, description="Seconds until a silent client is let go"),
    ] = 600
    format: Annotated[
        str, msgspec.Meta(description="Name of the log format; empty: told from the lines")
    ] = ""
    known_formats: Annotated[
        Any,
        msgspec.Meta(description="The formats there are, made as configured", extra={"key": ""}),
    ] = None


class SyslogListener(Monitor):
    """Yields the lines that other machines send, those of each sender apart."""

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        chosen = self.settings
        self._endpoints = [endpoint(text) for text in chosen.listen]
        if any(at.kind == "tls" for at in self._endpoints) and not chosen.certificate:
            raise ValueError("certificate: tls:// needs one")
        self._limits = Limits(
            chosen.max_line,
            chosen.max_connections,
            chosen.idle_s,
            _allowed(chosen.allow),
        )
        self._formats = chosen.known_formats or Formats(registry.names("formats"), _format)
        if chosen.format:
            self._formats.made(chosen.format)
        self._receiver: Receiver | None = None
        self._places: list[Place] = []
        self._ledgers = {str(at): Ledger() for at in self._endpoints}
        self._before: dict[tuple[str, str], int] = {}  # counts of places that were closed
        self._peers: OrderedDict[tuple[str, str], _Peer] = OrderedDict()

    def open(self) -> None:
        """Listen. What cannot be listened at is told; raises `MLIDSError` where nothing can."""
        self.close()
        chosen, context = self.settings, None
        if any(at.kind == "tls" for at in self._endpoints):
            context = tls_context(chosen.certificate, chosen.key, chosen.client_ca)
        self._places = [
            Place(at, self._limits, context if at.kind == "tls" else None) for at in self._endpoints
        ]
        self._receiver = Receiver(self._places, self.tell)
        self._receiver.open()

    def batches(self, stop: threading.Event) -> Iterator[LineBatch]:
        """The lines as they come; an empty batch each second."""
        if self._receiver is None:
            self.open()
        beat = time.monotonic()
        while not stop.is_set():
            yield from self._gathered(stop)
            if time.monotonic() - beat >= HEARTBEAT_S - WAIT_S:
                beat = time.monotonic()
                yield _batch("syslog", [], time.time_ns())
        until = time.monotonic() + REST_S
        while time.monotonic() < until and (rest := list(self._gathered(stop))):
            yield from rest

    def _gathered(self, stop: threading.Event) -> Iterator[LineBatch]:
        """What comes within a moment, one batch a sender."""
        assert self._receiver is not None
        lines: dict[tuple[str, str], list[bytes]] = {}
        count, until, wait_s = 0, 0.0, 0.0 if stop.is_set() else WAIT_S
        while True:
            for place, found in self._receiver.received(wait_s):
                at = str(place.at)
                if found.rejected:
                    self._ledgers[at].add(0, 0, found.rejected)
                if found.messages:
                    known = (at, found.peer) in lines or len(lines) < APART
                    lines.setdefault((at, found.peer if known else OTHERS), []).extend(
                        found.messages
                    )
                    count += len(found.messages)
            until = until or time.monotonic() + GATHER_S
            wait_s = until - time.monotonic()
            if not lines or count >= LINES or wait_s <= 0 or stop.is_set():
                break
        for (at, peer), messages in lines.items():
            yield self._batch(at, peer, messages)

    def _batch(self, at: str, peer: str, messages: list[bytes]) -> LineBatch:
        known = self._peers.pop((at, peer), None)
        if known is None:
            known = _Peer(Recognition(self._formats, self.settings.format, likely="syslog"))
        self._peers[at, peer] = known
        if len(self._peers) > PEERS:
            self._peers.popitem(last=False)
        batch = _batch(
            f"syslog {at} from {peer}", messages, 0, first=known.lines + 1, base=known.bytes
        )
        known.lines += len(messages)
        known.bytes += len(batch.data)
        batch, matched = known.recognition.recognised(batch)
        self._ledgers[at].add(len(batch), matched)
        return batch

    def close(self) -> None:
        """Listen no more."""
        if self._receiver is not None:
            self._receiver.close()
            for place in self._places:
                for what, count in place.counts.items():
                    key = str(place.at), what
                    self._before[key] = self._before.get(key, 0) + count
            self._receiver, self._places = None, []

    def inputs(self) -> list[InputStatus]:
        """Each endpoint with its ledger, and what it lost or refused."""
        places = {str(place.at): place for place in self._places}
        return [self._status(at, places.get(at)) for at in self._ledgers]

    def _status(self, at: str, place: Place | None) -> InputStatus:
        counts = dict(self._ledgers[at].counts)
        for what in ("dropped", "refused", "silent"):
            counts[what] = self._before.get((at, what), 0)
            if place is not None:
                counts[what] += place.lost() if what == "dropped" else place.counts[what]
        if place is None:
            return InputStatus(f"syslog {at}", "log", "waiting", "not open", counts)
        clients = len(place.connections)
        note = place.error or (f"{clients} clients" if at[:3] != "udp" else "")
        state = "failed" if place.error else "ok"
        return InputStatus(f"syslog {at}", "log", state, note, counts)


class _Peer:
    """One sender: how many lines and bytes it has sent, and in which format."""

    def __init__(self, recognition: Recognition) -> None:
        self.recognition = recognition
        self.lines = self.bytes = 0


def _batch(
    source: str, messages: list[bytes], now: int, first: int = 1, base: int = 0
) -> LineBatch:
    data = b"".join([message + b"\n" for message in messages])
    starts, ends = line_bounds(data)
    numbers = np.arange(first, first + len(starts), dtype=np.int64)
    return LineBatch(
        data, starts, ends, numbers, source=source, base=base, now=now, written=time.time_ns()
    )


def _allowed(texts: list[str]) -> Callable[[str], bool]:
    """Whether an address may send. Raises ValueError for what is no network."""
    networks = [ip_network(text, strict=False) for text in texts]

    @lru_cache(maxsize=4096)
    def allowed(peer: str) -> bool:
        return not networks or (bool(peer) and any(ip_address(peer) in one for one in networks))

    return allowed


def _format(name: str) -> LogFormat:
    made = registry.plugin("formats", name)()
    assert isinstance(made, LogFormat)
    return made
