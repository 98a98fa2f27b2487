import os
import subprocess
import sys

import pytest

from mlids.privileges import CAPABILITIES, needed

DROP = """
import os, socket, sys, threading
from mlids import privileges
assert privileges.drop(["net_raw", "dac_read_search"])
def show():
    status = open("/proc/thread-self/status").read()
    print([line.split()[1] for line in status.splitlines() if line.startswith("CapEff")][0])
    print([line.split()[1] for line in status.splitlines() if line.startswith("NoNewPrivs")][0])
    try:
        os.setuid(65534)
        print("may change user")
    except PermissionError:
        print("may not change user")
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
thread = threading.Thread(target=show)
thread.start()
thread.join()
"""


@pytest.mark.root
def test_threads_that_start_later_have_only_what_is_kept():
    done = subprocess.run([sys.executable, "-c", DROP], capture_output=True, text=True, check=True)
    effective, no_new, user = done.stdout.splitlines()
    assert int(effective, 16) == 1 << CAPABILITIES["net_raw"] | 1 << CAPABILITIES["dac_read_search"]
    assert no_new == "1"
    assert user == "may not change user"


def test_what_is_needed(tmp_path):
    assert needed(tmp_path) == {"net_raw", "dac_read_search"}
    assert needed(tmp_path, [8080]) == {"net_raw", "dac_read_search"}
    assert needed(tmp_path, [80]) == {"net_raw", "dac_read_search", "net_bind_service"}
    assert needed(tmp_path / "none" / "none") == {"net_raw", "dac_read_search"}


@pytest.mark.root
def test_root_may_write_to_a_folder_of_somebody_else(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    assert "dac_override" in needed(theirs)
    assert "dac_override" in needed(theirs / "logs")  # to be made there
    assert "dac_override" not in needed(tmp_path)


def test_without_root_nothing_is_dropped(monkeypatch):
    from mlids import privileges

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not privileges.drop(["net_raw"])
