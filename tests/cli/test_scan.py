import json
from pathlib import Path

import pytest

LINE = "2025-01-13T10:30:{:02d}+00:00 host sshd[{}]: {} password for root from 192.0.2.7 port 22 ssh2\n"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "auth.log"
    path.write_text("".join(LINE.format(n, n, "Failed") for n in range(6)))
    return str(path)


@pytest.fixture
def clean(tmp_path):
    path = tmp_path / "clean.log"
    path.write_text(LINE.format(1, 1, "Accepted"))
    return str(path)


def test_jsonl_is_events_and_nothing_else(run, log):
    done = run("scan", log, "--format", "jsonl")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [e["type"] for e in events].count("Failed Login") == 6
    assert "Brute Force" in {e["type"] for e in events}
    assert "6 lines" in done.stderr and "6 read, 6 matched" in done.stderr


def test_exit_status_says_whether_something_was_found(run, clean, tmp_path):
    assert run("scan", clean).returncode == 0
    (tmp_path / "empty").write_text("")
    assert run("scan", str(tmp_path / "empty")).returncode == 0
    missing = run("scan", "none.log")
    assert missing.returncode == 3
    assert "E007" in missing.stderr
    assert run("scan").returncode == 2


def test_json_csv_table_and_output_file(run, log, tmp_path):
    assert len(json.loads(run("scan", log, "--json").stdout)) >= 7
    rows = run("scan", log, "--format", "csv").stdout.splitlines()
    assert rows[0].startswith("timestamp,severity")
    table = run("scan", log, "--output", "found.txt")
    assert table.stdout == ""
    assert "Brute Force" in (tmp_path / "found.txt").read_text()
    assert "\x1b" not in (tmp_path / "found.txt").read_text()
    assert "\x1b[" in run("scan", log, env={"FORCE_COLOR": "1"}).stdout
    done = run("scan", log, "--output", "no/such/folder/x")
    assert (done.returncode, "E007" in done.stderr) == (3, True)


def test_store_keeps_what_was_found(run, log, tmp_path):
    assert run("scan", log, "--store").returncode == 1
    stored = (tmp_path / "logs" / "mlids.jsonl").read_text().splitlines()
    assert len(stored) >= 7
    assert not (tmp_path / "logs" / "status.json").exists()


def test_without_store_nothing_is_written(run, log, tmp_path):
    run("scan", log)
    assert not (tmp_path / "logs").exists()


def test_standard_input(run, log):
    text = Path(log).read_text()
    assert run("scan", "-", "--format", "jsonl", input=text).returncode == 1


def test_thresholds_of_the_configuration_hold(run, log, tmp_path):
    (tmp_path / "config.yaml").write_text("thresholds: {brute_force_threshold: 50}\n")
    found = run("scan", log, "--format", "jsonl").stdout
    assert "Brute Force" not in found


def test_a_file_name_cannot_act_on_the_terminal(run, tmp_path):
    (tmp_path / "\x1b[2Jx.log").write_text(LINE.format(1, 1, "Failed"))
    done = run("scan", str(tmp_path))
    assert "\x1b" not in done.stdout + done.stderr


def test_a_table_that_goes_elsewhere_has_no_colours(run, log):
    assert "\x1b" not in run("scan", log, "--format", "table").stdout
    assert run("scan", log, "--format", "table", "--json").stdout.startswith("[")
