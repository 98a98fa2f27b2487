"""Logs as they come in practice: a folder, standard input, syslog from the network, all at once."""

import shutil
import socket
import subprocess
import time

import pytest
import yaml

pytestmark = pytest.mark.slow

ATTACKER = "203.0.113.9"


def stamp():
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())


def failed(pid, address=ATTACKER):
    return f"{stamp()} gate sshd[{pid}]: Failed password for root from {address} port 40 ssh2"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def gate(run, tmp_path):
    """MLIDS on a folder, standard input and syslog over UDP and TCP, and nothing else."""
    port = free_port()
    logs = tmp_path / "web"
    logs.mkdir()
    (logs / "auth.log").write_text(failed(1) + "\n")  # from before: not read
    settings = {
        "monitoring": {"interface": "none", "directory": "none", "app_log": [str(logs), "-"]},
        "monitors": {"syslog": {"listen": [f"udp://127.0.0.1:{port}", f"tcp://127.0.0.1:{port}"]}},
        "sinks": {"tcp": {"enabled": False}, "websocket": {"enabled": False}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    program = run("start", "--config", "config.yaml", stdin=subprocess.PIPE).ready()
    return program, logs, port


def test_one_attack_over_five_inputs_is_one_brute_force(gate):
    program, logs, port = gate
    with (logs / "auth.log").open("a") as log:
        log.write(failed(2) + "\n")
    (logs / "new.log").write_text(failed(3) + "\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(f"<38>{failed(4)}".encode(), ("127.0.0.1", port))
    with socket.create_connection(("127.0.0.1", port)) as sender:
        line = f"<38>{failed(5)}".encode()
        sender.sendall(b"%d %b" % (len(line), line))
    program.process.stdin.write((failed(6) + "\n").encode())
    program.process.stdin.flush()
    event = program.until_event("Brute Force")
    assert event["details"]["ip"] == ATTACKER
    assert event["details"]["metadata"]["attempts"] == 5
    assert len({place["source"] for place in event["evidence"]}) == 5
    assert len(program.events("Failed Login")) == 5


def test_attacks_in_an_access_log_that_appears_later(gate):
    program, logs, _ = gate
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    line = f'{ATTACKER} - - [{when}] "GET %s HTTP/1.1" %d 512 "-" "Mozilla/5.0"\n'
    with (logs / "access.log").open("w") as log:
        log.write(line % ("/", 200))
        log.write(line % ("/s?q=1%27%20UNION%20SELECT%20password%20FROM%20users--", 200))
        log.writelines(line % (f"/missing{n}.php", 404) for n in range(12))
    injection = program.until_event("SQL Injection")
    assert (injection["details"]["ip"], injection["severity"]) == (ATTACKER, "HIGH")
    scan = program.until_event("Web Scan")
    assert scan["rule"] == "web_scan/probing"


@pytest.mark.parametrize("options", [["--udp"], ["--tcp", "--octet-count"], ["--tcp", "--rfc3164"]])
def test_what_logger_sends(gate, options):
    if shutil.which("logger") is None:
        pytest.skip("needs logger (apt-get install bsdutils)")
    program, _, port = gate
    text = f"Failed password for root from {ATTACKER} port 40 ssh2"
    for pid in range(5):
        where = ["-n", "127.0.0.1", "-P", str(port), *options, "-t", "sshd", f"--id={pid + 100}"]
        subprocess.run(["logger", *where, "-p", "auth.info", text], check=True, timeout=20)
    event = program.until_event("Brute Force")
    assert event["details"]["ip"] == ATTACKER


def test_every_input_keeps_its_ledger(gate):
    program, logs, port = gate
    with (logs / "auth.log").open("a") as log:
        log.write(failed(2) + "\n" + "x" * 100_000 + "\nno stamp\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(f"<38>{failed(4)}".encode(), ("127.0.0.1", port))
    program.until(lambda: len(program.events("Failed Login")) == 2, "two logins")

    def ledgers():
        inputs = [one["input"] for one in program.status()["inputs"]]
        counted = [one["counts"] for one in inputs if one["counts"].get("read")]
        return counted if sum(one["read"] for one in counted) == 4 else None

    for counts in program.until(ledgers, "four lines in the ledgers"):
        assert counts["read"] == counts["matched"] + counts["unmatched"] + counts["rejected"]
    assert sum(one["rejected"] for one in ledgers()) == 1
