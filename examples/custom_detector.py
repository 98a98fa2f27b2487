"""A detector of your own: tells when a process is killed for want of memory.

    python examples/custom_detector.py LOGFILE

A detector gets batches of lines, never single ones: it looks for what is rare in the whole chunk
and touches only the lines that have it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable

import numpy as np

from mlids import MLIDS
from mlids.batches import Detector, LineBatch
from mlids.config import ConfigManager
from mlids.events import Event, EventHandler, detection_id

NEEDLE = b"Out of memory: Killed process"


class OutOfMemory(Detector[LineBatch]):
    """One event a killed process."""

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """Find the lines that the kernel writes about it."""
        if NEEDLE not in batch.data:
            return
        rows = [row for row in range(len(batch)) if NEEDLE in batch.line(row)]
        hits = batch.take(np.array(rows, dtype=np.intp))
        times = hits.column("time") if batch.format else np.zeros(len(rows), np.int64)
        for row in range(len(hits)):
            yield self._event(hits, row, int(times[row]))

    def _event(self, hits: LineBatch, row: int, time_ns: int) -> Event:
        text = hits.line(row).partition(NEEDLE)[2].decode(errors="replace").strip()
        return Event.new(
            "Out Of Memory",
            "MEDIUM",
            "host",
            {"description": f"the kernel killed process {text}", "metadata": {}},
            time_ns=time_ns,
            rule="out_of_memory",
            evidence=[hits.evidence(row)],
            explanation=f"the line says: {NEEDLE.decode()}",
            correlation_id=detection_id("out_of_memory", hits.source, text, time_ns),
        )


class Printer(EventHandler):
    """Prints what was found."""

    def handle_event(self, event: Event) -> None:
        """Only our own events."""
        if event.rule == "out_of_memory":
            print(event.timestamp, event.details["description"], flush=True)


def main(log: str, seconds: float) -> None:
    """Watch one log file for some seconds."""
    with tempfile.TemporaryDirectory() as folder:
        config = ConfigManager(f"{folder}/config.yaml")
        config.override(
            {
                "logging.logs_dir": f"{folder}/logs",
                "monitoring.interface": "none",
                "monitoring.directory": "none",
                "monitoring.app_log": log,
                "monitors.logs.from_start": True,
                "notifiers.console.enabled": False,
            }
        )
        ids = MLIDS(config=config)
        ids.register_detector(OutOfMemory())
        ids.register_handler(Printer())
        ids.start()
        ids.wait(seconds)
        ids.stop()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 60)
