"""`start` is killed at any moment, and its state damaged: nothing that was logged or read is lost."""

import json
import signal
import time

import pytest

pytestmark = pytest.mark.slow
ROUNDS = 6
LINES_A_SECOND = 3000


def failed_login(number, address="198.51.100.9", seconds=0.0):
    moment = time.gmtime(time.time() + seconds)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", moment)
    return (
        f"{stamp} web1 sshd[{number}]: Failed password for u{number} from {address} port 5 ssh2\n"
    )


def followed(program):
    """Wait until the log is open: what is written from now on is new."""

    def is_open():
        inputs = [one["input"] for one in program.status()["inputs"]]
        return all(one["state"] == "ok" for one in inputs if one["kind"] == "log")

    program.until(is_open, "the log is open")
    return program


def stored(logs):
    """Every event of every file of the store; a line that is no JSON fails."""
    from mlids import segments

    for path in segments.files(logs):
        for line in segments.lines(path):
            yield json.loads(line)


def test_killed_under_load_no_line_is_lost(watch, tmp_path):
    log = (tmp_path / "auth.log").open("a")
    number = 0
    for turn in range(ROUNDS):
        began = time.monotonic()
        program = watch().ready()
        assert time.monotonic() - began < 2
        if not turn:
            program.until((program.logs / "state" / "logs.json").exists, "a first checkpoint")
        end = time.monotonic() + 0.3 + 0.15 * turn
        while time.monotonic() < end:
            log.write("".join(failed_login(number + n) for n in range(30)))
            log.flush()
            number += 30
            time.sleep(30 / LINES_A_SECOND)
        program.send(signal.SIGKILL)
        program.process.wait()
    log.close()
    program = watch().ready()
    last = f"u{number - 1}"
    program.until(lambda: any(e["details"].get("user") == last for e in stored(program.logs)), last)
    assert program.stop() == 0
    found = [e["details"]["user"] for e in stored(program.logs) if e["type"] == "Failed Login"]
    assert set(found) == {f"u{n}" for n in range(number)}
    assert number > 1000


def garbled(data):
    return bytes(byte ^ 0x5A for byte in data)


DAMAGES = {
    "garbled": garbled,
    "truncated": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "of another shape": lambda data: b"\x93\x01\x02\x03",
    "of another kind": lambda data: b'{"version": 99}',
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_state_that_is_damaged_is_begun_anew(watch, tmp_path, damage):
    program = watch().ready()
    (tmp_path / "auth.log").write_text("".join(failed_login(n) for n in range(3)))
    program.until(lambda: len(program.events("Failed Login")) == 3, "three failed logins")
    assert program.stop() == 0
    states = list((program.logs / "state").iterdir())
    assert len(states) > 1
    for path in states:
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    (program.logs / "status.json").write_bytes(b"{")
    again = followed(watch().ready())
    with (tmp_path / "auth.log").open("a") as log:
        log.write(failed_login(99, "192.0.2.77"))
    again.until_event("Failed Login", ip="192.0.2.77")
    assert again.stop() == 0
    said = (again.logs / "mlids.log").read_text()
    assert "begins anew" in said
    assert "Traceback" not in said


def test_a_store_that_is_torn_goes_on_behind_its_last_whole_record(watch, tmp_path):
    program = watch().ready()
    assert program.stop() == 0
    path = program.logs / "mlids.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines(keepends=True)[-1][:-9])
    again = watch().ready()
    assert again.stop() == 0
    assert path.read_bytes().startswith(whole)
    assert [e["type"] for e in stored(again.logs)] == ["Service Started", "Service Stopped"] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_windows_survive_a_restart(watch, tmp_path, number):
    program = watch().ready()
    log = (tmp_path / "auth.log").open("a", buffering=1)
    for n in range(3):
        log.write(failed_login(n, seconds=n - 6))
    program.until(lambda: len(program.events("Failed Login")) == 3, "three failed logins")
    assert program.events("Brute Force") == []
    if number == signal.SIGTERM:
        assert program.stop() == 0
        program = watch().ready()
    else:
        program.send(number)
        program.until_event("Configuration Changed")
    for n in range(3, 5):
        log.write(failed_login(n, seconds=n - 6))
    event = program.until_event("Brute Force", ip="198.51.100.9")
    assert len(event["evidence"]) == 5
    assert program.stop() == 0
