"""``python -m mlids.columns LOGS_DIR [--behind]``: build the companions that are missing.

Prints ``done of`` after each. --behind: with the least claim on the machine.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path

from mlids import segments
from mlids.columns.building import build_missing
from mlids.errors import MLIDSError

CALM_S = 4.0  # since the last segment was sealed
MOST_WORKERS = 8  # each needs some 100 MB


def main(arguments: list[str]) -> int:
    """Build; 3 where it cannot be done. That another process builds is fine."""
    gc.disable()  # rows are no cycles; looking for some takes a third of the time
    workers = len(os.sched_getaffinity(0))
    if "--behind" in arguments:
        _stand_back(Path(arguments[0]))
        workers = 1
    try:
        build_missing(Path(arguments[0]), _tell, min(workers, MOST_WORKERS))
    except MLIDSError as error:
        return 0 if error.code == "E006" else 3
    return 0


def _stand_back(folder: Path) -> None:
    """Wait for calm, and run only while nobody else wants to, as far as the system sees to that.

    Who asks in a storm builds what is missing; MLIDS has other work then.
    """
    while any(time.time() - path.stat().st_mtime < CALM_S for path in segments.sealed(folder)[-1:]):
        time.sleep(CALM_S / 4)
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _tell(done: int, of: int) -> None:
    sys.stdout.write(f"{done} {of}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
