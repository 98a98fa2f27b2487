"""Serves messages to many WebSocket clients; one that does not read is dropped, not waited for.

An asyncio loop in a thread of its own. Every client has a bounded queue; a full one, or a message
that is stuck for `STUCK_S`, ends its connection, and pings find those that are silent otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from mlids.errors import MLIDSError, SinkError
from mlids.feed.door import Door, listening

if TYPE_CHECKING:
    from ssl import SSLContext

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

STUCK_S = 5.0  # a client that takes nothing for so long is gone
PING_S, PONG_S = 4.0, 4.0  # so that a silent one is found within 8 s
CAUGHT_UP_S = 0.02  # a client that moved within this time is waited for a little


Periodic = Sequence[tuple[float, Callable[[], bytes]]]  # messages by the seconds between them


@dataclass(eq=False)
class _Client:
    connection: ServerConnection
    limit: int
    moved: float  # when it last took something
    queue: deque[bytes] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = False

    def offer(self, messages: Iterable[bytes]) -> None:
        self.queue.extend(messages)
        self.filled.set()
        if len(self.queue) > self.limit:
            self.drop()

    def drop(self) -> None:
        self.queue.clear()
        self.connection.transport.abort()

    async def write(self, clock: Callable[[], float]) -> None:
        while True:
            self.filled.clear()
            while self.queue:
                self.busy = True
                await self.connection.send(self.queue.popleft(), text=True)
                self.busy, self.moved = False, clock()
            await self.filled.wait()


class Feed:
    """A WebSocket server for one stream of messages.

    greeting: messages for a client that just came; client_queue: messages held for one client.
    """

    stuck_s: ClassVar[float] = STUCK_S
    ping_s: ClassVar[tuple[float, float]] = (PING_S, PONG_S)

    def __init__(
        self,
        door: Door,
        greeting: Callable[[], Sequence[bytes]],
        *,
        client_queue: int = 1000,
        context: SSLContext | None = None,
    ) -> None:
        self.dropped = 0  # clients that were too slow
        self._door = door
        self._greeting = greeting
        self._limit = client_queue
        self._context = context
        self._clients: set[_Client] = set()
        self._sockets: list[socket.socket] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def open(self, host: str, port: int, periodic: Periodic) -> None:
        """Listen, and repeat the periodic messages. Raises E008, or `SinkError`."""
        try:
            import websockets.asyncio.server  # noqa: F401
        except ImportError as error:
            hint = 'pip install "websockets>=15,<18"'
            raise MLIDSError("E005", "websockets is missing", hint) from error
        self._sockets = listening(host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(periodic,), daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10.0)

    def publish(self, messages: Sequence[bytes], timeout_s: float = 10.0) -> None:
        """Hand messages to all clients. Raises `SinkError` where the loop does not answer."""
        if self._loop is None or not self._loop.is_running():
            raise SinkError("the WebSocket server is not open")
        done = asyncio.run_coroutine_threadsafe(self._distribute(messages), self._loop)
        try:
            done.result(timeout_s)
        except TimeoutError as error:
            raise SinkError("the WebSocket server does not answer") from error

    def close(self) -> None:
        """Close all connections and stop listening."""
        if self._loop is not None and self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5.0)
        for listener in self._sockets:
            listener.close()
        self._sockets, self._loop, self._thread = [], None, None

    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def endpoints(self) -> list[tuple[str, int]]:
        """The addresses it listens on."""
        return [listener.getsockname()[:2] for listener in self._sockets]

    def _run(self, periodic: Periodic) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        work: list[Coroutine[Any, Any, None]] = [self._sweep()]
        work += [self._repeat(seconds, make) for seconds, make in periodic]
        tasks = [self._loop.create_task(one) for one in work]
        try:
            self._loop.run_forever()
        finally:
            for client in self._clients:
                client.connection.transport.abort()
            tasks = [*asyncio.all_tasks(self._loop)]
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    async def _serve(self) -> None:
        from websockets.asyncio.server import serve

        log = logging.getLogger("mlids.feed.server.websockets")
        log.setLevel(logging.CRITICAL)  # its lines hold request lines, and these may hold the token
        interval_s, timeout_s = self.ping_s
        limited = _limited(2 * self._door.max_clients + 10)
        for listener in self._sockets:
            await serve(
                self._handle,
                create_connection=limited,
                sock=listener,
                ssl=self._context,
                process_request=self._admit,
                compression=None,
                server_header="mlids",
                open_timeout=5,
                close_timeout=1,
                ping_interval=interval_s,
                ping_timeout=timeout_s,
                max_size=4096,
                max_queue=4,
                write_limit=65536,
                logger=log,
            )

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        refusal = self._door.refusal(request, len(self._clients))
        return connection.respond(*refusal) if refusal else None

    async def _handle(self, connection: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        client = _Client(connection, self._limit, loop.time())
        client.offer(self._greeting())
        self._clients.add(client)
        writing = loop.create_task(client.write(loop.time))
        try:
            async for (
                _
            ) in connection:  # nothing is expected of clients; 20 messages a second are read
                await asyncio.sleep(0.05)
        finally:
            self._clients.discard(client)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _distribute(self, messages: Sequence[bytes]) -> None:
        for client in list(self._clients):
            client.offer(messages)
        await asyncio.sleep(0)
        # A burst may outrun clients that do read: those are given time, stalled ones are not.
        now = asyncio.get_running_loop().time
        while any(
            len(client.queue) > self._limit // 2 and now() - client.moved < CAUGHT_UP_S
            for client in self._clients
        ):
            await asyncio.sleep(0.001)

    async def _sweep(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self.stuck_s / 5)
            for client in list(self._clients):
                if (client.busy or client.queue) and now() - client.moved > self.stuck_s:
                    self.dropped += 1
                    client.drop()

    async def _repeat(self, seconds: float, make: Callable[[], bytes]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._distribute([make()])


def _limited(most: int) -> type[ServerConnection]:
    """Connections that are cut where more are open, before anything of them is read."""
    from websockets.asyncio.server import ServerConnection as Connection

    opened: set[Connection] = set()

    class Limited(Connection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            opened.add(self)
            if len(opened) > most:
                self.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            opened.discard(self)
            super().connection_lost(exc)

    return Limited
