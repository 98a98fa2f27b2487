"""Real scans, real log lines, real file changes, seen in logs/, on the console and at two clients."""

import json
import shutil
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.root]

SCANS = {
    "syn": ["-sS"],
    "connect": ["-sT"],
    "xmas": ["-sX", "--top-ports", "100"],
    "udp": ["-sU", "--top-ports", "40", "--max-retries", "1"],
}
LINE = "{} web1 sshd[{}]: {} password for {} from {} port 50022 ssh2\n"


def scan(technique):
    return lambda e: e["type"] == "Port Scan" and e["details"]["metadata"]["technique"] == technique


def login(type, address):
    return lambda e: e["type"] == type and e["details"].get("ip") == address


@pytest.mark.parametrize("technique", SCANS)
def test_nmap_is_found_and_named(station, hosts, technique):
    if shutil.which("nmap") is None:
        pytest.skip("needs nmap (apt-get install nmap)")
    options = ["-n", "-Pn", "-T4", "--host-timeout", "60s", *SCANS[technique]]
    address = f"10.77.0.{100 + list(SCANS).index(technique)}"
    hosts.attack_from(address)
    hosts.run(hosts.attacker, "nmap", *options, hosts.address)
    event = station.arrives(scan(technique), f"a {technique} scan")
    assert event["details"]["ip"] == address
    assert event["details"]["target"] == hosts.address
    assert event["severity"] in ("MEDIUM", "HIGH")
    assert event["explanation"]
    assert event["evidence"][0]["frame"] > 0


def test_nmap_ping_sweep_is_found(station, hosts):
    if shutil.which("nmap") is None:
        pytest.skip("needs nmap (apt-get install nmap)")
    hosts.attack_from("10.77.0.120")
    hosts.run(hosts.attacker, "nmap", "-n", "-sn", "-PE", "--send-ip", "10.77.0.1-16")
    event = station.arrives(scan("sweep"), "a sweep")
    assert event["details"]["ip"] == "10.77.0.120"


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + seconds))


def test_logins_through_rotation(station):
    with station.log.open("a") as log:
        log.write(LINE.format(stamp(0), 100, "Accepted", "anna", "192.0.2.20"))
        for n in range(3):
            log.write(LINE.format(stamp(n), 200 + n, "Failed", "root", "198.51.100.9"))
    station.arrives(login("Successful Login", "192.0.2.20"), "a login")
    station.log.rename(station.folder / "auth.log.1")
    with (station.folder / "auth.log.1").open("a") as log:  # the daemon has not reopened it yet
        log.write(LINE.format(stamp(3), 203, "Failed", "root", "198.51.100.9"))
    with station.log.open("a") as log:
        for n in range(4, 9):
            log.write(LINE.format(stamp(n), 200 + n, "Failed", "root", "198.51.100.9"))
        log.write(LINE.format(stamp(10), 300, "Accepted", "root", "198.51.100.9"))
    station.arrives(login("Brute Force", "198.51.100.9"), "a brute force")
    station.until(
        lambda: any(e["severity"] == "CRITICAL" for e in station.events()), "success after failures"
    )
    failed = [e for e in station.events() if login("Failed Login", "198.51.100.9")(e)]
    assert len(failed) == 9


def test_file_changes(station):
    path = station.folder / "watched" / "page.html"
    for what, change in {
        "File Created": lambda: path.write_text("one"),
        "File Modified": lambda: path.write_text("two!"),
        "File Deleted": path.unlink,
    }.items():
        change()
        event = station.arrives(
            lambda e, what=what: e["type"] == what and e["details"]["path"] == str(path), what
        )
    before = event["details"]["metadata"]["before"]
    assert len(before["sha256"]) == 64


def test_its_own_traffic_and_files_make_no_events(station):
    own = [e for e in station.events() if "logs/" in str(e["details"].get("path", ""))]
    assert own == []
    assert not [e for e in station.events() if e["details"].get("ip") == "127.0.0.1"]


def messages(station):
    text = (station.folder / "ws.txt").read_text().splitlines()
    return [json.loads(line) for line in text if line.endswith("}")]


def test_websocket_messages_have_the_shape_that_clients_expect(station):
    def alerted(message):
        return message["type"] == "stats" and message["data"]["active_alerts"] > 0

    station.until(lambda: any(map(alerted, messages(station))), "stats with active alerts")
    by_type = {message["type"]: message for message in messages(station)}
    assert set(by_type) == {"event", "heartbeat", "stats"}
    assert {"timestamp", "event_type", "severity", "details"} <= set(by_type["event"]["data"])
    assert set(by_type["heartbeat"]) == {"type", "timestamp", "uptime"}
    assert set(by_type["stats"]["data"]) == {
        "events_per_second",
        "total_events",
        "active_alerts",
    }
    assert by_type["stats"]["data"]["total_events"] > 10


def test_it_stops_with_everything_told(station):
    began = time.monotonic()
    assert station.stop() == 0
    assert time.monotonic() - began < 5
    assert station.events()[-1]["type"] == "Service Stopped"
    tcp = (station.folder / "tcp.txt").read_text().splitlines()
    assert {json.loads(line)["id"] for line in tcp} == {e["id"] for e in station.events()}
