"""How fast logs are read, and logins and brute force found in them, against peers in the same run.

    python benchmarks/logs.py [lines]

Whole processes, start included, pinned to one core; the best of three.
"""

from __future__ import annotations

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

INDEX = Path(__file__).parents[1] / "index.py"


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


def _timed(command: list[str], rounds: int = 3) -> tuple[float, int, str]:
    """Seconds, peak memory in KB and what stderr said of the fastest round; output is dropped.

    An exit status of 1 is fine: MLIDS found something, or ripgrep nothing.
    """
    best: tuple[float, int, str] = (float("inf"), 0, "")
    for _ in range(rounds):
        with tempfile.TemporaryFile() as said:
            began = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
            took = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read().decode()
        if process.returncode not in (0, 1):
            raise RuntimeError(text)
        best = min(best, (took, used.ru_maxrss, text))
    return best


def _re_loop(path: Path, lines: int) -> float:
    """Seconds that a loop with `re` needs, measured on a part of the file."""
    patterns = [re.compile(pattern.encode()) for pattern in PATTERNS]
    part = path.read_bytes().splitlines()[:20_000]
    began = time.perf_counter()
    sum(any(pattern.search(line) for pattern in patterns) for line in part)
    return (time.perf_counter() - began) * lines / len(part)


def auth_log(lines: int = 1_000_000) -> list[dict[str, Any]]:
    """Reading, logins and brute force over one auth log: ``index.py scan``, every detector on."""
    pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "auth.log"
        write_auth_log(path, lines)
        scan = [*pinned, sys.executable, str(INDEX), "scan", str(path), "--format", "jsonl"]
        seconds, peak, said = _timed(scan)
        rows = [
            _row("auth log: index.py scan", lines / seconds, "lines/s", 250_000, "min"),
            _row("auth log: memory", peak / 1024, "MB", 200, "max"),
        ]
        found = said.strip().splitlines()[-1]
        rows[0]["note"] = f"{seconds:.2f} s, one core, start included; {found}"
        if shutil.which("rg"):
            arguments = [part for pattern in PATTERNS for part in ("-e", pattern)]
            took, _, _ = _timed([*pinned, "rg", "-c", *arguments, str(path)])
            rows.append(_row("ripgrep -c, 40 patterns", lines / took, "lines/s", 0, "peer"))
        if shutil.which("fail2ban-regex"):
            part = path.with_suffix(".part")
            part.write_bytes(b"".join(path.open("rb").readlines()[: lines // 20]))
            took, _, _ = _timed([*pinned, "fail2ban-regex", str(part), "sshd"], rounds=1)
            rows.append(_row("fail2ban-regex, sshd", lines / 20 / took, "lines/s", 0, "peer"))
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
