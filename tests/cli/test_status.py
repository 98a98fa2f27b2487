import json
import os

from mlids import status
from mlids.locking import FolderLock
from mlids.status import Status


def test_not_running_is_1(run):
    done = run("status")
    assert done.returncode == 1
    assert "not running" in done.stdout
    assert json.loads(run("status", "--json").stdout) == {"running": False}


def test_running_is_0_and_shows_the_state(run, tmp_path):
    lock = FolderLock(tmp_path / "logs")
    lock.acquire()
    found = Status(
        pid=os.getpid(),
        version="0",
        started="",
        uptime=9,
        ready=True,
        logs_dir=str(tmp_path / "logs"),
        events_total=42,
    )
    status.write(found)
    done = run("status")
    assert done.returncode == 0
    assert "42 events" in done.stdout
    shown = json.loads(run("status", "--json", "--wait", "5").stdout)
    assert (shown["running"], shown["events_total"]) == (True, 42)
    lock.release()


def test_waiting_in_vain_is_1(run):
    assert run("status", "--wait", "0.1").returncode == 1


def test_a_configuration_that_is_named_and_absent_is_e001(run):
    done = run("status", "--config", "absent.yaml")
    assert done.returncode == 3
    assert "E001" in done.stderr
