"""Splunk: the event collector's every answer, and syslog read by a real rsyslogd."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlids.delivery import Delivery
from mlids.errors import MLIDSError, SinkError
from mlids.events import Event
from mlids.integrations.splunk import SplunkSink
from mlids.testing import check_sink, event

Until = Callable[..., None]


def sink_for(server: Any, token: str = "5cr37", **options: Any) -> SplunkSink:
    options = {"scheme": "http", **options}
    return SplunkSink("127.0.0.1", server.port, token, **options)


def batch(count: int, *bad: int) -> list[Event]:
    return [event(id=str(n), tags=["bad"] if n in bad else []) for n in range(count)]


def refusal(sink: SplunkSink, events: list[Event]) -> SinkError:
    sink.open()
    with pytest.raises(SinkError) as caught:
        sink.send_batch(events)
    assert "5cr37" not in str(caught.value)
    return caught.value


def stored_ids(server: Any) -> list[str]:
    return [entry["event"]["id"] for entry in server.stored]


def test_the_contract_of_a_sink(collector: Any) -> None:
    check_sink(lambda: sink_for(collector), lambda: collector.stored)


def test_an_entry_is_labelled_and_holds_the_event(collector: Any) -> None:
    sink = sink_for(collector, index="security", sourcetype="mlids:event")
    sink.open()
    made = event(host="gate.example", id="1")
    sink.send_event(made)
    (entry,) = collector.stored
    assert entry.pop("event") == made
    assert entry == {
        "time": 1736764245.0,
        "host": "gate.example",
        "source": "mlids",
        "sourcetype": "mlids:event",
        "index": "security",
    }
    assert sink.endpoints() == [("127.0.0.1", collector.port)]
    sink.close()


def test_a_batch_is_one_request_and_large_ones_are_several(collector: Any) -> None:
    sink = sink_for(collector, max_bytes=10_000)
    sink.open()
    sink.send_batch(batch(10))
    assert len(collector.requests) == 1
    sink.send_batch([event(id=str(n), explanation="x" * 3000) for n in range(10, 20)])
    assert len(collector.requests) == 1 + 5  # two of 3.5 kB fit into one
    assert stored_ids(collector) == [str(n) for n in range(20)]


def test_gzip(collector: Any) -> None:
    sink = sink_for(collector, gzip=True)
    sink.open()
    sink.send_batch(batch(50))
    assert len(collector.requests[0]["raw"]) < len(collector.requests[0]["body"]) / 5
    assert len(collector.stored) == 50


def test_only_the_events_that_are_wrong_are_rejected(collector: Any) -> None:
    error = refusal(sink_for(collector), batch(20, 0, 7, 19))
    assert sorted(error.rejected) == [0, 7, 19]
    assert not error.refused
    assert stored_ids(collector) == [str(n) for n in range(20) if n not in (0, 7, 19)]


def test_a_wrong_event_that_is_not_named_is_found(collector: Any) -> None:
    answer = collector.answer

    def unnamed(request: Any) -> Any:
        status, said = answer(request)
        return status, {key: said[key] for key in ("text", "code")}

    collector.answer = unnamed
    error = refusal(sink_for(collector), batch(16, 5))
    assert (list(error.rejected), error.refused) == ([5], [])
    assert len(collector.stored) == 15


def test_a_wrong_token_rejects_nothing_and_waits_long(collector: Any) -> None:
    sink = SplunkSink("127.0.0.1", collector.port, "wrong", scheme="http", retry_seconds=77)
    error = refusal(sink, batch(3))
    assert (error.refused, list(error.rejected), error.wait_s) == ([0, 1, 2], [], 77)
    assert "403" in error.message
    assert "wrong" not in error.message


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        ((503, {"text": "Server is busy", "code": 9}, {"Retry-After": "4"}), 4.0),
        ((503, {"text": "Server is busy", "code": 9}), None),
        ((500, b"<html>"), None),
        ((429, b""), None),
        ((400, {"text": "Incorrect index", "code": 7}), 30.0),
        ((302, b"", {"Location": "http://203.0.113.1/"}), 30.0),
        ((404, {}), 30.0),
        ((200, b"<html>a proxy's page</html>"), None),
        ((200, {"text": "no", "code": 8}), None),
        (None, None),
    ],
)
def test_any_other_answer_means_later(collector: Any, answer: Any, wait_s: float | None) -> None:
    collector.scripted = [answer]
    sink = sink_for(collector)
    error = refusal(sink, batch(3))
    assert (error.refused, list(error.rejected), error.wait_s) == ([0, 1, 2], [], wait_s)
    sink.close()
    sink.open()
    sink.send_batch(batch(3))
    assert len(collector.stored) == 3


def test_too_large_is_halved_and_one_event_too_large_is_rejected(collector: Any) -> None:
    collector.max_bytes = 5000
    events = batch(20)
    events[3] = event(id="3", explanation="x" * 6000)
    error = refusal(sink_for(collector), events)
    assert (list(error.rejected), error.refused) == ([3], [])
    assert len(collector.stored) == 19


def test_tls_is_the_default_and_certificates_are_checked(
    tls_collector: Any, certificate: tuple[str, str]
) -> None:
    trusting = sink_for(tls_collector, scheme="auto", ca_file=certificate[0])
    trusting.open()
    trusting.send_batch(batch(2))
    assert len(tls_collector.stored) == 2
    assert (
        "certificate" in refusal(sink_for(tls_collector, scheme="auto"), batch(1)).message.lower()
    )


def test_without_a_token_the_collector_is_not_tried() -> None:
    with pytest.raises(MLIDSError) as caught:
        SplunkSink("127.0.0.1", 8088).open()
    assert caught.value.code == "E002"


def test_a_token_with_a_line_end_is_not_shown() -> None:
    with pytest.raises(MLIDSError) as caught:
        SplunkSink("127.0.0.1", 8088, "sec\nret")
    assert "ret" not in str(caught.value)


def test_delivery_over_an_outage_with_wrong_events(
    collector: Any, tmp_path: Path, until: Until
) -> None:
    collector.scripted = [None, (503, {}), (500, {}), None]
    sink = sink_for(collector, retry_seconds=0.05)
    delivery = Delivery(sink, "splunk", spool=tmp_path, tell=lambda error: None)
    delivery.start()
    for one in batch(1000, 10, 500):
        delivery.put(one)
    until(lambda: delivery.status().sent == 998)
    delivery.stop()
    assert sorted(map(int, stored_ids(collector))) == sorted(set(range(1000)) - {10, 500})
    assert delivery.status().rejected == 2


def test_syslog_is_chosen_by_the_port() -> None:
    assert [SplunkSink("h", port)._syslog for port in (514, 6514, 8088, 1514)] == [
        True,
        True,
        False,
        False,
    ]
    assert SplunkSink("h", 1514, protocol="syslog")._syslog
    assert not SplunkSink("h", 514, "t", protocol="hec")._syslog


def test_syslog_frames_over_tls(
    line_server: Callable[..., Any], certificate: tuple[str, str], until: Until
) -> None:
    server = line_server(certificate=certificate)
    options = {"protocol": "syslog", "tls": True, "ca_file": certificate[0]}
    sink = SplunkSink("localhost", server.port, **options)
    sink.open()
    sink.send_batch(batch(2))
    until(lambda: server.data.count(b"mlids@32473") == 2)
    sink.close()
    data, seen = server.data, 0
    while data:
        length, _, rest = data.partition(b" ")
        assert rest[: int(length)].startswith(b"<84>1 ")
        data, seen = rest[int(length) :], seen + 1
    assert seen == 2


@pytest.fixture
def rsyslogd(tmp_path: Path, free_port: int, until: Until) -> Iterator[tuple[int, Path]]:
    """A real rsyslogd that writes what it understood, one JSON object a message."""
    daemon = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    if daemon is None:
        pytest.skip("needs rsyslogd (apt-get install rsyslog)")
    written = tmp_path / "out.jsonl"
    config = tmp_path / "rsyslog.conf"
    fields = ("pri", "timereported", "hostname", "app-name", "msgid", "structured-data", "msg")
    parts = ' constant(value=",") '.join(
        f'property(outname="{name}" name="{name}" format="jsonf"'
        + (' dateFormat="rfc3339")' if name == "timereported" else ")")
        for name in fields
    )
    config.write_text(
        f"""
