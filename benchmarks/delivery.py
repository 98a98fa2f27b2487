"""How fast events go through a TCP sink, how fast a backlog drains, and what `put` costs.

    python benchmarks/delivery.py [events]

The physical limit is a bare socket that sends the same lines in the same batches.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from mlids.delivery import Delivery
from mlids.events import Event
from mlids.feed.door import Door
from mlids.feed.server import Feed
from mlids.integrations.tcp import TCPSink
from mlids.testing import event


class Reader:
    """Counts the lines that arrive."""

    def __init__(self) -> None:
        self.lines = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        while data := connection.recv(1 << 20):
            self.lines += data.count(b"\n")

    def wait(self, lines: int) -> None:
        while self.lines < lines:
            time.sleep(0.001)
        self.lines = 0


def bare(events: list[Event], reader: Reader) -> float:
    begin = time.perf_counter()
    with socket.create_connection(("127.0.0.1", reader.port)) as sender:
        for at in range(0, len(events), 500):
            sender.sendall(b"".join(e.encoded() + b"\n" for e in events[at : at + 500]))
    reader.wait(len(events))
    return len(events) / (time.perf_counter() - begin)


def through(events: list[Event], reader: Reader) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        sink = TCPSink(host="127.0.0.1", port=reader.port)
        delivery = Delivery(sink, "tcp", spool=Path(folder))
        delivery.start()
        begin = time.perf_counter()
        for one in events:
            delivery.put(one)
        put = (time.perf_counter() - begin) / len(events)
        reader.wait(len(events))
        rate = len(events) / (time.perf_counter() - begin)
        delivery.stop()
    return rate, put * 1e6


def drain(events: list[Event], reader: Reader) -> float:
    with tempfile.TemporaryDirectory() as folder:
        sink = TCPSink(host="127.0.0.1", port=reader.port)
        waiting = Delivery(sink, "tcp", spool=Path(folder), capacity=len(events))
        for one in events:
            waiting.put(one)
        waiting.stop(0)  # never started: all of it goes to disk
        delivery = Delivery(sink, "tcp", spool=Path(folder))
        begin = time.perf_counter()
        delivery.start()
        reader.wait(len(events))
        rate = len(events) / (time.perf_counter() - begin)
        delivery.stop()
    return rate


def feed_delay(stalled: int, messages: int = 300) -> float:
    """Milliseconds, 99th percentile, from publishing to a client that reads among stalled ones."""
    from websockets.sync.client import connect

    feed = Feed(Door(max_clients=200), list, client_queue=2000)
    feed.open("127.0.0.1", 0, [])
    port = feed.endpoints()[0][1]
    key = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    head = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + key
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(stalled)]
    for one in silent:
        one.sendall(head)
    delays = []
    with connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None) as client:
        while feed.clients() <= stalled:
            time.sleep(0.01)
        for _ in range(messages):
            begin = time.perf_counter()
            feed.publish([b"x" * 2000])
            client.recv()
            delays.append(time.perf_counter() - begin)
            time.sleep(0.001)
    feed.close()
    for one in silent:
        one.close()
    return sorted(delays)[int(messages * 0.99)] * 1e3


def delivery(count: int = 50_000) -> list[dict[str, Any]]:
    """Events through a TCP sink beside a bare socket, a backlog, and clients of the feed."""
    events = [event(id=str(n)) for n in range(count)]
    for one in events:
        one.encoded()
    reader = Reader()
    limit = max(bare(events, reader) for _ in range(3))
    runs = [through(events, reader) for _ in range(3)]
    drained = max(drain(events, reader) for _ in range(3))
    rate, put = max(run[0] for run in runs), min(run[1] for run in runs)
    alone, among = feed_delay(0), feed_delay(100)
    share, late = f"{rate / limit:.2f} of a bare socket", among - alone
    return [
        _row("bare socket", f"{limit:,.0f} events/s"),
        _row("through a TCP sink", f"{rate:,.0f} events/s", share),
        _row("backlog from disk", f"{drained:,.0f} events/s", f"{drained / limit:.2f} of it"),
        _row("put", f"{put:.1f} µs"),
        _row("feed alone, p99", f"{alone:.2f} ms"),
        _row("100 stalled clients add, p99", f"{late:.2f} ms", reach="<= 20 ms", ok=late <= 20),
    ]


def _row(
    what: str, figure: str, note: str = "", *, reach: str = "for comparison", ok: bool | None = None
) -> dict[str, Any]:
    return {"what": what, "figure": figure, "reach": reach, "note": note, "ok": ok}


def main() -> None:
    """Print the rows."""
    for row in delivery(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000):
        print(f"{row['what']:<32}{row['figure']:>22}  {row['reach']:<16}{row['note']}")


if __name__ == "__main__":
    main()
