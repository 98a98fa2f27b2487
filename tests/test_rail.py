import threading
import time

import pytest

from mlids import rail
from mlids.correlators.incident import IncidentCorrelator
from mlids.events import format_time
from mlids.logger import EventLogger
from mlids.suppression.book import Book
from mlids.suppression.entries import DAY_NS, Suppression
from mlids.suppression.thresholding import Thresholding
from mlids.testing import event


@pytest.fixture
def make(tmp_path):
    opened = []

    def logger(**options):
        opened.append(EventLogger(tmp_path / "logs", **options))
        opened[-1].open()
        return opened[-1]

    yield logger
    for one in opened:
        one.close()


def scan(seconds=0):
    return event("Port Scan", "HIGH", seconds=seconds, techniques=["T1046"])


def guessing(seconds=0):
    return event("Brute Force", "HIGH", seconds=seconds, techniques=["T1110"])


def suppress(folder, **conditions):
    now = time.time_ns()
    entry = Suppression(
        id="0f8e2d11",
        created=format_time(now),
        until=format_time(now + DAY_NS),
        by="eve",
        reason="a test",
        **conditions,
    )
    Book(folder).add(entry)


def types(logger):
    logger.flush()
    return [one["type"] for one in logger.archive.search()]


def test_events_are_suppressed_then_correlated_then_stored(make):
    logger = make(
        correlators=[IncidentCorrelator()], thresholds=[Thresholding(type="XSS", count=1)]
    )
    assert logger.passed(event("XSS")) and logger.passed(event("XSS", seconds=1)) == []
    (first,) = logger.passed(scan())
    second, incident = logger.passed(guessing(1))
    logger.flush()
    assert types(logger) == ["XSS", "Port Scan", "Brute Force", "Incident"]
    stored = {one["id"]: one for one in logger.archive.search()}
    assert stored[second.id].correlation_id == incident.correlation_id
    assert incident.details["metadata"]["events"][1:] == [first.id, second.id]


def test_what_is_suppressed_is_not_correlated(make):
    logger = make(correlators=[IncidentCorrelator()])
    suppress(logger.logs_dir, type="Port Scan")
    logger.rail.suppressing.refresh()
    logger.log(scan())
    logger.log(guessing(1))
    assert "Incident" not in types(logger)


def test_a_change_of_the_book_is_taken_up_within_two_seconds(make):
    logger = make()
    suppress(logger.logs_dir, type="XSS")
    deadline = time.monotonic() + 2
    while logger.passed(event("XSS")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert logger.passed(event("XSS")) == []
    assert "Configuration Changed" in types(logger)


def test_at_the_end_all_that_is_held_back_is_told(make, monkeypatch):
    monkeypatch.setattr(rail, "EVERY_S", 60)
    logger = make(
        thresholds=[Thresholding(type="XSS", count=1)], correlators=[IncidentCorrelator()]
    )
    for one in (event("XSS"), event("XSS"), scan(), guessing(1), guessing(2)):
        logger.log(one)
    logger.close()
    found = list(EventLogger(logger.logs_dir).archive.search())
    assert [one["type"] for one in found[-2:]] == ["Incident", "Events Suppressed"]
    assert found[-2].details["metadata"]["triggers"] == 4
    assert found[-1].details["suppressed"] == 1


def test_what_correlators_know_survives_a_restart(make):
    first = make(correlators=[IncidentCorrelator()])
    first.log(scan())
    first.close()
    second = make(correlators=[IncidentCorrelator()])
    assert [one["type"] for one in second.passed(guessing(1))] == ["Brute Force", "Incident"]


def test_what_is_equipped_anew_takes_up_what_was_known(make):
    logger = make(correlators=[IncidentCorrelator()])
    logger.log(scan())
    logger.rail.equip([IncidentCorrelator(max_incidents=50)])
    assert len(logger.passed(guessing(1))) == 2
    logger.rail.equip([])
    assert len(logger.passed(guessing(2))) == 1


def test_a_change_while_mlids_did_not_run_is_recorded_once(make, tmp_path):
    make().close()
    suppress(tmp_path / "logs", type="XSS")
    for _ in range(2):
        make().close()
    assert types(EventLogger(tmp_path / "logs")).count("Configuration Changed") == 1


def test_many_threads_may_log(make):
    logger = make(correlators=[IncidentCorrelator()])

    def work(n):
        for k in range(200):
            logger.log(event(details={"ip": f"192.0.2.{n}", "description": "x"}, seconds=k))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(types(logger)) == 800


def test_a_logger_that_was_not_opened_opens_itself(tmp_path):
    logger = EventLogger(tmp_path)
    suppress(tmp_path, type="XSS")
    assert logger.passed(event("XSS")) == []
    assert logger.rail.running
    logger.close()
    assert not logger.rail.running
