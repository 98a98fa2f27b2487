import subprocess
import sys

from mlids.columns import companions
from mlids.columns.__main__ import main
from mlids.locking import FolderLock


def test_it_builds_and_tells_how_far_it_is(logs):
    command = [sys.executable, "-m", "mlids.columns", str(logs)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout == "1 2\n2 2\n"
    assert companions.missing(logs) == []


def test_another_builder_is_no_error(logs, tmp_path):
    lock = FolderLock(companions.folder(logs))
    lock.acquire()
    assert main([str(logs)]) == 0
    lock.release()
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file")]) == 3
