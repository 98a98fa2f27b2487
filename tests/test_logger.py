import os
import sys
import threading
import time

import pytest

from mlids import segments
from mlids.errors import MLIDSError
from mlids.events import Correlator, Event
from mlids.locking import holder
from mlids.logger import EventLogger
from mlids.proofs import bare
from mlids.retention import Policy
from mlids.store import LOST
from mlids.testing import event


@pytest.fixture
def logger(tmp_path):
    made = EventLogger(logs_dir=tmp_path / "logs")
    yield made
    made.close()


class Kept(list):
    def put(self, event):
        self.append(event)


def test_the_example_of_the_reference(logger):
    logger.log_event(
        event_type="Failed Login",
        details={"ip": "192.168.1.100", "user": "admin"},
        severity="MEDIUM",
    )
    (found,) = logger.search_events("Failed Login", hours=24)
    assert found.details["ip"] == "192.168.1.100"
    assert found["id"] and found["host"]


def test_severity_and_source_follow_from_the_type(logger):
    made = logger.log_event("Port Scan", {"ip": "192.0.2.1"})
    assert (made.severity, made.source) == ("HIGH", "network")
    own = logger.log_event("Coffee Spilled")
    assert (own.severity, own.source, own.details["description"]) == (
        "MEDIUM",
        "application",
        "Coffee Spilled",
    )
    assert logger.log_event("x", severity="MIDDLE").severity == "MEDIUM"
    with pytest.raises(ValueError, match="WORSE"):
        logger.log_event("x", severity="WORSE")


def test_an_acknowledged_event_is_on_the_disk(logger):
    made = logger.log_event("Failed Login")
    line = (logger.logs_dir / "mlids.jsonl").read_bytes()
    assert Event.decode(bare(line)) == made


def test_search_looks_at_values_and_hours(logger):
    logger.log(event(details={"user": "old"}))  # of January 2025
    logger.log_event("XSS", {"path": "/search"})
    assert [e.type for e in logger.search_events("/SEARCH")] == ["XSS"]
    assert logger.search_events('"XSS"')
    assert logger.search_events("details") == []
    assert logger.search_events("old") == []
    assert len(logger.search_events("old", hours=24 * 365 * 50)) == 1
    assert logger.search_events("xss", limit=0) == []


def test_receivers_see_events_in_the_order_of_the_store(logger):
    kept = Kept()
    logger.receivers = [kept]
    for n in range(50):
        logger.log(event(seconds=n))
    logger.flush()
    assert kept == list(logger.archive.search())
    assert [e["timestamp"] for e in logger.recent] == [e["timestamp"] for e in kept]


def test_correlators_add_events_and_may_fail(logger):
    class Echo(Correlator):
        def correlate(self, events):
            for one in events:
                yield one.replace(type="Incident", rule="echo")

    class Broken(Correlator):
        def correlate(self, events):
            raise RuntimeError("no")

    logger.rail.equip([Broken(), Echo()])
    logger.log(event())
    logger.flush()
    assert [e.type for e in logger.archive.search()] == ["Failed Login", "Incident"]
    assert any(name.startswith("failures") for name in logger.metrics.snapshot())


def test_metrics_count_what_passed(logger):
    logger.log(event())
    logger.log(event(severity="HIGH", rule="port_scan"))
    assert logger.metrics.get("events_total") == 2
    assert logger.metrics.get("events{severity=HIGH}") == 1
    assert logger.alerts.count(time.monotonic()) == 2


def test_retention_deletes_old_segments_as_a_recorded_step(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    old = logs / "mlids-20240101T000000Z-1.jsonl"
    old.write_bytes(event().encoded() + b"\n")
    os.utime(old, (1, 1))
    young = logs / "mlids-20990101T000000Z-1.jsonl"
    young.write_bytes(event().encoded() + b"\n")
    logger = EventLogger(logs, retention=Policy(days=90))
    logger.open()
    logger.close()
    assert not old.exists()
    assert young.exists()
    (step,) = [e for e in logger.archive.search() if e.type == "Log Retention"]
    assert step.details["path"] == old.name


def test_a_second_logger_may_read_and_not_write(logger):
    logger.log_event("XSS")
    other = EventLogger(logger.logs_dir)
    assert len(other.search_events("XSS")) == 1
    with pytest.raises(MLIDSError) as caught:
        other.log_event("XSS")
    assert caught.value.code == "E006"


def test_a_segment_that_is_sealed_at_the_end_does_not_open_it_again(tmp_path):
    logger = EventLogger(tmp_path, retention=Policy(max_bytes=1))
    logger.log_event("XSS")
    logger.close()
    (tmp_path / "mlids-20240101T000000Z-1.jsonl").write_bytes(event().encoded() + b"\n")
    logger._sealed()
    assert holder(tmp_path) is None
    assert (tmp_path / "mlids-20240101T000000Z-1.jsonl").exists()


def test_retention_waits_for_a_disk_that_takes_its_record(logger, monkeypatch):
    logger.open()
    for n in range(3):
        path = logger.logs_dir / f"mlids-2024010{n + 1}T000000Z-1.jsonl"
        path.write_bytes(event().encoded() + b"\n")
        os.utime(path, (1, 1))
    logger._retention.policy = Policy(days=1)
    monkeypatch.setattr(logger.store, "wait", lambda ticket, timeout=None: False)
    logger.apply_retention()
    assert len(segments.sealed(logger.logs_dir)) == 3
    monkeypatch.undo()
    logger.apply_retention()
    assert segments.sealed(logger.logs_dir) == []


def test_an_event_that_was_dropped_is_not_acknowledged(logger, monkeypatch):
    logger.log_event("XSS")
    monkeypatch.setattr(logger.store, "append", lambda record: LOST)
    with pytest.raises(MLIDSError) as error:
        logger.log_event("XSS")
    assert error.value.code == "E106"


def test_each_thread_gets_the_ticket_of_its_own_event(logger, monkeypatch):
    """One thread's events are dropped, the other's are stored: neither takes the other's answer."""
    append = logger.store.append
    monkeypatch.setattr(logger.store, "append", lambda r: LOST if b"lost" in r else append(r))
    wrong, usual = [], sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads meet within `log`

    def log(user):
        for _ in range(2000):
            ticket = logger.log(event(details={"user": user}))
            if (ticket == LOST) != (user == "lost"):
                wrong.append(user)

    threads = [threading.Thread(target=log, args=(user,)) for user in ("lost", "kept")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(usual)
    assert not wrong
