import json
import time

import pytest

from mlids.archive import Archive
from mlids.logger import EventLogger
from mlids.testing import event

ADD = ("suppress", "add", "--ip", "192.0.2.0/24", "--for", "7d", "--reason", "a pentest")


@pytest.fixture
def logs(tmp_path):
    return tmp_path / "logs"


def changes(logs):
    found = Archive(logs).search('"Configuration Changed"')
    return [one.details["metadata"]["change"] for one in found]


def test_add_list_and_remove_while_nothing_runs(run, logs):
    done = run(*ADD, "--json")
    assert done.returncode == 0, done.stderr
    entry = json.loads(done.stdout)
    assert entry["ip"] == "192.0.2.0/24" and entry["by"] and entry["until"] > entry["created"]
    assert changes(logs) == ["added"]
    listed = json.loads(run("suppress", "list", "--json").stdout)
    assert [(one["id"], one["state"], one["hits"]) for one in listed] == [
        (entry["id"], "active", 0)
    ]
    assert "a pentest" in run("suppress", "list").stdout
    done = run("suppress", "remove", entry["id"][:4])
    assert done.returncode == 0, done.stderr
    assert changes(logs) == ["added", "removed"]
    assert run("suppress", "list").stdout == ""
    assert "removed" in run("suppress", "list", "--all").stdout


def test_a_running_process_takes_a_change_up_and_records_it(run, logs):
    logger = EventLogger(logs)
    logger.open()
    try:
        assert logger.passed(event())
        done = run(*ADD)
        assert done.returncode == 0, done.stderr
        deadline = time.monotonic() + 3
        while logger.passed(event()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert logger.passed(event()) == []
        logger.flush()
        assert changes(logs) == ["added"]
    finally:
        logger.close()
    (told,) = Archive(logs).search('"Events Suppressed"')
    assert told.details["suppressed"] >= 2
    (listed,) = json.loads(run("suppress", "list", "--json").stdout)
    assert listed["hits"] == told.details["suppressed"] and listed["last_hit"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "--for", "7d", "--reason", "x"),
        ("add", "--type", "XSS"),
        ("add", "--type", "XSS", "--reason", " "),
        ("add", "--ip", "nonsense", "--reason", "x"),
        ("add", "--type", "XSS", "--reason", "x", "--for", "1000d"),
        ("add", "--type", "XSS", "--reason", "x", "--for", "soon"),
        ("add", "--type", "XSS", "--reason", "x", "--until", "2001-01-01"),
        ("add", "--type", "XSS", "--reason", "x", "--for", "1d", "--until", "2099-01-01"),
        ("remove", "ffffffff"),
        ("remove",),
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_in_a_clear_line(run, arguments, logs):
    done = run("suppress", *arguments)
    assert done.returncode == 2
    assert "Error:" in done.stderr and "Traceback" not in done.stderr
    assert not (logs / "suppressions.json").exists()


def test_a_broken_book_is_e002(run, logs):
    logs.mkdir()
    (logs / "suppressions.json").write_text("{")
    for arguments in (("list",), ADD[1:], ("remove", "0f8e2d11"), ("test",)):
        done = run("suppress", *arguments)
        assert done.returncode == 3 and "E002" in done.stderr, arguments


def test_what_is_shown_cannot_act(run):
    run("suppress", "add", "--user", "\x1b[31mx", "--reason", "\u202eevil")
    shown = run("suppress", "list").stdout
    assert "\x1b" not in shown and "\u202e" not in shown


def test_there_may_be_nothing_to_test(run):
    done = run("suppress", "test")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_list_has_a_heading_and_who_adds_learns_how_to_undo(run):
    done = run("suppress", "add", "--user", "bob", "--reason", "backup job")
    id = done.stdout.split()[1]
    assert f"suppress remove {id}" in done.stderr
    head, line = run("suppress", "list").stdout.splitlines()
    assert head.split() == ["ID", "UNTIL", "(UTC)", "HITS", "WHAT", "(BY:", "WHY)"]
    assert line.startswith(id) and line.index("user bob") == head.index("WHAT")
