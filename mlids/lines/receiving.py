"""Takes in messages at several endpoints at once; a slow or silent client holds nobody up."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mlids import addresses
from mlids.errors import MLIDSError
from mlids.lines.endpoints import Endpoint, bound, dropped
from mlids.lines.framing import Deframer, clean

DATAGRAM = 65536
AT_ONCE = 1 << 16  # bytes of one connection, until others have their turn
TURN = 2048  # datagrams of one socket, until others have theirs
HANDSHAKE_S = 10.0
LOOK_S = 1.0  # between two looks for silent connections
SHARE = 4  # one address may hold a quarter of all connections
LEAST = 8  # and at least as many


class Limits(NamedTuple):
    """What a client may do."""

    max_line: int
    max_connections: int
    idle_s: float
    allowed: Callable[[str], bool]


class Received(NamedTuple):
    """Messages of one peer at one endpoint; rejected: those that were too long or broken."""

    peer: str
    messages: Sequence[bytes]
    rejected: int = 0


class Place:
    """One endpoint that is listened at, with its counts."""

    def __init__(self, at: Endpoint, limits: Limits, context: ssl.SSLContext | None = None) -> None:
        self.at = at
        self.limits = limits
        self.context = context
        self.socket: socket.socket | None = None
        self.error = ""
        self.connections: dict[socket.socket, Connection] = {}
        self.peers: Counter[str] = Counter()  # connections by address
        self.counts = {"dropped": 0, "refused": 0, "silent": 0}

    def open(self) -> None:
        """Listen. Raises `MLIDSError`."""
        self.socket = bound(self.at)

    def close(self) -> None:
        """Listen no more."""
        for connection in list(self.connections.values()):
            self.let_go(connection)
        if self.socket is not None:
            self.counts["dropped"] = self.lost()
            self.socket.close()
            self.socket = None

    def lost(self) -> int:
        """Datagrams that the kernel dropped."""
        there = self.at.kind == "udp" and self.socket is not None
        return dropped(self.socket) if there and self.socket else self.counts["dropped"]

    def datagrams(self) -> Iterator[Received]:
        """What lies ready, each datagram one line."""
        assert self.socket is not None
        for _ in range(TURN):
            try:
                data, sender = self.socket.recvfrom(DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an error of an earlier answer, which is none of ours
            peer = addresses.normalise(sender[0].partition("%")[0])
            if not self.limits.allowed(peer):
                self.counts["refused"] += 1
                continue
            message = clean(data)
            if len(message) > self.limits.max_line:
                yield Received(peer, (), 1)
            elif message:
                yield Received(peer, (message,))

    def accept(self) -> Connection | None:
        """The next client, None where there is none or it is refused."""
        assert self.socket is not None
        try:
            link, sender = self.socket.accept()
        except OSError:
            return None
        peer = addresses.normalise(sender[0].partition("%")[0])
        most = self.limits.max_connections
        full = len(self.connections) >= most or self.peers[peer] >= max(LEAST, most // SHARE)
        if full or not self.limits.allowed(peer):
            self.counts["refused"] += 1
            link.close()
            return None
        link.setblocking(False)
        if self.context is not None:
            try:
                link = self.context.wrap_socket(
                    link, server_side=True, do_handshake_on_connect=False
                )
            except OSError:
                link.close()
                return None
        made = Connection(link, peer, self)
        self.connections[link] = made
        self.peers[peer] += 1
        return made

    def let_go(self, connection: Connection) -> None:
        """Close a connection."""
        if self.connections.pop(connection.link, None) is not None:
            self.peers[connection.peer] -= 1
            if not self.peers[connection.peer]:
                del self.peers[connection.peer]
        with contextlib.suppress(OSError):
            connection.link.close()


class Connection:
    """One client of a TCP or TLS endpoint."""

    def __init__(self, link: socket.socket, peer: str, place: Place) -> None:
        self.link = link
        self.peer = peer
        self.place = place
        self.shaking = place.context is not None
        self.ended = False
        self.progress = time.monotonic()  # when its last whole message came
        self._deframer = Deframer(place.limits.max_line)

    def receive(self) -> Received:
        """What has come; sets `ended` where nothing more will."""
        messages: list[bytes] = []
        try:
            if self.shaking:
                assert isinstance(self.link, ssl.SSLSocket)
                self.link.do_handshake()
                self.shaking = False
            taken = 0
            while taken < AT_ONCE:
                data = self.link.recv(AT_ONCE)
                if not data:
                    self.ended = True
                    break
                taken += len(data)
                messages += self._deframer.feed(data)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:  # reset, or no TLS that we speak
            self.ended = True
        if messages:
            self.progress = time.monotonic()
        if self.ended:
            messages += self._deframer.finish()
        return Received(self.peer, messages, self._rejected())

    def _rejected(self) -> int:
        rejected, self._deframer.rejected = self._deframer.rejected, 0
        return rejected

    @property
    def more(self) -> bool:
        """Whether TLS holds bytes that were decrypted and not read: no poll tells of these."""
        return isinstance(self.link, ssl.SSLSocket) and bool(self.link.pending())

    def silent(self, now: float) -> bool:
        """Whether it has had its time without a whole message."""
        limit = self.place.limits.idle_s
        return now - self.progress > (min(limit, HANDSHAKE_S) if self.shaking else limit)

    def rest(self) -> Received:
        """The end: what is held of a message."""
        return Received(self.peer, self._deframer.finish(), self._rejected())


class Receiver:
    """Listens at several places; `received` gives what has come."""

    def __init__(self, places: Sequence[Place], tell: Callable[[MLIDSError], None]) -> None:
        self.places = places
        self._tell = tell
        self._selector = selectors.DefaultSelector()
        self._looked = time.monotonic()

    def open(self) -> None:
        """Listen wherever it is possible; what is not is told. Raises the error if nothing is."""
        last: MLIDSError | None = None
        for place in self.places:
            try:
                place.open()
            except MLIDSError as error:
                place.error, last = error.message, error
                self._tell(error)
                continue
            place.error = ""
            assert place.socket is not None
            self._selector.register(place.socket, selectors.EVENT_READ, place)
        if last is not None and all(place.socket is None for place in self.places):
            raise last

    def received(self, wait_s: float) -> Iterator[tuple[Place, Received]]:
        """What comes within this time, as soon as anything does."""
        waiting = [c for p in self.places for c in p.connections.values() if c.more]
        for key, _ in self._selector.select(0 if waiting else wait_s):
            if isinstance(key.data, Connection):
                waiting.append(key.data)
            elif key.data.at.kind == "udp":
                yield from ((key.data, one) for one in key.data.datagrams())
            elif (made := key.data.accept()) is not None:
                self._selector.register(made.link, selectors.EVENT_READ, made)
                waiting.append(made)
        for connection in dict.fromkeys(waiting):
            found = connection.receive()
            if found.messages or found.rejected:
                yield connection.place, found
            if connection.ended:
                self._let_go(connection)
        if time.monotonic() - self._looked >= LOOK_S:
            yield from self._silent()

    def _silent(self) -> Iterator[tuple[Place, Received]]:
        """Let go of clients that say nothing, or never end what they say."""
        self._looked = now = time.monotonic()
        for place in self.places:
            for connection in list(place.connections.values()):
                if connection.silent(now):
                    place.counts["silent"] += 1
                    yield place, connection.rest()
                    self._let_go(connection)

    def _let_go(self, connection: Connection) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.link)
        connection.place.let_go(connection)

    def close(self) -> None:
        """Listen no more."""
        self._selector.close()
        for place in self.places:
            place.close()
