from __future__ import annotations

import threading
from pathlib import Path

from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.errors import MLIDSError
from mlids.monitors.pcap import Pcap
from mlids.testing import START_NS

FRAMES = [
    Frame(START_NS + n, c.ethernet(c.ip("192.0.2.1", "192.0.2.2", 17, c.udp(1, 2))))
    for n in range(20)
]


def run(monitor: Pcap) -> tuple[int, list[MLIDSError]]:
    told: list[MLIDSError] = []
    monitor.tell = told.append
    count = sum(len(batch) for batch in monitor.batches(threading.Event()))
    monitor.close()
    return count, told


def test_counts_and_progress(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    c.write_pcap(path, [*FRAMES, Frame(START_NS + 99, b"cut")], nanos=True)
    monitor = Pcap(path=str(path))
    assert monitor.inputs()[0].state == "waiting"
    assert run(monitor) == (21, [])
    size = path.stat().st_size
    counts = {"read": 21, "rejected": 1, "given_up": 0, "bytes": size, "size": size}
    assert monitor.inputs()[0].counts == counts
    assert monitor.inputs()[0].state == "ok"


def test_damage_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(c.pcapng(FRAMES)[:-10])
    monitor = Pcap(path=str(path))
    count, told = run(monitor)
    assert count == 19
    assert [error.code for error in told] == ["E011"]
    assert monitor.inputs()[0].counts["rejected"] == 1
    assert monitor.inputs()[0].state == "failed"


def test_stop(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    c.write_pcap(path, FRAMES)
    stop = threading.Event()
    stop.set()
    assert list(Pcap(path=str(path)).batches(stop)) == []
