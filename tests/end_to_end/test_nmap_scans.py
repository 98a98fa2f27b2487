"""The real thing: nmap against a host of a network namespace, recorded by tcpdump."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlids.detectors.port_scan import PortScan
from mlids.events import Event
from mlids.monitors.pcap import Pcap

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        not (shutil.which("nmap") and shutil.which("tcpdump")), reason="needs nmap and tcpdump"
    ),
]

SERVE = """
import socket
kept = []
for port in (22, 80, 443):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("192.0.2.2", port)); s.listen(50); kept.append(s)
print("ready", flush=True)
while True:
    import time; time.sleep(60)
"""


@contextlib.contextmanager
def process(command: list[str], ready: str) -> Iterator[None]:
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert started.stdout
    for line in started.stdout:
        if ready in line:
            break
    try:
        yield
    finally:
        started.terminate()
        started.wait(10)


def ip(*words: str) -> None:
    for _ in range(20):  # two at once, the very first time, are in each other's way
        done = subprocess.run(["ip", *words], capture_output=True)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError(done.stderr)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Two namespaces, 192.0.2.1 and 192.0.2.2, joined by a wire."""
    a, b = (f"mlids-nmap-{side}-{os.getpid()}" for side in "ab")
    ip("netns", "add", a)
    ip("netns", "add", b)
    ip("-n", a, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", b)
    for space, wire, address in ((a, "va", "192.0.2.1/24"), (b, "vb", "192.0.2.2/24")):
        ip("-n", space, "addr", "add", address, "dev", wire)
        ip("-n", space, "link", "set", wire, "up")
    yield a, b
    ip("netns", "del", a)
    ip("netns", "del", b)


def scanned(hosts: tuple[str, str], folder: Path, *options: str) -> list[Event]:
    a, b = (["ip", "netns", "exec", space] for space in hosts)
    path = folder / "nmap.pcap"
    dump = [*b, "tcpdump", "-U", "-i", "vb", "-w", str(path)]
    with process([*b, sys.executable, "-c", SERVE], "ready"), process(dump, "listening"):
        nmap = [*a, "nmap", "-n", "-Pn", *options, "192.0.2.2"]
        subprocess.run(nmap, check=True, capture_output=True, timeout=50)
        time.sleep(0.1)
    detector, events = PortScan(), []
    for batch in Pcap(path=str(path)).batches(threading.Event()):
        events += detector.inspect(batch)
    return events + list(detector.flush())


@pytest.mark.parametrize(
    ("option", "technique"),
    [("-sS", "syn"), ("-sT", "connect"), ("-sF", "fin"), ("-sN", "null"), ("-sX", "xmas")],
)
def test_nmap_scan_of_its_thousand_ports(
    hosts: tuple[str, str], tmp_path: Path, option: str, technique: str
) -> None:
    events = scanned(hosts, tmp_path, option)
    assert {event.details["metadata"]["technique"] for event in events} == {technique}
    assert {event.details["ip"] for event in events} == {"192.0.2.1"}
    assert {event.details["target"] for event in events} == {"192.0.2.2"}
    assert len({event.correlation_id for event in events}) == 1
    assert len(events) <= 4  # one, and its repeats at 10, 100 and the end


def test_nmap_udp_scan(hosts: tuple[str, str], tmp_path: Path) -> None:
    events = scanned(hosts, tmp_path, "-sU", "--top-ports", "20", "--max-retries", "1")
    assert events
    assert {event.details["metadata"]["technique"] for event in events} == {"udp"}
    assert {event.details["ip"] for event in events} == {"192.0.2.1"}
