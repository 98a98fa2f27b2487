"""Everything around MLIDS misbehaves: each fault is told once, in one line, and the rest goes on."""

import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlids import privileges
from mlids.capture.crafting import ethernet, ip, pcap, tcp

pytestmark = pytest.mark.slow
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other users, mounts")
NOBODY = 65534


def failed_login(number, address="198.51.100.9"):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return f"{stamp} web1 sshd[{number}]: Failed password for root from {address} port 50022 ssh2\n"


def log_line(path, number, address="198.51.100.9"):
    with path.open("a") as file:
        file.write(failed_login(number, address))


def codes(text):
    """The codes that stand at the beginning of a line, in order."""
    return re.findall(r"^(E\d{3}) ", text, re.MULTILINE)


def goes_on(program, tmp_path, name="proof"):
    """Both inputs still work."""
    (tmp_path / "watched" / name).write_text("x")
    program.until_event("File Created", path=str(tmp_path / "watched" / name))
    number = random.randrange(10**6)
    address = f"192.0.2.{number % 250 + 1}"
    log_line(tmp_path / "auth.log", number, address)
    program.until_event("Failed Login", ip=address)


def powerless():
    """Root without any right of root."""
    privileges.drop(())


# -- what is not there, or not readable


def test_scan_of_a_missing_file(run):
    program = run("scan", "nothing.pcap")
    assert program.end() == 3
    assert codes(program.told()) == ["E007"]
    assert "nothing.pcap" in program.told()


def test_a_log_that_is_not_there_is_waited_for(run, tmp_path):
    (tmp_path / "watched").mkdir()
    program = run(
        *("start", "--dir", "watched", "--app-log", "auth.log"),
        environment={"MLIDS_MONITORING__INTERFACE": "none"},
    ).ready()
    goes_on(program, tmp_path)
    assert program.stop() == 0


def test_a_watched_folder_that_is_not_there(run, tmp_path):
    log = tmp_path / "auth.log"
    log.touch()
    program = run(
        *("start", "--dir", "nowhere", "--app-log", str(log)),
        environment={"MLIDS_MONITORING__INTERFACE": "none"},
    ).ready()
    assert codes(program.told()) == ["E007"]
    log_line(log, 1)
    program.until_event("Failed Login")
    assert program.stop() == 0


def test_nothing_to_monitor(run):
    program = run("start", "--dir", "none", "--app-log", "none", "--interface", "none")
    assert program.end() == 3
    assert codes(program.told()) == ["E010"]


@root
def test_an_unreadable_log_is_told_once(watch, tmp_path):
    secret = tmp_path / "secret.log"
    secret.write_text("x\n")
    secret.chmod(0o600)
    os.chown(secret, NOBODY, NOBODY)
    program = watch("--app-log", str(secret), preexec_fn=powerless)
    program.ready()
    program.until_told("E004")
    goes_on(program, tmp_path)
    assert program.stop() == 0
    assert codes(program.told()) == ["E004"]
    assert str(secret) in program.told()


@root
def test_capture_without_the_right_is_told_once_with_the_fix(watch, tmp_path):
    program = watch("--interface", "lo", preexec_fn=powerless)
    program.ready()
    goes_on(program, tmp_path)
    assert program.stop() == 0
    assert codes(program.told()) == ["E009"]
    assert "setcap" in program.told()


def test_an_interface_that_does_not_exist(watch, tmp_path):
    program = watch("--interface", "nope7").ready()
    goes_on(program, tmp_path)
    assert program.stop() == 0
    assert codes(program.told()) == ["E003"]
    assert "nope7" in program.told()


# -- what is broken


def test_a_capture_that_is_cut_in_the_middle(run, tmp_path):
    frames = [
        (
            1_700_000_000 * 10**9 + n * 10**7,
            ethernet(ip("203.0.113.9", "192.0.2.1", 6, tcp(40000 + n, n + 1, "S"))),
            0,
        )
        for n in range(60)
    ]
    (tmp_path / "cut.pcap").write_bytes(pcap(frames)[:-20])
    program = run("scan", "cut.pcap")
    assert program.end() == 1
    assert codes(program.told()) == ["E011"]
    assert "Port Scan" in program.printed()


@pytest.mark.parametrize("name", ["noise.log", "noise.pcap"])
def test_random_bytes(run, tmp_path, name):
    (tmp_path / name).write_bytes(random.Random(7).randbytes(1 << 20))
    program = run("scan", name)
    assert program.end() in (0, 3)
    assert "found nothing" in program.told()


def test_a_followed_log_of_random_bytes(watch, tmp_path):
    program = watch().ready()
    with (tmp_path / "auth.log").open("ab") as log:
        log.write(random.Random(7).randbytes(1 << 20) + b"\n")
    goes_on(program, tmp_path)
    assert program.stop() == 0
    assert codes(program.told()) == []


