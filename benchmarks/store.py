"""The event store: durable events a second through EventLogger, verification, kills under load."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mlids import segments
from mlids.events import Event
from mlids.logger import EventLogger
from mlids.proofs import bare
from mlids.testing import event
from mlids.verification import verify

Row = dict[str, Any]
COUNT = 1_000_000
RATE = 100_000  # events a second
EVERY = 20  # events, one of which is waited for


def store() -> Iterator[Row]:
    """Log events at a steady rate and wait for the disk; then verify what was written."""
    # Each run has a folder of its own, which is gone before the next: nobody builds columns then.
    with tempfile.TemporaryDirectory(prefix="mlids-store-", ignore_cleanup_errors=True) as name:
        rate, waits = _logged(Path(name), RATE)
        p99 = sorted(waits)[int(len(waits) * 0.99)] * 1e3
        note = f"at {rate:,.0f}/s, longest {max(waits) * 1e3:.0f} ms"
        yield _row("durable acknowledgement, p99, ms", f"{p99:.1f}", p99 <= 50, "50", note)
        begin = time.perf_counter()
        found = verify(Path(name))
        speed = found.records / (time.perf_counter() - begin)
        right = found.ok and found.records >= COUNT
        yield _row("verify, events/s", f"{speed:,.0f}", right and speed >= 300_000, "300,000")
    with tempfile.TemporaryDirectory(prefix="mlids-store-", ignore_cleanup_errors=True) as name:
        fastest, _ = _logged(Path(name), 0)
    what, reached = "durable events through EventLogger, /s", fastest >= RATE
    yield _row(what, f"{fastest:,.0f}", reached, f"{RATE:,}")


def _events() -> list[Event]:
    """Some events of usual size; each is logged many times, under an id of its own."""
    return [
        event(
            seconds=n,
            details={
                "ip": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}",
                "user": f"user{n}",
                "port": 22,
                "protocol": "TCP",
                "description": f"failed login of user{n}",
                "metadata": {},
            },
        )
        for n in range(5000)
    ]


def _logged(folder: Path, rate: float) -> tuple[float, list[float]]:
    """Events a second until all are on the disk, and how long single ones waited for that, in s.

    rate: to be kept, 0: as fast as can be.
    """
    gc.set_threshold(20_000, 20, 20)  # as every command has it
    events, waits = _events(), []
    logger = EventLogger(folder)
    logger.open()
    asked: SimpleQueue[tuple[float, int] | None] = SimpleQueue()

    def wait() -> None:
        while (one := asked.get()) is not None:
            logger.store.wait(one[1])
            waits.append(time.perf_counter() - one[0])

    waiting = threading.Thread(target=wait)
    waiting.start()
    begin = time.perf_counter()
    for n in range(COUNT):
        ticket = logger.log(events[n % len(events)])
        if n % EVERY == 0:
            now = time.perf_counter()
            asked.put((now, ticket))
            if rate and (ahead := begin + n / rate - now) > 0:
                time.sleep(ahead)
    logger.flush()
    seconds = time.perf_counter() - begin
    asked.put(None)
    waiting.join()
    logger.close()
    return COUNT / seconds, waits


WRITER = """
import sys, time
from mlids.logger import EventLogger
from mlids.testing import event

folder, number, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
logger = EventLogger(folder, max_size=2_000_000)
logger.open()
begin, first = time.perf_counter(), number
while True:
    for _ in range(200):
        ticket = logger.log(event(details={"n": number}))
        number += 1
    logger.store.wait(ticket)
    print(number, flush=True)
    ahead = begin + (number - first) / rate - time.perf_counter()
    if ahead > 0:
        time.sleep(ahead)
"""


def killed(rounds: int = 200, rate: int = 20_000, seed: int = 3) -> list[Row]:
    """kill -9 while events are written: what was acknowledged is there, and the chain is whole."""
    chance, acknowledged, slowest = random.Random(seed), 0, 0.0
    with tempfile.TemporaryDirectory(prefix="mlids-killed-") as name:
        for _ in range(rounds):
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-c", WRITER, name, str(acknowledged), str(rate)],
                stdout=subprocess.PIPE,
            )
            assert process.stdout
            told = [process.stdout.readline()]
            slowest = max(slowest, time.perf_counter() - began)
            time.sleep(chance.uniform(0.0, 0.6))
            process.kill()
            told += process.stdout.readlines()
            process.wait()
            acknowledged = int([line for line in told if line.endswith(b"\n")][-1])
        found, broken = _numbers(Path(name))
        proof = verify(Path(name))
    lost = sum(n not in found for n in range(acknowledged))
    note = f"{rounds} kills at {rate:,}/s, {acknowledged:,} events, {broken} broken lines"
    chain = f"{proof.records:,} records; {proof.bad or 'the chain is whole'}"
    return [
        _row("kill -9: acknowledged events lost", lost, lost + broken == 0, "0", note),
        _row("kill -9: the log is proved", "yes" if proof.ok else "no", proof.ok, "yes", chain),
        _row("kill -9: slowest start to the first, s", f"{slowest:.2f}", slowest < 2, "2"),
    ]


def _numbers(folder: Path) -> tuple[set[int], int]:
    """The numbers of all events that are there, and how many lines are broken."""
    numbers, broken = set(), 0
    for path in segments.files(folder):
        for line in segments.lines(path):
            try:
                numbers.add(Event.decode(bare(line))["details"]["n"])
            except (ValueError, KeyError):
                broken += 1
    return numbers, broken


def _row(what: str, figure: Any, ok: bool | None, reach: str, note: str = "") -> Row:
    return {"what": what, "figure": str(figure), "ok": ok, "reach": reach, "note": note}
