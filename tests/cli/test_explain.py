from __future__ import annotations

import json

LOGIN = "Jan 13 10:30:45 gate sshd[7]: Failed password for root from 1.2.3.4 port 5 ssh2"


def test_what_a_line_is_read_as_and_who_fired(run):
    done = run("explain", LOGIN)
    assert done.returncode == 1
    assert "read as    auth" in done.stdout
    assert "fired      login/sshd-failed: matches" in done.stdout
    assert "MEDIUM   Failed Login by login/sshd-failed" in done.stdout


def test_nothing_to_tell_is_0(run):
    done = run("explain", "Jan 13 10:30:45 gate cron[7]: hello \x1b[31mred")
    assert done.returncode == 0
    assert "told       nothing" in done.stdout
    assert "\x1b[31m" not in done.stdout


def test_json_and_standard_input(run):
    done = run("explain", "-", "--format", "syslog", "--json", input=LOGIN + "\nmore\n")
    found = json.loads(done.stdout)
    assert (found["format"], found["line"], found["recognised"]) == ("syslog", LOGIN, True)
    assert found["events"][0]["details"]["ip"] == "1.2.3.4"


def test_wrong_use(run):
    done = run("explain", LOGIN, "--format", "morse")
    assert done.returncode == 3
    assert "morse" in done.stderr
    assert run("explain", "").returncode == 3
    assert run("explain").returncode == 2