def test_an_unknown_key_is_told_with_its_line_and_the_nearest(run, tmp_path):
    (tmp_path / "config.yaml").write_text("thresholds:\n  port_scan_treshold: 5\n")
    program = run("start")
    assert program.end() == 3
    assert codes(program.told()) == ["E002"]
    assert "line 2: thresholds.port_scan_treshold" in program.told()
    assert "did you mean thresholds.port_scan_threshold?" in program.told()


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"a: [", b"- 1\n- 2\n", b"{" * 5000, b"&a [*a]", b"version: !!x 1"]
)
def test_a_configuration_that_is_no_configuration(run, tmp_path, content):
    (tmp_path / "config.yaml").write_bytes(content)
    program = run("start")
    assert program.end() == 3
    assert codes(program.told()) == ["E002"]


def test_a_folder_in_place_of_the_configuration(run, tmp_path):
    (tmp_path / "config.yaml").mkdir()
    program = run("start", "--config", "config.yaml")
    assert program.end() == 3
    assert len(codes(program.told())) == 1


def test_wrong_use(run):
    assert run("start", "--no-such-option").end() == 2


# -- where events go


def test_a_websocket_port_in_use(watch, free_port, tmp_path):
    with socket.create_server(("127.0.0.1", free_port)):
        options = ["--websocket-host", "127.0.0.1", "--websocket-port", str(free_port)]
        program = watch("--websocket-sink", *options).ready()
        program.until_told("E008")
        goes_on(program, tmp_path)
        assert program.stop() == 0
    assert codes(program.told()) == ["E008"]


def test_a_tcp_sink_with_nobody_listening(watch, free_port, tmp_path):
    options = ["--tcp-host", "127.0.0.1", "--tcp-port", str(free_port)]
    program = watch("--tcp-sink", *options).ready()
    program.until_told("E104")
    goes_on(program, tmp_path)
    received = []
    with socket.create_server(("127.0.0.1", free_port)) as server:
        server.settimeout(15)
        link, _ = server.accept()
        with link, link.makefile("rb") as lines:
            link.settimeout(15)
            wanted = [event["id"] for event in program.events()]
            while len(received) < len(wanted):
                received.append(re.search(rb'"id":"([^"]+)"', lines.readline())[1].decode())
            assert program.stop() == 0
    assert received == wanted
    assert codes(program.told()) == ["E104"]


@pytest.fixture
def small_disk(tmp_path):
    """logs/ is a disk of 1 MB."""
    logs = tmp_path / "logs"
    logs.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "mlids-test", str(logs)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no mounts here")
    yield logs
    subprocess.run(["umount", "-l", str(logs)], check=True)


@root
def test_a_full_disk_is_told_once_and_recovered_from(watch, small_disk, tmp_path):
    program = watch().ready()
    goes_on(program, tmp_path, "before")
    before = program.events()
    with pytest.raises(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 512)
    addresses = [f"203.0.113.{n}" for n in range(1, 100)]
    for number, address in enumerate(addresses):
        log_line(tmp_path / "auth.log", number, address)
    (tmp_path / "watched" / "while-full").write_text("x")
    program.until_told("E106")
    assert program.events()[: len(before)] == before
    (small_disk / "ballast").unlink()
    program.until_event("File Created", path=str(tmp_path / "watched" / "while-full"))
    program.until_event("Failed Login", ip=addresses[-1])
    goes_on(program, tmp_path, "after")
    found = program.events()
    assert found[: len(before)] == before
    told = [event["details"]["ip"] for event in found if event["type"] == "Failed Login"]
    assert set(addresses) <= set(told)
    assert program.stop() == 0
    assert codes(program.told()) == ["E106"]


@root
def test_it_stops_in_time_on_a_full_disk(watch, small_disk, tmp_path):
    program = watch().ready()
    with pytest.raises(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 512)
    for number in range(50):
        log_line(tmp_path / "auth.log", number)
    program.until_told("E106")
    assert program.stop() == 0


