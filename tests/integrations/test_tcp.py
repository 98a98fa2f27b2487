"""JSON lines over TCP: to a peer that reads, hangs, hangs up, comes back, or is not who it says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlids.delivery import Delivery
from mlids.errors import SinkError
from mlids.integrations.tcp import TCPSink
from mlids.testing import check_sink, event

Servers = Callable[..., Any]
Until = Callable[..., None]


def test_the_contract_of_a_sink(line_server: Servers, until: Until) -> None:
    server = line_server()

    def received() -> list[bytes]:
        until(lambda: len(server.lines) == 5)
        return server.lines

    check_sink(lambda: TCPSink(host="127.0.0.1", port=server.port), received)


def test_one_event_is_one_line_of_json(line_server: Servers, until: Until) -> None:
    server = line_server()
    sink = TCPSink(host="localhost", port=server.port)
    sink.open()
    made = event(details={"description": "line\nbreak", "ip": "192.0.2.7"})
    sink.send_batch([made, made])
    assert sink.endpoints() == [("127.0.0.1", server.port)]
    until(lambda: len(server.lines) == 2)
    assert [json.loads(line) for line in server.lines] == [made, made]
    sink.close()
    assert sink.endpoints() == []


def test_nobody_there_is_a_sink_error(free_port: int) -> None:
    with pytest.raises(SinkError, match=rf"127.0.0.1:{free_port}: .*refused"):
        TCPSink(host="127.0.0.1", port=free_port).open()


def test_a_peer_that_closed_is_noticed_before_anything_is_sent(
    line_server: Servers, until: Until
) -> None:
    server = line_server()
    sink = TCPSink(host="127.0.0.1", port=server.port)
    sink.open()
    until(lambda: server.connections)
    server.hang_up()
    time.sleep(0.02)
    with pytest.raises(SinkError):
        sink.send_event(event())
    assert server.data == b""


def test_a_peer_that_takes_nothing_ends_in_time(line_server: Servers) -> None:
    server = line_server()
    server.reading.clear()
    sink = TCPSink(host="127.0.0.1", port=server.port, timeout_seconds=0.3)
    sink.open()
    big = event(details={"description": "x" * 1_000_000})
    begin = time.monotonic()
    with pytest.raises(SinkError):
        for _ in range(50):
            sink.send_event(big)
    assert time.monotonic() - begin < 3


def test_what_a_peer_says_is_thrown_away(line_server: Servers, until: Until) -> None:
    server = line_server()
    sink = TCPSink(host="127.0.0.1", port=server.port)
    sink.open()
    until(lambda: server.connections)
    server.connections[0].sendall(b"hello\n" * 1000)
    sink.send_event(event())
    until(lambda: len(server.lines) == 1)
    sink.close()


def test_tls_with_a_certificate_that_is_trusted(
    line_server: Servers, certificate: tuple[str, str], until: Until
) -> None:
    server = line_server(certificate=certificate)
    sink = TCPSink(host="localhost", port=server.port, tls=True, ca_file=certificate[0])
    sink.open()
    sink.send_batch([event(), event()])
    sink.send_event(event())
    until(lambda: len(server.lines) == 3)
    sink.close()


def test_tls_refuses_a_certificate_that_is_not(
    line_server: Servers, certificate: tuple[str, str]
) -> None:
    server = line_server(certificate=certificate)
    with pytest.raises(SinkError, match="not trusted"):
        TCPSink(host="localhost", port=server.port, tls=True).open()
    unchecked = TCPSink(host="localhost", port=server.port, tls=True, verify=False)
    unchecked.open()
    unchecked.close()


def test_nothing_is_lost_over_restarts_of_the_peer(
    line_server: Servers, free_port: int, tmp_path: Path, until: Until
) -> None:
    sink = TCPSink(host="127.0.0.1", port=free_port, retry_seconds=0.02)
    delivery = Delivery(sink, "tcp", spool=tmp_path, tell=lambda error: None)
    delivery.start()
    received: list[bytes] = []
    stop = threading.Event()
    total = 6000

    def produce() -> None:
        for n in range(total):
            delivery.put(event(id=str(n)))
            if n % 100 == 0:
                stop.wait(0.003)

    producer = threading.Thread(target=produce)
    producer.start()
    for _ in range(4):
        server = line_server(free_port)
        seen = delivery.status().sent
        until(
            lambda seen=seen: delivery.status().sent > seen + 200 or delivery.status().sent >= total
        )
        server.close()
        time.sleep(0.02)
        received += server.lines
    server = line_server(free_port)
    producer.join()
    until(lambda: delivery.status().sent >= total)
    delivery.stop()
    time.sleep(0.02)
    received += server.lines
    ids = {json.loads(line)["id"] for line in received}
    lost = set(map(str, range(total))) - ids
    # What the peer's kernel acknowledged when it was killed it may not have read: one batch each.
    assert len(lost) <= 4 * sink.batch_size
    assert len(received) - len(ids) <= 4 * sink.batch_size


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"port": 70_000}, {"host": ""}, {"retry_seconds": 0}, {"prt": 1}]
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        TCPSink(**wrong)


def test_defaults_are_those_of_the_reference() -> None:
    settings = TCPSink().settings
    assert (settings.host, settings.port, settings.retry_seconds) == ("localhost", 9999, 30)
