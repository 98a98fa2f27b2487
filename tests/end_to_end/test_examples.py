"""The examples and the demo do what their words say."""

import http.server
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def example(name, *arguments, **options):
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    done = example("recordings.py", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_recordings_are_the_same_every_time(recordings, tmp_path):
    example("recordings.py", tmp_path)
    for name in ("office.pcap", "auth.log", "access.log"):
        assert (tmp_path / name).read_bytes() == (recordings / name).read_bytes()


def test_the_demo_finds_the_scan_the_brute_force_and_the_success(recordings):
    done = subprocess.run(
        [sys.executable, str(ROOT / "index.py"), "scan", str(recordings), "--format", "jsonl"],
        capture_output=True,
        text=True,
        cwd=recordings,
        timeout=60,
    )
    assert done.returncode == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    high = {
        (e["type"], e["severity"], e["details"]["ip"])
        for e in events
        if e["severity"] in ("HIGH", "CRITICAL")
    }
    assert high == {
        ("Port Scan", "HIGH", "203.0.113.9"),
        ("SQL Injection", "HIGH", "203.0.113.77"),
        ("Brute Force", "HIGH", "203.0.113.66"),
        ("Brute Force", "CRITICAL", "203.0.113.66"),
        ("Incident", "HIGH", "203.0.113.77"),
        ("Incident", "HIGH", "203.0.113.66"),
    }


def test_the_evidence_alone_gives_the_event_again(recordings, tmp_path):
    def found(path):
        done = subprocess.run(
            [sys.executable, str(ROOT / "index.py"), "scan", str(path), "--format", "jsonl"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    guess = next(e for e in found(recordings / "auth.log") if e["type"] == "Brute Force")
    lines = (recordings / "auth.log").read_bytes().splitlines(keepends=True)
    numbers = sorted(place["line"] for place in guess["evidence"])
    (tmp_path / "auth.log").write_bytes(b"".join(lines[n - 1] for n in numbers))
    again = next(e for e in found(tmp_path / "auth.log") if e["type"] == "Brute Force")
    assert again["details"]["ip"] == guess["details"]["ip"]


def test_a_custom_handler(recordings):
    done = example("custom_handler.py", recordings / "auth.log", 3)
    assert done.returncode == 0, done.stderr
    assert "60 failed logins from 203.0.113.66" in done.stdout
    assert "CRITICAL Brute Force" in done.stdout


def test_a_custom_detector(tmp_path):
    log = tmp_path / "kern.log"
    log.write_text(
        "Jan 13 10:30:44 web1 kernel: all is well\n"
        "Jan 13 10:30:45 web1 kernel: Out of memory: Killed process 7 (java)\n"
    )
    done = example("custom_detector.py", log, 3)
    assert done.returncode == 0, done.stderr
    assert "the kernel killed process 7 (java)" in done.stdout


def test_a_custom_sink(tmp_path):
    received = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/events"
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "examples" / "custom_sink.py"), address, "4"], cwd=tmp_path
        )
        time.sleep(2)
        (tmp_path / "new").write_text("x")
        assert process.wait(timeout=30) == 0
        server.shutdown()
    assert {"Service Started", "File Created", "Service Stopped"} <= {e["type"] for e in received}
