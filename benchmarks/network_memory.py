"""What network detectors need for what never ends: millions of sources, and long captures.

    python -m benchmarks.network_memory

Whole processes of `index.py scan`, each on a capture that is made here by another process.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import network
from benchmarks.network import HOME, OUTSIDE, RECORD, SYN, Row

SOURCES = 5_000_000
HIDDEN = OUTSIDE + 424_242  # the slow scanner among them
EVERY_S = 900.0  # it asks for another port every quarter of an hour
SPAN_S = 6 * 3600.0


def make_sources(path: Path, sources: int = SOURCES, seed: int = 3) -> None:
    """One SYN of each of so many random sources within six hours, and one slow scanner."""
    rng = np.random.default_rng(seed)
    with path.open("wb") as file:
        file.write(np.array([0xA1B2C3D4, 4 << 16 | 2, 0, 0, 262144, 1], "<u4").tobytes())
        for part in range(20):
            begin, end = SPAN_S * part / 20, SPAN_S * (part + 1) / 20
            file.write(_syns(sources // 20, begin, end, rng))


def _syns(count: int, begin: float, end: float, rng: np.random.Generator) -> bytes:
    hidden = np.arange(np.ceil(begin / EVERY_S), end / EVERY_S)
    times = np.concatenate((rng.uniform(begin, end, count), hidden * EVERY_S))
    order = np.argsort(times, kind="stable")
    records = network._blank(len(times))
    records["src"] = np.concatenate((rng.integers(1 << 24, 223 << 24, count), np.full(len(hidden), HIDDEN)))[order]  # fmt: skip
    records["dst"] = np.concatenate((HOME + rng.integers(1, 250, count), np.full(len(hidden), HOME + 9)))[order]  # fmt: skip
    records["dport"] = np.concatenate((rng.integers(1, 1024, count), 1000 + hidden))[order]
    records["sport"], records["flags"] = rng.integers(1024, 65535, len(times)), SYN
    records["total"], records["captured"], records["length"] = 40, 54, 54
    records["second"] = 1_736_764_245 + times[order].astype(np.int64)
    records["part"] = (times[order] % 1 * 1e6).astype(np.int64)
    packed = np.ascontiguousarray(records).view(np.uint8).reshape(-1, RECORD.itemsize)
    return packed[:, :70].tobytes()


def scanned(make: Callable[..., None], *options: Any) -> tuple[float, float, list[dict[str, Any]]]:
    """Wall seconds, peak memory in MB and the events of a scan of a capture made for it."""
    with tempfile.TemporaryDirectory() as folder:
        path, found = Path(folder) / "capture.pcap", Path(folder) / "found.jsonl"
        context = multiprocessing.get_context("spawn")
        maker = context.Process(target=make, args=(path, *options))
        maker.start()
        maker.join()
        command = [sys.executable, str(network.INDEX), "scan", str(path), "--format", "jsonl"]
        took, _, megabytes = network.timed(command, folder, found)
        return took, megabytes, [json.loads(line) for line in found.read_text().splitlines()]


def memory() -> list[Row]:
    """Peak memory of long captures against short ones, and of many sources against few."""
    _, short, _ = scanned(network.make_capture, 1_000_000)
    took, long, _ = scanned(network.make_capture, 10_000_000)
    _, many, events = scanned(make_sources)
    hidden = [e for e in events if e["details"].get("ip") == "203.6.121.50"]
    row = network.row
    return [
        row("10 M packets: MB more than 1 M", long - short, 32, f"{long:.0f} MB", most=True),
        row("10 M packets: packets/s, all detectors", 10_000_000 / took, 1_500_000),
        row("5 M sources: MB more than ordinary traffic", many - short, 128, f"{many:.0f} MB", most=True),
        row("5 M sources: hidden slow scan found", len(hidden) > 0, 1, f"{len(events)} events"),
    ]  # fmt: skip


if __name__ == "__main__":
    for one in memory():
        print(one)
