"""The WebSocket protocol of the reference, who may listen to it, and what is refused as unsafe."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from mlids.delivery import Delivery
from mlids.errors import MLIDSError
from mlids.integrations.websocket import WebSocketSink
from mlids.testing import event

Until = Callable[..., None]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def make(free_port: int) -> Iterator[Callable[..., WebSocketSink]]:
    made: list[WebSocketSink] = []

    def opened(**options: Any) -> WebSocketSink:
        made.append(WebSocketSink(port=free_port, **options))
        made[-1].open()
        return made[-1]

    yield opened
    for sink in made:
        sink.close()


def client(sink: WebSocketSink, path: str = "/", **options: Any) -> ClientConnection:
    return connect(f"ws://localhost:{sink.settings.port}{path}", proxy=None, **options)


def read(connection: ClientConnection, kind: str = "") -> dict[str, Any]:
    while True:
        message = json.loads(connection.recv(timeout=5))
        if kind in ("", message["type"]):
            return message


def test_a_client_sees_life_at_once_and_then_events(make: Any, until: Until) -> None:
    sink = make()
    with client(sink) as one:
        heartbeat, stats = read(one), read(one)
        assert list(heartbeat) == ["type", "timestamp", "uptime"]
        assert TIME.fullmatch(heartbeat["timestamp"])
        assert isinstance(heartbeat["uptime"], int)
        assert stats == {
            "type": "stats",
            "data": {"events_per_second": 0.0, "total_events": 0, "active_alerts": 0},
        }
        until(lambda: sink.clients() == 1)
        made = event(id="e1", tags=["authentication"], explanation="5 in 300 s")
        sink.send_event(made)
        message = read(one)
        assert message["type"] == "event"
        data = message["data"]
        assert list(data)[:4] == ["timestamp", "event_type", "severity", "details"]
        assert data["event_type"] == "Failed Login"
        for key in ("timestamp", "severity", "details", "id", "source", "correlation_id", "tags"):
            assert data[key] == made[key]
        assert (data["rule"], data["explanation"]) == ("login/sshd", "5 in 300 s")


def test_every_client_gets_every_event_in_order(make: Any, until: Until) -> None:
    sink = make(max_clients=5)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client(sink)) for _ in range(5)]
        until(lambda: sink.clients() == 5)
        sink.send_batch([event(id=str(n)) for n in range(100)])
        for one in clients:
            found = [read(one, "event")["data"]["id"] for _ in range(100)]
            assert found == list(map(str, range(100)))


def test_heartbeats_and_statistics_repeat(make: Any) -> None:
    sink = make(heartbeat_seconds=0.05, stats_seconds=0.05)
    with client(sink) as one:
        kinds = [read(one)["type"] for _ in range(8)]
        assert min(kinds.count("heartbeat"), kinds.count("stats")) >= 2


def test_statistics_count_what_was_sent_or_come_from_the_application(make: Any) -> None:
    sink = make(stats_seconds=0.05)
    another = {"ip": "192.0.2.99"}
    alerts = [event(severity="HIGH"), event(severity="MEDIUM", details=another)]
    sink.send_batch([*alerts, event(severity="LOW", details={"ip": "192.0.2.98"})])
    with client(sink) as one:
        own = read(one, "stats")["data"]
        assert (own["total_events"], own["active_alerts"]) == (3, 2)
        sink.stats = lambda: {
            "events_per_second": 2.5,
            "total_events": 15000,
            "active_alerts": 3,
            "other": object(),
        }
        read(one, "stats")
        expected = {"events_per_second": 2.5, "total_events": 15000, "active_alerts": 3}
        assert read(one, "stats")["data"] == expected
        sink.stats = lambda: 1 / 0  # type: ignore[assignment, return-value]
        read(one, "stats")
        assert read(one, "stats")["data"]["total_events"] == 3


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("https://soc.example", True),
        ("https://evil.example", False),
        (None, True),
    ],
)
def test_web_pages_of_other_places_may_not_listen(
    make: Any, origin: str | None, allowed: bool
) -> None:
    sink = make(allowed_origins=["https://soc.example"])
    if allowed:
        with client(sink, origin=origin) as one:
            assert read(one)["type"] == "heartbeat"
        return
    with pytest.raises(InvalidStatus, match="403"):
        client(sink, origin=origin)


def test_a_token_is_asked_for_where_one_is_set_and_never_logged(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets.client").setLevel(logging.WARNING)  # the test's own client
    sink = make(token="s3cr3t")
    with pytest.raises(InvalidStatus, match="401"):
        client(sink)
    with pytest.raises(InvalidStatus, match="401"):
        client(sink, "/?token=wrong")
    with client(sink, "/?token=s3cr3t") as one:
        read(one)
    with client(sink, additional_headers={"Authorization": "Bearer s3cr3t"}) as one:
        read(one)
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    "options",
    [{}, {"token": "t"}, {"tls_cert": "c.pem"}, {"url": "ws://203.0.113.1/"}],
)
def test_off_loopback_token_and_tls_are_needed(make: Any, options: dict[str, str]) -> None:
    with pytest.raises(MLIDSError) as caught:
        make(host="0.0.0.0", **options)
    assert caught.value.code == "E002"
    assert "insecure: true" in caught.value.hint


def test_off_loopback_it_can_be_allowed_by_name(make: Any) -> None:
    sink = make(host="0.0.0.0", insecure=True)
    with connect(f"ws://127.0.0.1:{sink.settings.port}/", proxy=None) as one:
        assert read(one)["type"] == "heartbeat"


def test_tls_and_token_off_loopback(make: Any, certificate: tuple[str, str]) -> None:
    sink = make(host="0.0.0.0", token="t", tls_cert=certificate[0], tls_key=certificate[1])
    context = ssl.create_default_context(cafile=certificate[0])
    url = f"wss://localhost:{sink.settings.port}/?token=t"
    with connect(url, ssl=context, proxy=None) as one:
        assert read(one)["type"] == "heartbeat"


def test_a_certificate_that_cannot_be_read_is_e002(make: Any) -> None:
    with pytest.raises(MLIDSError) as caught:
        make(tls_cert="/no/such/file.pem")
    assert caught.value.code == "E002"


def test_a_port_in_use_is_e008(make: Any) -> None:
    make()
    with pytest.raises(MLIDSError) as caught:
        make()
    assert caught.value.code == "E008"


def test_given_a_url_it_connects_out_and_reconnects(
    make: Any, free_port: int, until: Until
) -> None:
    server = make()  # the other side is a feed of our own, with a client that listens
    out = WebSocketSink(url=f"ws://localhost:{free_port}/", retry_seconds=0.05)
    delivery = Delivery(out, "websocket", tell=lambda error: None)
    delivery.start()
    delivery.put(event(id="1"))
    until(lambda: delivery.status().sent == 1)
    assert server.clients() == 1
    server.close()
    delivery.put(event(id="2"))
    until(lambda: delivery.status().state == "retrying")
    server.open()
    until(lambda: delivery.status().sent == 2)
    assert out.endpoints()[0][1] == free_port
    delivery.stop()


def test_tls_out_is_checked(make: Any, certificate: tuple[str, str], free_port: int) -> None:
    make(tls_cert=certificate[0], tls_key=certificate[1])
    url = f"wss://localhost:{free_port}/"
    trusting = WebSocketSink(url=url, ca_file=certificate[0])
    trusting.open()
    trusting.send_event(event())
    trusting.close()
    with pytest.raises(MLIDSError, match="certificate"):
        WebSocketSink(url=url).open()


def test_defaults_are_those_of_the_reference() -> None:
    settings = WebSocketSink().settings
    assert (settings.host, settings.port) == ("localhost", 8080)
    assert (settings.heartbeat_seconds, settings.stats_seconds) == (30, 5)
