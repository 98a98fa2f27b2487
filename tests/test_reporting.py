from types import SimpleNamespace

import msgspec
import pytest

from mlids import status
from mlids.batches import InputStatus
from mlids.errors import MLIDSError
from mlids.logger import EventLogger
from mlids.metrics import Metrics
from mlids.reporting import Reporter
from mlids.testing import event


@pytest.fixture
def app(tmp_path):
    logger = EventLogger(tmp_path / "logs")
    logger.open()
    one = InputStatus("eth0", "interface", counts={"read": 100, "dropped": 3})
    excluded = []
    monitor = SimpleNamespace(inputs=lambda: [one], exclude=excluded.append)
    detector = SimpleNamespace(counts=lambda: {"evicted": 2})
    lane = SimpleNamespace(name="network", monitor=monitor, failed="", detectors={"d": detector})
    handler = SimpleNamespace(endpoints=lambda: [("192.0.2.9", 9999)])
    delivery = SimpleNamespace(handler=handler, status=lambda: {"name": "tcp", "state": "ok"})
    made = SimpleNamespace(
        lanes=[lane],
        deliveries=[delivery],
        logger=logger,
        metrics=logger.metrics,
        problems=["E104: x"],
        started_ns=1,
        excluded=excluded,
        gaps=[],
    )
    made.report_gap = made.gaps.append
    yield made
    logger.close()


def test_the_status_has_inputs_rates_drops_queues_and_last_events(app):
    app.logger.log(event(severity="HIGH"))
    app.logger.log(event(severity="LOW"))
    found = Reporter(app).status()
    assert found.inputs[0].input.counts["read"] == 100
    assert found.drops == {"network dropped": 3, "d evicted": 2}
    assert found.handlers == [{"name": "tcp", "state": "ok"}]
    assert found.by_severity == {"HIGH": 1, "LOW": 1}
    assert (found.events_total, found.active_alerts) == (2, 1)
    assert found.recent[-1]["severity"] == "LOW"
    assert found.problems == ["E104: x"]
    assert not found.ready
    assert msgspec.json.encode(found)


def test_a_lane_that_failed_shows_in_its_inputs(app):
    app.lanes[0].failed = "E101: gone"
    found = Reporter(app).status().inputs[0].input
    assert (found.state, found.note) == ("failed", "E101: gone")


def test_it_writes_the_status_and_leaves_out_own_traffic(app):
    reporter = Reporter(app)
    reporter.start()
    assert status.read(app.logger.logs_dir).ready
    assert app.excluded[0] == [("192.0.2.9", 9999)]
    assert [gap.text for gap in app.gaps] == [
        "eth0: 3 packets were lost; the machine is too slow for the link",
        "d: 2 evicted",
    ]
    reporter.stop()
    assert not (app.logger.logs_dir / status.NAME).exists()


def test_a_full_disk_does_not_end_the_reports(app, monkeypatch):
    def full(_):
        raise MLIDSError("E106")

    monkeypatch.setattr(status, "write", full)
    reporter = Reporter(app)
    reporter.start()
    reporter.stop()


def test_names_say_what_is_watched(app):
    assert Reporter(app).names() == ["network eth0"]
    assert Metrics().snapshot() == {}


def test_a_rate_that_is_asked_for_twice_at_once_is_not_taken_over_nothing(app, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mlids.reporting.time.monotonic", lambda: now[0])
    reporter = Reporter(app)
    assert reporter.stats()["events_per_second"] == 0
    app.logger.log(event())
    now[0] += 0.001
    assert reporter.stats()["events_per_second"] == 0
    now[0] += 1.999
    assert reporter.stats()["events_per_second"] == 0.5


def test_the_ledger_of_each_input_is_among_the_metrics(app):
    counts = {"read": 9, "matched": 6, "unmatched": 2, "rejected": 1}
    files = [InputStatus("/a.log", "log", counts=counts), InputStatus('/b{},="\n.log', "log")]
    app.lanes[0].monitor.inputs = lambda: files
    files[1].counts = {"read": 5}
    reporter = Reporter(app)
    reporter._report()
    found = {name: n for name, n in app.metrics.snapshot().items() if name.startswith("inputs{")}
    assert found == {
        **{f"inputs{{lane=network,input=/a.log,count={what}}}": n for what, n in counts.items()},
        "inputs{lane=network,input=/b______.log,count=read}": 5,
    }
    files.pop()
    reporter._report()
    assert sum("b____" in name for name in app.metrics.snapshot()) == 0
