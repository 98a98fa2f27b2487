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


class Program:
    """`index.py` as a user runs it, in a folder of its own, with what it printed."""

    def __init__(self, folder: Path, *options: str, **how: Any) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MLIDS_")}
        environment |= how.pop("environment", {})
        how = {"stdin": subprocess.DEVNULL, "cwd": folder, "start_new_session": True} | how
        number = len(list(folder.glob("console-*.out")))
        self.console = folder / f"console-{number}.out"
        with self.console.open("wb") as out, (folder / f"console-{number}.err").open("wb") as err:
            how = {"stdout": out, "stderr": err} | how
            command = [sys.executable, str(ROOT / "index.py"), *options]
            self.process = subprocess.Popen(command, env=environment, **how)

    @property
    def pid(self) -> int:
        return self.process.pid

    def printed(self) -> str:
        """Standard output."""
        return self.console.read_text(errors="replace")

    def told(self) -> str:
        """Standard error: what the operator sees."""
        return self.console.with_suffix(".err").read_text(errors="replace")

    def until(self, ready: Callable[[], Any], what: str, seconds: float = 15) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := ready()):
            if time.monotonic() > deadline or self.process.poll() is not None:
                state = f"exit status {self.process.poll()}"
                raise AssertionError(f"{what} did not come ({state}):\n{self.told()[-3000:]}")
            time.sleep(0.02)
        return found

    def until_told(self, text: str) -> None:
        self.until(lambda: text in self.told(), f"{text!r} on standard error")

    def ready(self) -> Program:
        path = self.logs / "status.json"

        def is_ready() -> bool:
            try:
                found = json.loads(path.read_bytes())
            except (OSError, ValueError):
                return False
            return bool(found["ready"]) and found["pid"] == self.pid

        self.until(is_ready, "ready")
        return self

    def status(self) -> dict[str, Any]:
        return json.loads((self.logs / "status.json").read_bytes())

    def events(self, type: str = "") -> list[dict[str, Any]]:
        """What the open file of the store holds; only one that is being written may be torn."""
        path = self.logs / "mlids.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        found = [json.loads(line) for line in lines]
        return [event for event in found if event["type"] == type] if type else found

    def until_event(self, type: str, seconds: float = 15, **details: Any) -> dict[str, Any]:
        def first() -> dict[str, Any] | None:
            for event in self.events(type):
                if all(event["details"].get(key) == value for key, value in details.items()):
                    return event
            return None

        return self.until(first, f"{type} {details}", seconds)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, number: int = 15) -> int:
        """Stop it as a service manager does; returns the exit status, or fails after 5 s."""
        if self.process.poll() is None:
            self.send(number)
        return self.process.wait(5)

    def end(self) -> int:
        """Wait until it ends by itself; returns the exit status."""
        return self.process.wait(15)

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.pid, 9)
            self.process.wait()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """Runs the program in `tmp_path`; whatever is left running is killed, no traceback is right."""
    made: list[Program] = []

    def begin(*options: str, **how: Any) -> Program:
        made.append(Program(tmp_path, *options, **how))
        return made[-1]

    yield begin
    for program in made:
        program.close()
    for program in made:
        assert "Traceback" not in program.told() + program.printed()


@pytest.fixture
def watch(run: Callable[..., Program], tmp_path: Path) -> Callable[..., Program]:
    """`start` on a folder and a log of their own, without packets, ready to be attacked."""

    def begin(*options: str, **how: Any) -> Program:
        (tmp_path / "watched").mkdir(exist_ok=True)
        (tmp_path / "auth.log").touch()
        inputs = ["--dir", "watched", "--app-log", "auth.log"]
        environment = {"MLIDS_MONITORING__INTERFACE": "none"} | how.pop("environment", {})
        return run("start", *inputs, *options, environment=environment, **how)

    return begin