@root
def test_logs_that_may_not_be_written(run, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir(0o555)
    program = run("start", "--dir", ".", preexec_fn=powerless)
    assert program.end() == 3
    assert codes(program.told()) == ["E004"]
    assert "logs" in program.told()


def test_a_file_in_place_of_logs(run, tmp_path):
    (tmp_path / "logs").write_text("")
    program = run("start", "--dir", ".")
    assert program.end() == 3
    assert codes(program.told()) == ["E106"]


def test_logs_deleted_while_running_are_written_anew(watch, tmp_path):
    program = watch().ready()
    goes_on(program, tmp_path, "before")
    shutil.rmtree(program.logs)
    goes_on(program, tmp_path, "after")
    program.ready()
    second = watch()
    assert second.end() == 3  # the lock is held again
    assert "E006" in second.told()
    assert program.stop() == 0
    assert codes(program.told()) == ["E106"]
    assert program.events()[-1]["type"] == "Service Stopped"
    assert (program.logs / "mlids.log").exists()


# -- inputs that change their nature


def test_a_watched_folder_deleted_and_made_anew(watch, tmp_path):
    program = watch().ready()
    folder = tmp_path / "watched"
    (folder / "old").write_text("x")
    program.until_event("File Created", path=str(folder / "old"))
    shutil.rmtree(folder)
    program.until_event("File Deleted", path=str(folder / "old"))
    folder.mkdir()
    (folder / "new").write_text("x")
    program.until_event("File Created", path=str(folder / "new"))
    goes_on(program, tmp_path)
    (folder / "below").mkdir()
    (folder / "below" / "deep").write_text("x")
    program.until_event("File Created", path=str(folder / "below" / "deep"))
    assert program.stop() == 0


def test_a_log_replaced_by_a_folder_and_back(watch, tmp_path):
    program = watch().ready()
    log = tmp_path / "auth.log"
    log_line(log, 1)
    program.until_event("Failed Login")
    log.rename(tmp_path / "away")
    log.mkdir()
    program.until_told("E103")
    log.rmdir()
    goes_on(program, tmp_path)
    assert program.stop() == 0
    assert codes(program.told()) == ["E103"]


def test_a_pipe_as_log(watch, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    program = watch("--app-log", "pipe").ready()
    program.until_told("E103")
    goes_on(program, tmp_path)
    assert program.stop() == 0
    assert codes(program.told()) == ["E103"]


@pytest.mark.parametrize("inside", [False, True])
def test_a_pipe_to_scan_does_not_hang(run, tmp_path, inside):
    folder = tmp_path / "recordings"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "auth.log").write_text(failed_login(1))
    program = run("scan", "recordings" if inside else "recordings/pipe")
    assert program.end() == (1 if inside else 3)
    assert codes(program.told()) == ([] if inside else ["E012"])


def test_a_folder_of_many_files(watch, tmp_path):
    folder = tmp_path / "watched"
    for n in range(50):
        (folder / str(n)).mkdir(parents=True)
        for m in range(1000):
            os.close(os.open(folder / str(n) / str(m), os.O_CREAT))
    program = watch().ready()
    log_line(tmp_path / "auth.log", 1)
    program.until_event("Failed Login")
    (folder / "7" / "7").write_text("changed")
    program.until_event("File Modified", 60, path=str(folder / "7" / "7"))
    assert program.stop() == 0
    assert len(program.events("File Created")) == 0


def test_a_stop_while_many_files_are_learnt(watch, tmp_path):
    folder = tmp_path / "watched"
    folder.mkdir()
    for n in range(20000):
        os.close(os.open(folder / str(n), os.O_CREAT))
    assert watch().ready().stop() == 0


# -- signals


def test_a_storm_of_sighup(watch, tmp_path):
    program = watch().ready()
    for _ in range(200):
        program.send(signal.SIGHUP)
        time.sleep(0.005)
    program.until_event("Configuration Changed")
    goes_on(program, tmp_path)
    assert program.stop() == 0
    assert codes(program.told()) == []


def test_a_bad_configuration_at_sighup_changes_nothing(watch, tmp_path):
    program = watch().ready()
    for wrong in ("thresholds: {port_scan_treshold: 5}", "sinks: {tcp: {port: 0}}", "x: ["):
        (tmp_path / "config.yaml").write_text(wrong)
        told = program.told().count("stays in force")
        program.send(signal.SIGHUP)
        program.until(lambda told=told: program.told().count("in force") > told, "told")
    goes_on(program, tmp_path)
    (tmp_path / "config.yaml").write_text("thresholds: {port_scan_threshold: 5}")
    program.send(signal.SIGHUP)
    program.until_event("Configuration Changed")
    goes_on(program, tmp_path, "again")
    assert program.stop() == 0


def test_a_secret_that_is_missing_at_sighup_changes_nothing(watch, tmp_path):
    program = watch().ready()
    config = tmp_path / "config.yaml"
    config.write_text("integrations: {splunk: {enabled: true, token: '${NO_SUCH_SECRET}'}}")
    program.send(signal.SIGHUP)
    program.until_told("stays in force")
    goes_on(program, tmp_path)
    assert program.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_two_signals_to_stop(watch, number):
    program = watch().ready()
    program.send(number)
    time.sleep(0.05)
    assert program.stop(number) == 0
    assert program.events()[-1]["type"] == "Service Stopped"


def test_a_signal_during_start(watch):
    for wait in (0.15, 0.3, 0.45, 0.6):
        program = watch()
        time.sleep(wait)
        assert program.stop() in (0, -signal.SIGTERM)
        events = program.events()
        assert not events or events[-1]["type"] == "Service Stopped"


def test_a_stop_while_events_pour_in(watch, tmp_path):
    program = watch().ready()
    ending = threading.Event()

    def pour():
        with (tmp_path / "auth.log").open("a") as log:
            while not ending.is_set():
                log.write("".join(failed_login(n) for n in range(500)))
                log.flush()

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        program.until_event("Failed Login")
        assert program.stop() == 0
    finally:
        ending.set()
        thread.join()
    assert program.events()[-1]["type"] == "Service Stopped"


# -- terminals, streams, surroundings


@pytest.fixture
def shell(tmp_path):
    """Runs a shell line in which "$@" is the program."""
    (tmp_path / "auth.log").write_text("".join(failed_login(n) for n in range(9)))

    def run(line, **environment):
        index = str(Path(__file__).parents[2] / "index.py")
        surroundings = os.environ | {"MLIDS_MONITORING__INTERFACE": "none"} | environment
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {line}", "bash", sys.executable, index],
            **{"cwd": tmp_path, "env": surroundings, "capture_output": True, "timeout": 20},
            check=False,
        )
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in done.stdout + done.stderr
        assert "Exception ignored" not in done.stderr
        return done

    return run


