"""A small network of real hosts: an attacker, a target and a bystander on one switch.

Each is a network namespace of its own; nothing leaves them. What passes the target's interface is
recorded by tcpdump and scanned with every network detector, as configured by default.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlids.config import ConfigManager
from mlids.events import Event
from mlids.scanning import Scan

ATTACKER, TARGET, BYSTANDER = "10.66.0.1", "10.66.0.2", "10.66.0.3"
ATTACKER6, TARGET6 = "fd66::1", "fd66::2"
SERVE = """
import socket, threading
for port in (22, 80, 443):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", port)); s.listen(50)
    def run(s=s):
        while True:
            try: s.accept()[0].close()
            except OSError: pass
    threading.Thread(target=run, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


def run(*command: str, seconds: float = 100, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    return done.stdout


class Lab:
    """`attacker`, `target` and `bystander`; `switch` joins them."""

    def __init__(self, folder: Path, mark: str = "") -> None:
        self.folder = folder
        self.mark = f"ml{os.getpid()}{mark}"
        self._running: list[subprocess.Popen[str]] = []
        self._space("switch")
        self._ip("switch", "link", "add", "br0", "type", "bridge")
        self._ip("switch", "link", "set", "br0", "up")
        for number, name in enumerate(("attacker", "target", "bystander"), 1):
            self._host(name, number)

    def _space(self, name: str) -> None:
        for _ in range(20):  # two at once, the very first time, are in each other's way
            if (
                subprocess.run(["ip", "netns", "add", self.mark + name], check=False).returncode
                == 0
            ):
                return
            time.sleep(0.1)
        raise AssertionError("no network namespaces")

    def _ip(self, host: str, *words: str) -> None:
        run("ip", "-n", self.mark + host, *words)

    def _host(self, name: str, number: int) -> None:
        self._space(name)
        self.run(name, "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", check=False)
        self.run(name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", check=False)
        cable = ["link", "add", "eth0", "type", "veth", "peer", "name", f"p{number}"]
        self._ip(name, *cable, "netns", f"{self.mark}switch")
        self._ip("switch", "link", "set", f"p{number}", "master", "br0", "up")
        # A hub: replayed captures have both ends of a conversation on one port.
        self._ip("switch", "link", "set", f"p{number}", "type", "bridge_slave", "learning", "off")
        self._ip(name, "link", "set", "lo", "up")
        self._ip(name, "addr", "add", f"10.66.0.{number}/24", "dev", "eth0")
        self._ip(name, "link", "set", "eth0", "up")
        self._ip(name, "addr", "add", f"fd66::{number}/64", "dev", "eth0", "nodad")
        # Closed ports are told at once, as by most hosts that are scanned slowly.
        for family, key in (("ipv4", "icmp_ratelimit"), ("ipv6", "icmp/ratelimit")):
            self.run(name, "sysctl", "-qw", f"net.{family}.{key}=0".replace("/", "."), check=False)

    def run(self, host: str, *command: str, seconds: float = 100, check: bool = True) -> str:
        """Run a command on a host."""
        space = ["ip", "netns", "exec", self.mark + host]
        return run(*space, *command, seconds=seconds, check=check)

    def begin(self, host: str, *command: str, ready: str = "") -> subprocess.Popen[str]:
        """Start a program on a host, and wait until it prints `ready`."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.mark + host, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.append(process)
        assert process.stdout
        if ready:
            for line in process.stdout:
                if ready in line:
                    return process
            raise AssertionError(f"{command[0]} did not say {ready!r}")
        return process

    def serve(self) -> None:
        """Let the target listen on ports 22, 80 and 443."""
        self.begin("target", sys.executable, "-c", SERVE, ready="ready")

    @contextlib.contextmanager
    def recorded(self, name: str, snaplen: int = 0) -> Iterator[Path]:
        """Record what passes the target's interface."""
        path = self.folder / f"{name}.pcap"
        dump = [
            "tcpdump",
            "-U",
            "--immediate-mode",
            "-n",
            "-s",
            str(snaplen),
            "-B",
            "65536",
            "-i",
            "eth0",
        ]
        process = self.begin("target", *dump, "-w", str(path), ready="listening")
        try:
            yield path
        finally:
            time.sleep(0.4)
            process.terminate()
            process.wait(10)

    def close(self) -> None:
        """End everything and take the hosts away."""
        for process in self._running:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, 9)
                process.wait(10)
        for name in ("attacker", "target", "bystander", "switch"):
            subprocess.run(["ip", "netns", "del", self.mark + name], check=False)


def found(path: Path) -> list[Event]:
    """What every network detector says about a recording."""
    settings = ConfigManager("none.yaml", environment={}).settings
    problems: list[object] = []
    events = list(Scan(settings, [str(path)], problems.append))
    assert problems == []
    return events


def techniques(events: list[Event]) -> dict[tuple[str, str], set[str]]:
    """For each type and technique who is blamed."""
    told: dict[tuple[str, str], set[str]] = {}
    for event in events:
        key = event.type, event.details["metadata"].get("technique", "")
        told.setdefault(key, set()).add(event.details.get("ip", ""))
    return told


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skip, saying so, where a tool is not installed."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def made(folder: Path, mark: str = "") -> Lab:
    """A lab, or a skip where this machine can have none."""
    if os.geteuid() != 0:
        pytest.skip("needs root: network namespaces and raw sockets")
    if not (shutil.which("ip") and shutil.which("tcpdump")):
        pytest.skip("needs iproute2 and tcpdump")
    try:
        return Lab(folder, mark)
    except (AssertionError, OSError) as error:
        pytest.skip(f"no network namespaces with a bridge here: {error}")
