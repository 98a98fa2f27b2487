"""One attacker over logs and files is one incident, live and over a restart."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlids import MLIDS
from mlids.archive import Archive

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ATTACKER = "203.0.113.66"


@pytest.fixture
def place(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0\n")
    (tmp_path / "auth.log").write_text("")
    settings = {
        "monitoring": {
            "interface": "none",
            "directory": str(tmp_path / "etc"),
            "app_log": [str(tmp_path / "auth.log")],
        },
        "logging": {"logs_dir": str(tmp_path / "logs")},
        "notifiers": {"console": {"enabled": False}},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    return tmp_path


def line(place, text):
    stamp = datetime.now(UTC).isoformat()
    with (place / "auth.log").open("a") as log:
        log.write(
            f"{stamp} web1 sshd[77]: {text} from {ATTACKER} port {os.urandom(1)[0] + 1024} ssh2\n"
        )


def stored(place, type, least=1, seconds=15):
    deadline = time.monotonic() + seconds
    while True:
        found = [e for e in Archive(place / "logs").search() if e["type"] == type]
        if len(found) >= least or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_guessing_getting_in_and_changing_a_file_are_one_incident(place):
    app = MLIDS(place / "config.yaml")
    app.start()
    try:
        for n in range(7):
            line(
                place,
                f"Failed password for invalid user u{n}" if n % 2 else "Failed password for root",
            )
            time.sleep(0.01)
        assert stored(place, "Brute Force")
    finally:
        app.stop()
    app = MLIDS(place / "config.yaml")  # what was known survives a restart
    app.start()
    try:
        line(place, "Accepted password for root")
        assert stored(place, "Incident")
        time.sleep(0.2)
        (place / "etc" / "passwd").write_text("root:x:0:0\neve:x:0:0\n")
        stored(place, "File Modified")
        stored(place, "Incident", 2)
    finally:
        app.stop()
    told = stored(place, "Incident")
    assert len({one.correlation_id for one in told}) == 1
    assert told[-1].severity == "CRITICAL"
    assert told[-1].details["ip"] == ATTACKER
    tactics = [stage["tactic"] for stage in told[-1].details["metadata"]["stages"]]
    assert tactics == ["credential-access", "initial-access", "impact"]
    (changed,) = stored(place, "File Modified")
    assert changed.correlation_id == told[-1].correlation_id
    assert changed["id"] in told[-1].details["metadata"]["events"]


def test_a_running_mlids_takes_up_what_is_suppressed_beside_it(place):
    app = MLIDS(place / "config.yaml")
    app.start()
    try:
        line(place, "Failed password for root")
        assert stored(place, "Failed Login")
        done = subprocess.run(
            [sys.executable, str(ROOT / "index.py"), "suppress", "add", "--ip", ATTACKER, "--reason", "a test"],
            cwd=place, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (change,) = stored(place, "Configuration Changed")
        assert change.details["metadata"]["change"] == "added"
        line(place, "Failed password for root")
        deadline = time.monotonic() + 10
        while not app.metrics.get("suppressed_total") and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        app.stop()
    assert len(stored(place, "Failed Login")) == 1
    (told,) = stored(place, "Events Suppressed")
    assert told.details["suppressed"] == 1
