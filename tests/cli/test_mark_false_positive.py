import json

import pytest

from mlids.archive import Archive
from mlids.logger import EventLogger

LINE = "2025-01-13T10:30:{:02d}+00:00 host sshd[7]: Failed password for root from {} port 22 ssh2\n"


@pytest.fixture
def scanned(run, tmp_path):
    log = tmp_path / "auth.log"
    log.write_text("".join(LINE.format(n, "203.0.113.7") for n in range(7)))
    assert run("scan", "auth.log", "--store").returncode == 1
    return {one["rule"]: one for one in Archive(tmp_path / "logs").search()}


def test_a_marked_event_stays_quiet_and_no_other(run, tmp_path, scanned):
    marked = scanned["brute_force/guessing"]
    done = run("mark-false-positive", marked["id"][:8], "--reason", "our own test", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["suppression"]["entity"] == "203.0.113.7"
    assert made["suppression"]["rule"] == "brute_force/guessing"
    case = json.loads((tmp_path / made["case"]).read_text())
    assert case["event"]["id"] == marked["id"]
    assert len(case["lines"]) >= 5 and all("203.0.113.7" in one["text"] for one in case["lines"])
    assert case["must_tell"]["details"]["ip"] != "203.0.113.7"
    logger = EventLogger(tmp_path / "logs")
    try:
        assert logger.passed(marked) == []
        other = marked.replace(details={**marked.details, "ip": "198.51.100.1"})
        assert logger.passed(other)
        assert logger.passed(scanned["login/sshd-failed"])
    finally:
        logger.close()
    tested = run("suppress", "test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "held" in tested.stdout and "not asked" not in tested.stdout


def test_a_case_fails_where_more_or_less_is_suppressed(run, tmp_path, scanned):
    run("mark-false-positive", scanned["login/sshd-failed"]["id"], "--reason", "x")
    assert run("suppress", "test").returncode == 0
    run("suppress", "add", "--type", "Failed *", "--reason", "too much")
    done = run("suppress", "test")
    assert done.returncode == 1 and "suppressed too" in done.stdout
    for one in json.loads(run("suppress", "list", "--json").stdout):
        run("suppress", "remove", one["id"])
    (found,) = json.loads(run("suppress", "test", "--json").stdout)
    assert found["state"] == "removed"


def test_scope_rule_is_anybody(run, tmp_path, scanned):
    done = run(
        "mark-false-positive",
        scanned["login/sshd-failed"]["id"],
        "--scope",
        "rule",
        "--reason",
        "x",
        "--json",
    )
    assert json.loads(done.stdout)["suppression"]["entity"] == ""
    assert run("suppress", "test").returncode == 0


def test_an_incident_needs_more_than_a_word(run, tmp_path, scanned):
    logger = EventLogger(tmp_path / "logs")
    grave = logger.log_event("Incident", {"ip": "203.0.113.7"}, "CRITICAL", rule="incident")
    logger.close()
    done = run("mark-false-positive", grave["id"], "--reason", "x")
    assert done.returncode == 2 and "--critical" in done.stderr
    assert run("mark-false-positive", grave["id"], "--reason", "x", "--critical").returncode == 0


@pytest.mark.parametrize("arguments", [("ffffffff-0000",), ("ab",), ()])
def test_wrong_use_is_told_in_a_clear_line(run, arguments):
    done = run("mark-false-positive", *arguments, "--reason", "x")
    assert done.returncode == 2
    assert "Error:" in done.stderr and "Traceback" not in done.stderr