START = '"$@" start --dir none --app-log auth.log --duration 0.5'


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("line", [START, '"$@" scan auth.log', '"$@" config --list', '"$@" status'])
def test_closed_streams(shell, line, closed):
    statuses = {"scan": 1, "status": 1}
    expected = statuses.get(line.split()[1], 0)
    assert shell(f"{line} {closed}").returncode == expected


def test_a_reader_that_goes(shell, tmp_path):
    for line in ('"$@" --help', '"$@" config --list', '"$@" scan auth.log --format jsonl'):
        done = shell(f"{line} | head -1")
        assert len(done.stdout.splitlines()) == 1
        assert done.returncode in (0, 1)


@pytest.mark.parametrize("options", ["", "--json"])
def test_a_reader_of_events_that_goes(shell, tmp_path, options):
    """What is printed is lost to whoever went; what is stored is not."""
    line = START.replace("0.5", "3") + f" {options} | head -1; exit ${{PIPESTATUS[0]}}"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(shell, line)
        log = tmp_path / "auth.log"
        while not running.done():
            log_line(log, 1)
            time.sleep(0.2)
        done = running.result()
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (tmp_path / "logs" / "mlids.jsonl").open()]
    assert sum(event["type"] == "Failed Login" for event in events) > 5
    assert events[-1]["type"] == "Service Stopped"
    assert len(codes(done.stderr)) <= 1


SURROUNDINGS = {
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "no home": {"HOME": ""},
    "home that is not there": {"HOME": "/nowhere/at/all"},
    "dumb": {"TERM": "dumb"},
    "no terminal": {"TERM": ""},
    "no colour": {"NO_COLOR": "1"},
    "colour": {"FORCE_COLOR": "1"},
    "no width": {"COLUMNS": "0", "LINES": "0"},
    "time zone": {"TZ": "Nowhere/Land"},
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_surroundings(shell, name):
    given = SURROUNDINGS[name]
    running = shell(f'{START} & "$@" status --wait 10; wait %1', **given)
    assert running.returncode == 0, running.stderr
    assert "Service Started" in running.stdout + running.stderr
    for line, status in (('"$@" --help', 0), ('"$@" scan auth.log', 1), ('"$@" config --list', 0)):
        done = shell(line, **given)
        assert done.returncode == status, done.stderr
        assert ("\x1b[" in done.stdout) <= (name == "colour")


def test_a_narrow_dumb_or_plain_terminal(tmp_path):
    for columns, term in ((20, "xterm"), (20, "dumb"), (1, "xterm"), (0, "")):
        shown = on_a_terminal(tmp_path, columns, term)
        assert "Traceback" not in shown
        assert "Service" in shown


def on_a_terminal(folder, columns, term):
    """What `start` shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, columns, 0, 0))
    index = str(Path(__file__).parents[2] / "index.py")
    command = [sys.executable, index, "start", "--dir", "none", "--duration", "1.2"]
    surroundings = os.environ | {"TERM": term, "MLIDS_MONITORING__INTERFACE": "none"}
    surroundings["MLIDS_MONITORING__APP_LOG"] = "auth.log"
    how = {"stdin": theirs, "stdout": theirs, "stderr": theirs, "cwd": folder}
    process = subprocess.Popen(command, env=surroundings, **how)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 15)[0]:
        try:
            shown += os.read(ours, 65536)
        except OSError:
            break  # closed by its end
    os.close(ours)
    assert process.wait(5) == 0, shown
    return shown.decode(errors="replace")
