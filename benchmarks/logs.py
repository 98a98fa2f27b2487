"""How fast logs are read, and logins and brute force found in them, against peers in the same run.

    python benchmarks/logs.py [lines]

Whole processes, start included, pinned to one core; the best of three.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PATTERNS = [
    *("Failed password for", "Invalid user", "authentication failure", "Accepted publickey"),
    *("session opened for user", "session closed", "Connection closed by", "POSSIBLE BREAK-IN"),
    *(
        "maximum authentication",
        "Too many authentication",
        "not allowed because",
        "sudo: .*COMMAND=",
    ),
    *("segfault at", "Out of memory", "kernel panic", "I/O error", "oom-killer", "USB disconnect"),
    *(r"\b(?:\d{1,3}\.){3}\d{1,3}\b port \d+ ssh2", "error: PAM", "illegal user", "ROOT LOGIN"),
    *("Did not receive identification", "Bad protocol version", "kex_exchange", "useradd\\["),
    *(
        "groupadd\\[",
        "passwd\\[",
        "su\\[\\d+\\]: FAILED",
        "promiscuous mode",
        "Deactivated successfully",
    ),
    *("vsftpd.*FAIL LOGIN", "dovecot.*auth failed", "postfix.*SASL", "proftpd.*no such user"),
    *(
        "named.*denied",
        "mysqld.*Access denied",
        "smbd.*NT_STATUS",
        "iptables.*DROP",
        "audit.*denied",
    ),
]

PAM_FAILURE = (
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost="
)

PROCESS = """
import json, os, resource, sys, threading
os.sched_setaffinity(0, {int(sys.argv[2])})
from mlids.monitors.logs import Logs
from mlids.detectors.login import Login
from mlids.detectors.brute_force import BruteForce
monitor = Logs(paths=[sys.argv[1]], follow=False)
detectors = [Login(), BruteForce()]
monitor.open()
events = {}
for batch in monitor.batches(threading.Event()):
    for detector in detectors:
        for event in detector.inspect(batch):
            events[event.type] = events.get(event.type, 0) + 1
