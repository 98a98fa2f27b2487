"""Every figure of the benchmarks as one table: python -m benchmarks [NAME ...]"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks import delivery, logs, network, rest

Row = dict[str, Any]
PARTS: dict[str, Callable[[], Iterable[Row]]] = {
    "capture": network.capture_scan,
    "live": network.live_capture,
    "logs": logs.auth_log,
    "delivery": delivery.delivery,
    "rest": rest.rest,
}


def main() -> int:
    """Run the parts that are named, or all; exit 1 where a figure is not reached."""
    missed = 0
    print(f"{'':<2}{'what':<44}{'figure':>22}  {'reach':<16}note")
    for name in sys.argv[1:] or PARTS:
        for row in PARTS[name]():
            mark = {True: "ok", False: "--", None: "  "}[row.get("ok")]
            missed += row.get("ok") is False
            print(f"{mark} {row['what']:<43}{row['figure']:>22}  {row['reach']:<16}{row['note']}")
            sys.stdout.flush()
    print(f"\n{missed} missed" if missed else "\nall reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
