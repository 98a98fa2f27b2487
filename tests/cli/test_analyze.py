import json
import time

import pytest

from mlids.events import format_time
from mlids.store import EventStore
from mlids.testing import event


@pytest.fixture
def stored(tmp_path):
    store = EventStore(tmp_path / "logs")
    now = time.time_ns()
    for n in range(5):
        store.append(event(timestamp=format_time(now - n * 10**9)).encoded())
    store.append(event("XSS", "HIGH", timestamp=format_time(now - 9 * 86400 * 10**9)).encoded())
    store.close()


def test_the_summary_for_people(run, stored):
    done = run("analyze")
    assert done.returncode == 0
    for part in (
        "6 events",
        "By type",
        "Failed Login",
        "By severity",
        "By source",
        "By hour",
        "Top addresses",
        "192.0.2.7",
    ):
        assert part in done.stdout


def test_days_and_search(run, stored):
    assert json.loads(run("analyze", "--days", "7", "--json").stdout)["total"] == 5
    assert json.loads(run("analyze", "--search", "xss", "--format", "json").stdout)["total"] == 1


def test_reports_are_written(run, stored, tmp_path):
    for kind in ("json", "csv", "txt"):
        done = run("analyze", "--format", kind, "--output-dir", "out/reports")
        assert done.returncode == 0
        assert (tmp_path / done.stdout.strip()).stat().st_size > 50
    assert run("analyze", "--format", "csv").stdout.count("\n") == 7


def test_nothing_stored_is_said(run):
    done = run("analyze")
    assert done.returncode == 0
    assert "no events" in done.stderr


def test_wrong_use(run):
    assert run("analyze", "--format", "docx").returncode == 2
    assert run("analyze", "--days", "0").returncode == 2


@pytest.fixture
def burst(tmp_path):
    """Two days with a failed login every ten minutes, and 40 of them an hour ago."""
    store = EventStore(tmp_path / "logs")
    now = time.time_ns()
    moments = [now - n * 600 * 10**9 for n in range(288)] + [now - 3600 * 10**9] * 40
    for moment in sorted(moments):
        store.append(event(timestamp=format_time(moment)).encoded())
    store.close()


def test_what_is_unusual_is_told(run, burst):
    found = json.loads(run("analyze", "--json").stdout)["anomalies"]
    assert found[0]["type"] == "Failed Login"
    assert found[0]["observed"] >= 40
    assert found[0]["method"] == "mad"
    assert "Unusual in the last 24 hours" in run("analyze").stdout
    written = run("analyze", "--format", "json", "--output-dir", "out").stdout.strip()
    assert "anomalies" in run("analyze", "--format", "json").stdout
    assert written.endswith(".json")
    assert "anomalies" not in json.loads(run("analyze", "--search", "x", "--json").stdout)


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("thresholds: {anomaly_threshold: 1000.0}", lambda found: found == []),
        ("analysis: {window_size: 86400}", lambda found: found == []),  # two days are too few
        ("analysis: {statistical_method: zscore}", lambda found: found[0]["method"] == "zscore"),
    ],
)
def test_the_settings_of_the_analysis_are_followed(run, burst, tmp_path, text, check):
    (tmp_path / "config.yaml").write_text(text)
    assert check(json.loads(run("analyze", "--json").stdout)["anomalies"])


def test_a_configuration_that_is_named_and_absent_is_e001(run):
    done = run("analyze", "--config", "absent.yaml")
    assert done.returncode == 3
    assert "E001" in done.stderr


def test_a_damaged_segment_is_told_and_the_rest_is_counted(run, stored, tmp_path):
    (tmp_path / "logs" / "mlids-20990101T000000Z-1.jsonl.zst").write_bytes(b"garbage\n")
    (tmp_path / "logs" / "mlids-20990101T000001Z-1.jsonl").write_bytes(b'{"a": 1}\n')
    done = run("analyze")
    assert done.returncode == 0
    assert "6 events" in done.stdout
    assert "E105" in done.stderr
    assert "Traceback" not in done.stderr
