"""Every figure of the benchmarks as one table: python -m benchmarks [NAME ...]"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks import (
    access_logs,
    archive,
    cloudwatch,
    delivery,
    logs,
    network,
    network_memory,
    rest,
    sigma,
    store,
)

Row = dict[str, Any]
PARTS: dict[str, Callable[[], Iterable[Row]]] = {
    "capture": network.capture_scan,
    "live": network.live_capture,
    "memory": network_memory.memory,
    "logs": logs.auth_log,
    "sigma": sigma.sigma,
    "access": access_logs.access_log,
    "delivery": delivery.delivery,
    "rest": rest.rest,
    "store": store.store,
    "archive": archive.archive,
    "cloudwatch": cloudwatch.cloudwatch,
}


def main() -> int:
    """Run the parts that are named, or all; exit 1 where a figure is not reached."""
    if names := sys.argv[1:]:
        return 1 if sum(map(_run, names)) else 0
    print(f"   {'what':<43}{'figure':>22}  {'reach':<16}note", flush=True)
    # Each part in a process of its own: a child's peak memory is never below its parent's at the fork.
    command = [sys.executable, "-m", "benchmarks"]
    return max(subprocess.run([*command, name], check=False).returncode for name in PARTS)


def _run(name: str) -> int:
    """Print the rows of one part; returns how many figures are not reached."""
    missed = 0
    for row in PARTS[name]():
        mark = {True: "ok", False: "--", None: "  "}[row.get("ok")]
        missed += row.get("ok") is False
        print(f"{mark} {row['what']:<43}{row['figure']:>22}  {row['reach']:<16}{row['note']}")
        sys.stdout.flush()
    return missed


if __name__ == "__main__":
    sys.exit(main())
