"""How fast attacks are found in an access log, with all detectors of log lines, against peers.

    python -m benchmarks access

Whole processes, start included, pinned to one core; the best of three.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.logs import INDEX, PATTERNS, _row, _timed

ATTACKS = Path(__file__).parents[1] / "tests" / "web" / "attacks.txt"
SHARE = 0.02  # of attacks
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15 Version/18.2 Mobile",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
)
WORDS = [
    "shoes",
    "red",
    "blue",
    "garden",
    "table",
    "chair",
    "laptop",
    "phone",
    "cable",
    "coffee",
    "tea",
    "green",
    "summer",
]
SIGNS = (  # what fail2ban's users look for in access logs
    *("union.*select", "information_schema", "<script", "javascript:", "onerror=", "\\.\\./"),
    *("/etc/passwd", "cmd=", ";cat", "wget", "sleep\\(", "benchmark\\(", "xp_cmdshell", "base64_"),
)


def write_access_log(path: Path, lines: int, seed: int = 3) -> None:
    """A realistic access log: pages, searches, an interface, pictures, 2 % missing, 2 % attacks."""
    chance = random.Random(seed)
    attacks = [line.partition("\t")[2] or line for line in ATTACKS.read_text().splitlines() if line]
    clients = [".".join(str(chance.randint(1, 223)) for _ in range(4)) for _ in range(3000)]
    at = 1_736_764_245.0
    with path.open("w") as file:
        for _ in range(lines):
            at += chance.expovariate(20)
            stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
            attack = chance.random() < SHARE
            target = f"/search?q={quote(chance.choice(attacks))}" if attack else _target(chance)
            status = 404 if chance.random() < 0.02 else 200
            file.write(
                f'{chance.choice(clients)} - - [{stamp}] "GET {target} HTTP/1.1" {status}'
                f' {chance.randint(200, 90_000)} "https://example.com/" "{chance.choice(AGENTS)}"\n'
            )


def _target(chance: random.Random) -> str:
    return chance.choice(
        (
            f"/product/{chance.randint(1, 5000)}",
            f"/search?q={chance.choice(WORDS)}+{chance.choice(WORDS)}&page={chance.randint(1, 9)}",
            f"/static/app.{chance.randint(1, 9)}.js",
            f"/api/v1/items/{chance.randint(1, 9999)}?fields=name,price",
            f"/img/{chance.randint(1, 999)}.png",
            "/",
            "/cart",
        )
    )


def access_log(lines: int = 1_000_000) -> Iterator[dict[str, Any]]:
    """``index.py scan`` of one access log, every detector on, and peers on the same file."""
    pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "access.log"
        write_access_log(path, lines)
        scan = [*pinned, sys.executable, str(INDEX), "scan", str(path), "--format", "jsonl"]
        seconds, peak, said = _timed(scan)
        row = _row(
            "access log, 2 % attacks: index.py scan", lines / seconds, "lines/s", 150_000, "min"
        )
        row["note"] = f"{seconds:.2f} s, one core, start included; {said.strip().splitlines()[-1]}"
        yield row
        yield _row("access log: memory", peak / 1024, "MB", 200, "max")
        yield from _peers(pinned, path, lines)


def _peers(pinned: list[str], path: Path, lines: int) -> Iterator[dict[str, Any]]:
    if shutil.which("goaccess"):
        command = [
            "goaccess",
            str(path),
            "--log-format=COMBINED",
            "-o",
            str(path) + ".json",
            "--no-progress",
        ]
        seconds, _, _ = _timed([*pinned, *command], rounds=1)
        yield _row("goaccess", lines / seconds, "lines/s", 0, "peer")
    if shutil.which("rg"):
        signs = [part for pattern in (*SIGNS, *PATTERNS)[:40] for part in ("-e", pattern)]
        seconds, _, _ = _timed([*pinned, "rg", "-c", *signs, str(path)])
        yield _row("ripgrep -c, 40 patterns", lines / seconds, "lines/s", 0, "peer")
    if shutil.which("fail2ban-regex"):
        part = path.with_suffix(".part")
        part.write_bytes(b"".join(path.open("rb").readlines()[: lines // 20]))
        signs = "|".join(SIGNS)
        rule = f'^<HOST> \\S+ \\S+ \\[[^\\]]*\\] "[^"]*(?:{signs})'
        seconds, _, _ = _timed([*pinned, "fail2ban-regex", str(part), rule], rounds=1)
        yield _row("fail2ban-regex, one pattern", lines / 20 / seconds, "lines/s", 0, "peer")
