import json
import time

import pytest

from mlids.store import EventStore
from mlids.testing import event


@pytest.fixture
def stored(tmp_path):
    store = EventStore(tmp_path / "logs")
    from mlids.events import format_time

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
