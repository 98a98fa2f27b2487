"""Elasticsearch's `_bulk`: what is stored, refused and rejected, and under which index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlids.delivery import Delivery
from mlids.errors import ConfigError, MLIDSError, SinkError
from mlids.events import Event
from mlids.integrations.elk import ELKSink
from mlids.testing import check_sink, event

DAY = "mlids-2025.01.13"


def sink_for(server: Any, **options: Any) -> ELKSink:
    return ELKSink(f"http://127.0.0.1:{server.port}", **options)


def batch(count: int, *bad: int) -> list[Event]:
    made = [event(id=str(n)) for n in range(count)]
    for n in bad:
        made[n] = made[n].replace(details="no object")
    return made


def refusal(sink: ELKSink, events: list[Event]) -> SinkError:
    sink.open()
    with pytest.raises(SinkError) as caught:
        sink.send_batch(events)
    return caught.value


def test_the_contract_of_a_sink(cluster: Any) -> None:
    check_sink(lambda: sink_for(cluster), lambda: list(cluster.documents))


def test_a_document_is_the_event_with_its_time(cluster: Any) -> None:
    sink = sink_for(cluster)
    sink.open()
    made = event(id="e1")
    sink.send_event(made)
    assert cluster.documents == {(DAY, "e1"): {"@timestamp": made.timestamp, **made}}
    assert cluster.requests[0]["headers"]["Content-Encoding"] == "gzip"


def test_what_is_sent_twice_is_stored_once(cluster: Any) -> None:
    sink = sink_for(cluster, gzip=False)
    sink.open()
    without_id = event(details={"user": "x"})
    for _ in range(2):
        sink.send_batch([*batch(3), without_id])
    assert len(cluster.documents) == 4


def test_an_event_with_its_own_timestamp_field_is_sent_as_it_is(cluster: Any) -> None:
    sink = sink_for(cluster)
    sink.open()
    sink.send_event(event(id="1").replace(**{"@timestamp": "2020-01-01T00:00:00Z"}))
    assert cluster.documents[DAY, "1"]["@timestamp"] == "2020-01-01T00:00:00Z"


def test_only_what_was_refused_is_offered_again(cluster: Any) -> None:
    cluster.busy = {"1", "3"}
    error = refusal(sink_for(cluster), batch(5))
    assert (error.refused, list(error.rejected)) == ([1, 3], [])
    assert [key[1] for key in cluster.documents] == ["0", "2", "4"]


def test_documents_of_the_wrong_shape_are_rejected_one_by_one(cluster: Any) -> None:
    cluster.busy = {"0"}
    error = refusal(sink_for(cluster), batch(5, 2, 4))
    assert (error.refused, list(error.rejected)) == ([0], [2, 4])


@pytest.mark.parametrize(
    ("status", "kind", "rejected"),
    [
        (400, "document_parsing_exception", True),
        (400, "validation_exception", False),  # too many shards: the cluster's trouble
        (403, "cluster_block_exception", False),  # its disk is full
        (404, "index_not_found_exception", False),
        (429, "es_rejected_execution_exception", False),
        (503, "unavailable_shards_exception", False),
    ],
)
def test_who_is_at_fault(cluster: Any, status: int, kind: str, rejected: bool) -> None:
    said = {"create": {"status": status, "error": {"type": kind, "reason": "r"}}}
    cluster.scripted = [(200, {"errors": True, "items": [said]})]
    error = refusal(sink_for(cluster), batch(1))
    assert (list(error.rejected) == [0], error.refused == [0]) == (rejected, not rejected)


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        ((429, b"", {"Retry-After": "9"}), 9.0),
        ((503, b""), None),
        ((401, b""), 30.0),
        ((403, b""), 30.0),
        ((200, b"<html>"), None),
        ((200, {"items": []}), None),
        ((200, {"items": [1, None, "x"]}), None),
        ((200, {"items": {"a": 1}}), None),
        (None, None),
    ],
)
def test_any_other_answer_means_later(cluster: Any, answer: Any, wait_s: float | None) -> None:
    cluster.scripted = [answer]
    error = refusal(sink_for(cluster), batch(3))
    assert (error.refused, list(error.rejected), error.wait_s) == ([0, 1, 2], [], wait_s)


def test_too_large_is_halved(cluster: Any) -> None:
    cluster.max_bytes = 6000
    events = batch(30)
    events[7] = event(id="7", explanation="x" * 9000)
    error = refusal(sink_for(cluster, gzip=False), events)
    assert (list(error.rejected), error.refused) == ([7], [])
    assert len(cluster.documents) == 29


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"api_key": "a2V5"}, "ApiKey a2V5"),
        ({"username": "elastic", "password": "pässword"}, "Basic ZWxhc3RpYzpww6Rzc3dvcmQ="),
    ],
)
def test_rights(cluster: Any, options: dict[str, str], header: str) -> None:
    cluster.authorization = header
    sink = sink_for(cluster, **options)
    sink.open()
    sink.send_event(event(id="1"))
    assert len(cluster.documents) == 1
    error = refusal(sink_for(cluster, username="elastic", password="wr0ng"), batch(1))
    assert error.wait_s == 30
    assert "wr0ng" not in str(error)


@pytest.mark.parametrize(
    ("pattern", "index"),
    [
        ("mlids-*", DAY),
        ("mlids-{timestamp:%Y.%m.%d}", DAY),
        ("MLIDS-{timestamp:%Y-%m}", "mlids-2025-01"),
        ("{timestamp:%Y}-x", "2025-x"),
        ("security", "security"),
    ],
)
def test_index_patterns(pattern: str, index: str) -> None:
    assert ELKSink("http://localhost:9200", pattern).index(event()) == index


@pytest.mark.parametrize(
    "pattern",
    [
        "{timestamp.__class__}",
        "{0}",
        "{other}",
        "{timestamp",
        "-x",
        "_x",
        "a b",
        "a/b",
        "a,b",
        "..",
        "x" * 300,
        "a#",
        "a\nb",
    ],
)
def test_patterns_that_make_no_index_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ELKSink("http://localhost:9200", pattern)
    assert caught.value.code == "E002"


@pytest.mark.parametrize("url", ["localhost:9200", "ftp://x", "http://", "http://u:s3cr3t@[", "x"])
def test_addresses_that_are_none_are_refused(url: str) -> None:
    with pytest.raises(MLIDSError) as caught:
        ELKSink(url)
    assert caught.value.code == "E002"
    assert "s3cr3t" not in str(caught.value)


def test_delivery_with_partial_refusals_loses_and_repeats_nothing(
    cluster: Any, tmp_path: Path, until: Callable[..., None]
) -> None:
    total = 3000
    cluster.busy = {str(n) for n in range(0, total, 10)}
    cluster.scripted = [None, (503, b""), (429, b"")]
    sink = sink_for(cluster, retry_seconds=0.02)
    delivery = Delivery(sink, "elk", spool=tmp_path, tell=lambda error: None)
    delivery.start()
    for one in batch(total):
        delivery.put(one)
    until(lambda: delivery.status().sent == total)
    delivery.stop()
    assert {key[1] for key in cluster.documents} == set(map(str, range(total)))
    assert delivery.status().rejected == 0
