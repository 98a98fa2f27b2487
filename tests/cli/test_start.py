import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlids.privileges import CAPABILITIES

ROOT = Path(__file__).parents[2]
CONFIG = """\
monitoring: {interface: none, app_log: none, directory: watched}
monitors: {files: {settle_seconds: 0.05}}
"""


@pytest.fixture
def begin(tmp_path):
    """Start MLIDS in a folder of its own and wait until it is ready."""
    (tmp_path / "watched").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG)
    running = []

    def start(*arguments, ready=True):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "index.py"), "start", "--ready-file", "ready", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        until(lambda: not ready or (tmp_path / "ready").exists() or process.poll() is not None)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def until(ready, seconds=15):
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def events(folder):
    path = folder / "logs" / "mlids.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_it_with_everything_flushed(begin, tmp_path, number):
    process = begin()
    assert (tmp_path / "ready").read_text().strip() == str(process.pid)
    time.sleep(0.3)
    (tmp_path / "watched" / "new").write_text("x")
    until(lambda: any(e["type"] == "File Created" for e in events(tmp_path)))
    began = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 0, err
    assert time.monotonic() - began < 5
    types = [e["type"] for e in events(tmp_path)]
    assert types[0] == "Service Started"
    assert types[-1] == "Service Stopped"
    assert "File Created" in out
    assert "watched" in err
    assert not (tmp_path / "ready").exists()


def test_duration_ends_it(begin, tmp_path):
    process = begin("--duration", "0.5", ready=False)
    assert process.wait(timeout=15) == 0
    assert [e["type"] for e in events(tmp_path)] == ["Service Started", "Service Stopped"]


def test_json_prints_events_only(begin):
    process = begin("--duration", "0.5", "--json", ready=False)
    out, _ = process.communicate(timeout=15)
    assert [json.loads(line)["type"] for line in out.splitlines()] == [
        "Service Started",
        "Service Stopped",
    ]


def test_a_second_instance_is_refused(begin, tmp_path):
    begin()
    second = begin(ready=False)
    _, err = second.communicate(timeout=15)
    assert second.returncode == 3
    assert "E006" in err


def test_sighup_reads_the_configuration_again(begin, tmp_path):
    process = begin()
    (tmp_path / "config.yaml").write_text(CONFIG + "thresholds: {port_scan_threshold: 20}\n")
    process.send_signal(signal.SIGHUP)
    until(lambda: any(e["type"] == "Configuration Changed" for e in events(tmp_path)))
    (tmp_path / "config.yaml").write_text("sniks: {}\n")
    process.send_signal(signal.SIGHUP)
    time.sleep(1.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert "E002" in err and "did you mean sinks?" in err
    assert "stays in force" in err
    assert [e["type"] for e in events(tmp_path)].count("Configuration Changed") == 1


def test_an_unknown_interface_is_one_line_and_the_rest_runs(begin, tmp_path):
    process = begin("--interface", "no-such-if0")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert err.count("E003") == 1
    assert "no-such-if0" in err


def test_where_nothing_can_run_it_is_3(begin, tmp_path):
    process = begin("--interface", "no-such-if0", "--dir", "none", "--app-log", "none", ready=False)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 3
    assert "E010" in err


def test_a_configuration_that_was_named_must_exist(begin):
    process = begin("--config", "none.yaml", ready=False)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 3
    assert "E001" in err


def test_status_sees_it(begin, tmp_path, run):
    begin()
    shown = json.loads(run("status", "--json", "--wait", "10").stdout)
    assert shown["ready"]
    assert shown["inputs"][0]["lane"] == "files"


def test_it_survives_kill_9_and_goes_on(begin, tmp_path):
    begin().kill()
    (tmp_path / "ready").unlink(missing_ok=True)
    began = time.monotonic()
    process = begin()
    assert time.monotonic() - began < 5
    assert process.poll() is None
    assert [e["type"] for e in events(tmp_path)] == ["Service Started"] * 2


def test_systemd_is_told(begin, tmp_path, monkeypatch):
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(str(tmp_path / "notify"))
        link.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        process = begin()
        assert link.recv(100) == b"READY=1"
        process.send_signal(signal.SIGTERM)
        assert link.recv(100) == b"STOPPING=1"
    assert os.getpid()


@pytest.mark.root
def test_no_thread_of_root_keeps_a_right_that_is_not_needed(begin):
    process = begin()
    tasks = list(Path(f"/proc/{process.pid}/task").iterdir())
    assert len(tasks) > 3  # store, lane, delivery, status beside the first one
    allowed = sum(1 << CAPABILITIES[name] for name in CAPABILITIES)
    for task in tasks:
        lines = dict(
            line.split(":", 1) for line in (task / "status").read_text().splitlines() if ":" in line
        )
        assert int(lines["CapEff"], 16) & ~allowed == 0
        assert lines["NoNewPrivs"].strip() == "1"


def test_a_ready_file_that_cannot_be_written_is_told_and_it_runs(run, tmp_path):
    (tmp_path / "watched").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG)
    done = run("start", "--duration", "0.2", "--ready-file", "nowhere/ready")
    assert done.returncode == 0
    assert "E106 cannot write nowhere/ready" in done.stderr
    assert "Traceback" not in done.stderr
