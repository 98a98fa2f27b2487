import json
import signal
import subprocess
import sys
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


def test_one_screen_for_who_asks_for_nothing(run, stored):
    done = run("analyze")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    assert lines.index("Look at these first") < lines.index("By type")
    assert "6 events: 1 HIGH and 5 MEDIUM." in lines
    assert "Top addresses: 192.0.2.7 (6)." in lines
    assert "--report summary" in done.stderr
    assert "By hour" not in done.stdout


def test_the_summary_for_people(run, stored):
    done = run("analyze", "--report", "summary")
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
    found = json.loads(run("analyze", "--search", "xss", "--format", "json").stdout)
    assert (found["total"], found["events"][0]["type"]) == (1, "XSS")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    assert json.loads(run("analyze", "--until", "8d", "--json").stdout)["total"] == 1
    assert json.loads(run("analyze", "--since", "8d", "--json").stdout)["total"] == 5
    assert json.loads(run("analyze", "--since", day, "--until", day, "--json").stdout)["total"] <= 5


def test_what_is_searched_is_listed(run, stored):
    done = run("analyze", "--search", "type:XSS OR ip:192.0.2.0/24")
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert "HIGH" in lines[-1] and "XSS" in lines[-1]
    assert "6 events" in done.stderr
    assert "\x1b" not in done.stdout
    done = run("analyze", "--search", "severity>=LOW", "--limit", "2")
    assert len(done.stdout.splitlines()) == 2
    assert "6 events, the last 2 shown" in done.stderr


def test_a_query_that_cannot_be_read_points_at_the_place(run, stored):
    done = run("analyze", "--search", 'type:"Failed')
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    at = next(n for n, line in enumerate(lines) if line.lstrip().startswith("^"))
    assert lines[at - 1][lines[at].index("^")] == '"'


def test_counts_by_a_field(run, stored):
    done = run("analyze", "--group-by", "type", "--top", "1")
    assert "Failed Login" in done.stdout and "XSS" not in done.stdout
    found = json.loads(run("analyze", "--group-by", "severity", "--json").stdout)
    assert found["values"] == [
        {"value": "MEDIUM", "events": 5},
        {"value": "HIGH", "events": 1},
    ]
    assert run("analyze", "--group-by", "colour").returncode == 2


def test_reports_are_written(run, stored, tmp_path):
    for kind in ("json", "csv", "txt", "md", "html"):
        done = run("analyze", "--format", kind, "--output-dir", "out/reports")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / done.stdout.strip()).stat().st_size > 50
    assert run("analyze", "--format", "csv").stdout.count("\n") == 7
    assert not list((tmp_path / "out" / "reports").glob(".*"))


@pytest.mark.parametrize("report", ["summary", "compliance", "incidents", "executive"])
def test_every_report_in_every_format(run, stored, report):
    for kind in ("txt", "json", "md", "csv"):
        done = run("analyze", "--report", report, "--format", kind)
        assert done.returncode in (0, 1), done.stderr
        assert len(done.stdout) > 50
        assert "Traceback" not in done.stderr


def test_a_page_has_its_plots_inside(run, stored, tmp_path):
    done = run("analyze", "--report", "summary", "--format", "html", "--output-dir", "out")
    page = (tmp_path / done.stdout.strip()).read_text()
    assert page.count("data:image/png;base64,") == 6


def test_plots_are_drawn(run, stored, tmp_path):
    done = run("analyze", "--plot", "--plot-path", "drawn")
    assert done.returncode == 0, done.stderr
    paths = [tmp_path / line for line in done.stdout.splitlines()]
    assert len(paths) == 6
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def test_the_navigator_layer(run, stored):
    for report in ((), ("--report", "incidents")):
        layer = json.loads(run("analyze", *report, "--format", "navigator").stdout)
        assert layer["domain"] == "enterprise-attack"


def test_new_events_are_followed(stored, tmp_path):
    from tests.cli.conftest import ROOT

    command = [
        sys.executable,
        str(ROOT / "index.py"),
        "analyze",
        "--follow",
        "--search",
        "user:new",
    ]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert "Ctrl-C" in process.stderr.readline()
    store = EventStore(tmp_path / "logs")
    for user in ("old", "new"):
        store.append(event("XSS", details={"user": user}).encoded())
    store.close()
    assert "new" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    assert process.stdout.read() == ""


def test_a_failed_control_is_1(run, stored, tmp_path):
    assert run("analyze", "--report", "compliance", "--framework", "absent").returncode == 3
    path = tmp_path / "logs" / "mlids.jsonl"
    path.write_bytes(path.read_bytes().replace(b"192.0.2.7", b"192.0.2.8", 1))
    done = run("analyze", "--report", "compliance", "--framework", "pci_dss", "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["verification"]["ok"] is False


def test_a_folder_that_cannot_be_written_is_an_error_in_a_line(run, stored, tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = run("analyze", "--format", "json", "--output-dir", "taken")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


def test_nothing_stored_is_said(run):
    done = run("analyze")
    assert done.returncode == 0
    assert "no events" in done.stderr


def test_wrong_use(run):
    assert run("analyze", "--format", "docx").returncode == 2
    assert run("analyze", "--days", "0").returncode == 2
    assert run("analyze", "--since", "1d", "--until", "2d").returncode == 2
    assert run("analyze", "--report", "summary", "--format", "jsonl").returncode == 2
    assert run("analyze", "--follow", "--format", "html").returncode == 2
    assert run("analyze", "--framework", "pci").returncode == 2


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
    assert (found[0]["by"], found[0]["value"]) == ("type", "Failed Login")
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
    assert "left out" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_the_summary_is_illustrated(run, stored, tmp_path):
    done = run("analyze", "--report", "executive", "--format", "html", "--output-dir", "out")
    assert "data:image/png" not in (tmp_path / done.stdout.strip()).read_text()


def test_plots_as_one_json_document(run, stored):
    assert len(json.loads(run("analyze", "--plot", "--json").stdout)["plots"]) == 6
