from mlids.correlation import stage
from mlids.correlation.stage import Correlation
from mlids.correlators.incident import IncidentCorrelator
from mlids.events import Correlator
from mlids.testing import event


def scan(seconds=0):
    return event("Port Scan", "HIGH", seconds=seconds, techniques=["T1046"])


def guessing(seconds=0):
    return event("Brute Force", "HIGH", seconds=seconds, techniques=["T1110"])


class Broken(Correlator):
    """Fails in all it does."""

    def correlate(self, events):
        raise RuntimeError("no")

    def restore(self, state):
        raise ValueError("no")


class Echo(Correlator):
    """Tells of every event, its own included if it were asked."""

    def correlate(self, events):
        return [one.replace(type="Echo") for one in events]

    def flush(self):
        return [event("Rest")]


def test_an_event_passes_under_its_incident_with_what_it_gave_rise_to():
    correlation = Correlation([Broken(), IncidentCorrelator()])
    assert len(correlation.passed(scan())) == 1
    opening, incident = correlation.passed(guessing(1))
    assert opening.type == "Brute Force"
    assert opening.correlation_id == incident.correlation_id
    assert incident.details["metadata"]["events"][-1] == opening.id
    assert correlation.metrics.get("failures{plugin=test_stage}") == 2


def test_a_correlator_that_fails_is_told_once(caplog):
    correlation = Correlation([Broken()])
    for _ in range(5):
        assert len(correlation.passed(scan())) == 1
    assert len(caplog.records) == 1


def test_there_are_no_loops_and_what_is_held_back_is_told():
    correlation = Correlation([Echo(), Echo()])
    assert [one.type for one in correlation.passed(scan())] == ["Port Scan", "Echo", "Echo"]
    assert [one.type for one in correlation.settle()] == ["Rest", "Rest"]


def test_states_outlive_the_process(tmp_path):
    before = Correlation([IncidentCorrelator()])
    before.passed(scan())
    stage.write(before.saved(), tmp_path / "state")
    after = Correlation([IncidentCorrelator()])
    after.restore(stage.read(tmp_path / "state"))
    assert [one.type for one in after.passed(guessing(1))] == ["Brute Force", "Incident"]


def test_a_broken_state_begins_anew_with_a_word(tmp_path, caplog):
    (tmp_path / "correlator-incident.msgpack").write_bytes(b"\xc1 nonsense")
    (tmp_path / "correlator-test_stage.msgpack").write_bytes(b"\x80")
    correlation = Correlation([IncidentCorrelator(max_incidents=77), Broken()])
    correlation.restore(stage.read(tmp_path))
    assert len(caplog.records) == 2
    assert correlation.correlators[0].settings.max_incidents == 77
    assert len(correlation.passed(scan())) == 1


def test_a_folder_that_cannot_be_written_is_told_and_no_more(tmp_path, caplog):
    (tmp_path / "state").write_text("a file")
    stage.write({"x": b""}, tmp_path / "state")
    assert "not saved" in caplog.text