global(workDirectory="{tmp_path}" maxMessageSize="64k")
module(load="imtcp")
input(type="imtcp" port="{free_port}" address="127.0.0.1" ruleset="in")
template(name="all" type="list") {{ constant(value="{{") {parts} constant(value="}}\\n") }}
ruleset(name="in") {{ action(type="omfile" file="{written}" template="all") }}
"""
    )
    pid = str(tmp_path / "pid")
    process = subprocess.Popen(
        [daemon, "-n", "-f", str(config), "-i", pid],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        probe = SplunkSink("127.0.0.1", free_port, protocol="syslog", timeout_seconds=1)

        def listens() -> bool:
            assert process.poll() is None, process.stderr and process.stderr.read()
            try:
                probe.open()
            except SinkError:
                return False
            probe.close()
            return True

        until(listens)
        yield free_port, written
    finally:
        process.kill()
        process.wait(10)


def test_a_real_rsyslogd_understands_every_field(rsyslogd: tuple[int, Path], until: Until) -> None:
    port, written = rsyslogd
    evil = 'x"] \\ [y=\n<34>1 - - - - - - forged'
    made = [
        event("Port Scan", "HIGH", rule="port_scan", host="gate.example", id="1"),
        event(rule="login/sshd", host="ho st\n", id="2", details={"user": evil, "ip": "::1"}),
        event(id="3", host="h", explanation="ü" * 5000),
    ]
    sink = SplunkSink("127.0.0.1", port, protocol="syslog")
    sink.open()
    sink.send_batch(made)
    until(lambda: written.exists() and written.read_bytes().count(b"\n") == 3)
    sink.close()
    found = [json.loads(line) for line in written.read_text().splitlines()]
    assert [json.loads(one["msg"]) for one in found] == made
    first, second, _ = found
    assert (first["pri"], first["hostname"], first["app-name"]) == ("83", "gate.example", "mlids")
    assert first["msgid"] == "port_scan"
    assert first["timereported"].startswith("2025-01-13T10:30:45")
    assert 'type="Port Scan"' in first["structured-data"]
    assert second["hostname"] == "ho_st_"
    assert "forged" in second["structured-data"]
