"""Two hosts in network namespaces of their own, and what listens to MLIDS on one of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def sh(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=check, timeout=120)


class Hosts:
    """`attacker` and `target`, joined by a cable; the target has 16 addresses."""

    def __init__(self) -> None:
        mark = f"mlids{os.getpid()}"
        self.attacker, self.target = f"{mark}a", f"{mark}t"
        self.interface = "cable0"
        self.address = "10.77.0.1"
        for name in (self.attacker, self.target):
            sh("ip", "netns", "add", name)
            self.run(name, "ip", "link", "set", "lo", "up")
        cable = ["ip", "link", "add", self.interface, "netns", self.target, "type", "veth"]
        sh(*cable, "peer", "name", self.interface, "netns", self.attacker)
        for n in range(1, 17):
            self.run(self.target, "ip", "addr", "add", f"10.77.0.{n}/24", "dev", self.interface)
        for name in (self.attacker, self.target):
            self.run(name, "ip", "link", "set", self.interface, "up")
        # So that closed UDP ports are told at once, as by most hosts that are scanned slowly.
        self.run(self.target, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", check=False)

    def run(self, host: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return sh("ip", "netns", "exec", host, *command, check=check)

    def attack_from(self, address: str) -> None:
        """Give the attacker another address, so that it is not known from before."""
        self.run(self.attacker, "ip", "addr", "flush", "dev", self.interface)
        self.run(self.attacker, "ip", "addr", "add", f"{address}/24", "dev", self.interface)

    def begin(self, host: str, *command: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ip", "netns", "exec", host, *command], text=True, start_new_session=True, **options
        )

    def remove(self) -> None:
        for name in (self.attacker, self.target):
            sh("ip", "netns", "del", name, check=False)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces and raw sockets")
    if shutil.which("ip") is None:
        pytest.skip("needs iproute2 (apt-get install iproute2)")
    try:
        made = Hosts()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
    yield made
    made.remove()


TCP_CLIENT = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    link, _ = server.accept()
    for line in link.makefile("rb"):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""

WEBSOCKET_CLIENT = """
import sys, time
from websockets.sync.client import connect
while True:
    try:
        with connect(f"ws://127.0.0.1:{sys.argv[1]}") as link:
            for message in link:
                print(message, flush=True)
    except OSError:
        time.sleep(0.1)
"""


class Station:
    """MLIDS on the target host, with a TCP client and a WebSocket client beside it."""

    def __init__(self, hosts: Hosts, folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        (folder / "watched").mkdir()
        self.log = folder / "auth.log"
        self.log.write_text("")
        self.processes = [
            self.begin("tcp.txt", sys.executable, "-c", TCP_CLIENT, "9999"),
            self.begin("ws.txt", sys.executable, "-c", WEBSOCKET_CLIENT, "8080"),
        ]
        self.mlids = self.begin(
            "console.txt",
            sys.executable,
            str(ROOT / "index.py"),
            "start",
            "--interface",
            hosts.interface,
            "--dir",
            str(folder / "watched"),
            "--app-log",
            str(self.log),
            "--tcp-sink",
            "--tcp-host",
            "127.0.0.1",
            "--websocket-sink",
            "--websocket-host",
            "127.0.0.1",
            "--ready-file",
            str(folder / "ready"),
        )
        self.until(lambda: (folder / "ready").exists(), "ready")

    def begin(self, output: str, *command: str) -> subprocess.Popen[str]:
        with (
            (self.folder / output).open("w") as out,
            (self.folder / f"{output}.err").open("w") as err,
        ):
            return self.hosts.begin(
                self.hosts.target, *command, stdout=out, stderr=err, cwd=self.folder
            )

    def until(self, ready: Callable[[], Any], what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline or self.mlids.poll() is not None:
                raise AssertionError(f"{what} did not come:\n{self.told()}")
            time.sleep(0.05)

    def told(self) -> str:
        return (self.folder / "console.txt.err").read_text()[-3000:]

    def events(self) -> list[dict[str, Any]]:
        path = self.folder / "logs" / "mlids.jsonl"
        return (
            [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        )

    def has(self, event: dict[str, Any]) -> dict[str, bool]:
        """Where an event of the store has arrived."""
        wanted = event["id"]
        tcp = (self.folder / "tcp.txt").read_text().splitlines()
        web = (self.folder / "ws.txt").read_text().splitlines()
        return {
            "tcp": any(json.loads(line)["id"] == wanted for line in tcp if line.endswith("}")),
            "websocket": any(wanted in line for line in web if '"event"' in line),
            "console": event["type"] in (self.folder / "console.txt").read_text(),
        }

    def arrives(self, choose: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """Wait until an event is in the store, on the console and at both clients."""
        self.until(lambda: any(map(choose, self.events())), what)
        event = next(filter(choose, self.events()))
        self.until(lambda: all(self.has(event).values()), f"{what} at {self.has(event)}")
        return event

    def stop(self) -> int:
        """Stop MLIDS as a service manager does; returns its exit status."""
        os.kill(int((self.folder / "ready").read_text()), 15)
        return self.mlids.wait(10)

    def close(self) -> None:
        for process in (self.mlids, *self.processes):
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()


@pytest.fixture(scope="module")
def station(hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    made = Station(hosts, tmp_path_factory.mktemp("station"))
    yield made
    made.close()
