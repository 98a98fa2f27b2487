import json

from mlids.logger import EventLogger
from mlids.seals import VERIFY


def logged(folder, count=3):
    logger = EventLogger(folder / "logs")
    for n in range(count):
        logger.log_event("Failed Login", {"ip": f"192.0.2.{n + 1}"})
    logger.close()
    return folder / "logs"


def test_a_log_that_is_right_is_0(run, tmp_path):
    logged(tmp_path)
    done = run("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("OK")
    assert "3 records" in done.stdout
    found = json.loads(run("verify", "--json", "--since", "1d").stdout)
    assert (found["ok"], found["records"], found["authentic"]) == (True, 3, True)


def test_the_first_bad_record_is_named_and_is_1(run, tmp_path):
    path = logged(tmp_path) / "mlids.jsonl"
    path.write_bytes(path.read_bytes().replace(b"192.0.2.2", b"192.0.2.9"))
    done = run("verify")
    assert done.returncode == 1
    assert "record 2 was changed" in done.stdout
    assert "mlids.jsonl, line 2" in done.stdout
    assert json.loads(run("verify", "--json").stdout)["line"] == 2


def test_the_first_key_can_be_kept_elsewhere(run, tmp_path):
    logs = logged(tmp_path)
    done = run("verify", "--move-key", "usb.key")
    assert done.returncode == 0, done.stderr
    assert not (logs / "seals" / VERIFY).exists()
    assert json.loads(run("verify", "--json").stdout)["authentic"] is False
    assert json.loads(run("verify", "--json", "--key", "usb.key").stdout)["authentic"] is True
    again = run("verify", "--move-key", "other.key")
    assert (again.returncode, "moved before" in again.stderr) == (3, True)
    assert run("verify", "--key", "config.yaml").returncode == 3


def test_a_key_is_never_written_over(run, tmp_path):
    logged(tmp_path)
    (tmp_path / "precious").write_text("x")
    done = run("verify", "--move-key", "precious")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert (tmp_path / "precious").read_text() == "x"


def test_no_log_is_no_fault(run):
    done = run("verify")
    assert done.returncode == 0
    assert "no events" in done.stdout


def test_without_the_first_key_nothing_is_promised(run, tmp_path):
    logs = logged(tmp_path)
    (logs / "seals" / VERIFY).unlink()
    done = run("verify")
    assert done.returncode == 0
    assert done.stdout.startswith("??") and "--key" in done.stdout
    assert "OK" not in done.stdout