for detector in detectors:
    for event in detector.flush():
        events[event.type] = events.get(event.type, 0) + 1
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"events": events, "peak": peak, "counts": monitor.inputs()[0].counts}))
"""


def write_auth_log(path: Path, lines: int, seed: int = 7) -> None:
    """A realistic auth log: cron, sudo and systemd sessions, logins, and 25 % sshd failures."""
    chance = random.Random(seed)
    attackers = [
        f"{chance.randint(1, 223)}.{chance.randint(0, 255)}.{chance.randint(0, 255)}.{n % 254 + 1}"
        for n in range(4000)
    ]
    seconds, written, pid = 0.0, 0, 1000
    with path.open("w") as file:
        while written < lines:
            seconds += chance.expovariate(0.75)
            pid = (pid + chance.randint(1, 9)) % 4_000_000
            group = _group(chance, attackers, pid)
            stamp = _stamp(int(seconds))
            file.writelines(f"{stamp} gate {text}\n" for text in group[: lines - written])
            written += min(len(group), lines - written)


def _stamp(seconds: int) -> str:
    moment = time.gmtime(1_736_000_000 + seconds)
    return (
        time.strftime("%b ", moment) + time.strftime("%d %H:%M:%S", moment).replace("0", " ", 1)
        if moment.tm_mday < 10
        else time.strftime("%b %d %H:%M:%S", moment)
    )


def _group(chance: random.Random, attackers: list[str], pid: int) -> list[str]:
    """The lines of one happening."""
    kind, port = chance.random(), chance.randint(1024, 65535)
    user = chance.choice(("alice", "bob", "carol", "deploy", "git"))
    if kind < 0.66:
        return [
            f"CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
            f"CRON[{pid}]: pam_unix(cron:session): session closed for user root",
        ]
    if kind < 0.82:
        return [
            f"sudo:    {user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/usr/bin/ls",
            f"sudo: pam_unix(sudo:session): session opened for user root(uid=0) by {user}(uid=10)",
            "sudo: pam_unix(sudo:session): session closed for user root",
        ]
    if kind < 0.866:
        source = f"10.0.{chance.randint(0, 9)}.{chance.randint(1, 254)}"
        return [
            f"sshd[{pid}]: Accepted publickey for {user} from {source} port {port} ssh2: "
            "ED25519 SHA256:1M4RzhMyWuFS/86uPY/ce2prh/dVTHW7iD2RhpquOZA",
            f"sshd[{pid}]: pam_unix(sshd:session): session opened for user {user}(uid=1) by root",
            f"systemd-logind[612]: New session {pid} of user {user}.",
            f"sshd[{pid}]: pam_unix(sshd:session): session closed for user {user}",
        ]
    source = attackers[int(len(attackers) * chance.random() ** 4)]  # a few do most of it
    name = chance.choice(("admin", "test", "oracle", "postgres", "ubuntu", "user", "guest", "ftp"))
    if kind < 0.925:
        return [
            f"sshd[{pid}]: Invalid user {name} from {source} port {port}",
            f"sshd[{pid}]: pam_unix(sshd:auth): check pass; user unknown",
            f"sshd[{pid}]: {PAM_FAILURE}{source}",
            f"sshd[{pid}]: Failed password for invalid user {name} from {source} port {port} ssh2",
            f"sshd[{pid}]: Received disconnect from {source} port {port}:11: Bye Bye [preauth]",
            f"sshd[{pid}]: Disconnected from invalid user {name} {source} port {port} [preauth]",
        ]
    return [
        f"sshd[{pid}]: {PAM_FAILURE}{source}  user=root",
        f"sshd[{pid}]: Failed password for root from {source} port {port} ssh2",
        f"sshd[{pid}]: Received disconnect from {source} port {port}:11:  [preauth]",
        f"sshd[{pid}]: Disconnected from authenticating user root {source} port {port} [preauth]",
    ]


def _timed(command: list[str], rounds: int = 3) -> tuple[float, str]:
    best, output = float("inf"), ""
    for _ in range(rounds):
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
        if done.returncode > 1:
            raise RuntimeError(done.stderr)
        if took < best:
            best, output = took, done.stdout
    return best, output


def _re_loop(path: Path, lines: int) -> float:
    """Seconds that a loop with `re` needs, measured on a part of the file."""
    patterns = [re.compile(pattern.encode()) for pattern in PATTERNS]
    part = path.read_bytes().splitlines()[:20_000]
    began = time.perf_counter()
    sum(any(pattern.search(line) for pattern in patterns) for line in part)
    return (time.perf_counter() - began) * lines / len(part)


def auth_log(lines: int = 1_000_000) -> list[dict[str, Any]]:
    """Reading, logins and brute force over one auth log."""
    core = max(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "auth.log"
        write_auth_log(path, lines)
        seconds, output = _timed([sys.executable, "-c", PROCESS, str(path), str(core)])
        found = json.loads(output)
        rows = [
            _row("auth log: read, logins, brute force", lines / seconds, "lines/s", 250_000, "min"),
            _row("auth log: memory", found["peak"] / 1024, "MB", 150, "max"),
        ]
        rows[0]["note"] = f"{seconds:.2f} s, one core, start included; {found['events']}"
        if shutil.which("rg"):
            arguments = [part for pattern in PATTERNS for part in ("-e", pattern)]
            pinned = ["taskset", "-c", str(core), "rg", "-c", *arguments, str(path)]
            took, _ = _timed(pinned)
            rows.append(_row("ripgrep -c, 40 patterns", lines / took, "lines/s", 0, "peer"))
        rows.append(
            _row("Python re loop, 40 patterns", lines / _re_loop(path, lines), "lines/s", 0, "peer")
        )
        return rows


def _row(what: str, figure: float, unit: str, reach: float, kind: str) -> dict[str, Any]:
    goal = {"min": f">= {reach:,.0f}", "max": f"<= {reach:,.0f}"}.get(kind, "for comparison")
    ok = {"min": figure >= reach, "max": figure <= reach}.get(kind)
    return {"what": what, "figure": f"{figure:,.0f} {unit}", "reach": goal, "note": "", "ok": ok}


def main() -> None:
    """Print the rows."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for row in auth_log(lines):
        print(f"{row['what']:<40}{row['figure']:>22}  {row['reach']:<16}{row['note']}")


if __name__ == "__main__":
    main()
