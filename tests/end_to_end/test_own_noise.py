"""MLIDS does not watch itself: its own files and traffic make no events."""

import collections
import os
import re
import shutil
import socket
import threading
import time

import pytest

pytestmark = pytest.mark.slow
OWN = {"Service Started", "Service Stopped"}


def test_a_tree_that_holds_the_logs_is_quiet_at_rest(run, tmp_path):
    (tmp_path / "auth.log").touch()
    program = run(
        *("start", "--dir", str(tmp_path), "--app-log", "auth.log"),
        stdout=-3,
        stderr=-3,
        environment={"MLIDS_MONITORING__INTERFACE": "none"},
    ).ready()
    time.sleep(3)
    (tmp_path / "proof").write_text("x")
    program.until_event("File Created", path=str(tmp_path / "proof"))
    assert program.stop() == 0
    assert [e["type"] for e in program.events()] == [
        *("Service Started", "File Created", "Service Stopped")
    ]


def test_a_noted_state_of_work_makes_no_events(watch, tmp_path):
    program = watch().ready()
    for name in (".git/objects/ab", ".venv/lib", "__pycache__", "node_modules/x", ".cache/y"):
        folder = tmp_path / "watched" / name
        folder.mkdir(parents=True)
        for n in range(20):
            (folder / f"{n}").write_text("x")
    shutil.rmtree(tmp_path / "watched" / ".git")
    (tmp_path / "watched" / ".page.swp").write_text("x")
    (tmp_path / "watched" / "proof").write_text("x")
    program.until_event("File Created", path=str(tmp_path / "watched" / "proof"))
    assert program.stop() == 0
    assert [e["details"]["path"] for e in program.events("File Created")] == [
        str(tmp_path / "watched" / "proof")
    ]


@pytest.mark.root
def test_its_own_traffic_is_no_attack(watch, free_port, tmp_path):
    received = collections.Counter()

    def take(server):
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            with link, link.makefile("rb") as lines:
                received.update(re.findall(rb'"type":"([^"]+)"', b"".join(lines)))

    options = ["--interface", "lo", "--tcp-sink", "--tcp-host", "127.0.0.1"]
    program = watch(*options, "--tcp-port", str(free_port)).ready()
    program.until_told("E104")  # refused connections look like a scan
    with socket.create_server(("127.0.0.1", free_port)) as server:
        thread = threading.Thread(target=take, args=(server,), daemon=True)
        thread.start()
        with (tmp_path / "auth.log").open("a") as log:
            for n in range(300):
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
                log.write(
                    f"{stamp} w sshd[{n}]: Accepted password for a from 192.0.2.1 port 1 ssh2\n"
                )
        program.until(lambda: len(program.events("Successful Login")) == 300, "300 logins")
        time.sleep(1)
        assert program.stop() == 0
    thread.join(5)
    types = {event["type"] for event in program.events()}
    assert types == OWN | {"Successful Login", "Monitoring Gap"}
    assert received[b"Successful Login"] == 300
    assert os.geteuid() == 0
