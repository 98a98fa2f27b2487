"""Every figure of detection quality as one table: python -m benchmarks.quality"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.quality import benign, captures, crowdsec, kubernetes, logins, pace, scans, web


def main() -> int:
    """Print the table; exit 1 where a figure is not reached."""
    rows = [*pace.rows(), *benign.rows(), *scans.rows()]
    folder = os.environ.get("MLIDS_CORPORA", "")
    if Path(folder).is_dir() and folder:
        rows += [*logins.rows(Path(folder)), *captures.rows(Path(folder))]
        rows += web.rows(Path(folder))
        rows += crowdsec.rows(Path(folder), verbose="--verbose" in sys.argv)
        rows += kubernetes.rows(Path(folder))
    else:
        print("MLIDS_CORPORA names no folder of labelled cases: those are left out\n")
    print(f"   {'what':<56}{'figure':>14}  {'reach':<10}note")
    for row in rows:
        mark = {True: "ok", False: "--", None: "  "}[row["ok"]]
        print(f"{mark} {row['what']:<56}{row['figure']:>14}  {row['reach']:<10}{row['note']}")
    return 1 if any(row["ok"] is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
