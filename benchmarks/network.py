"""How fast recorded and live packets are read, decoded and searched for scans.

    python -m benchmarks.network

Each figure stands beside what is to be reached. The capture is made here: web, DNS and SSH
conversations with one port scan among them.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rest import environment_for

Row = dict[str, Any]
INDEX = Path(__file__).parents[1] / "index.py"

# One record of the capture before its payload: pcap header, Ethernet, IPv4, TCP or UDP.
RECORD = np.dtype(
    [
        ("second", "<u4"), ("part", "<u4"), ("captured", "<u4"), ("length", "<u4"),
        ("macs", "V12"), ("ethertype", ">u2"),
        ("first", "u1"), ("tos", "u1"), ("total", ">u2"), ("id", ">u2"), ("fragment", ">u2"),
        ("ttl", "u1"), ("protocol", "u1"), ("checksum", ">u2"), ("src", ">u4"), ("dst", ">u4"),
        ("sport", ">u2"), ("dport", ">u2"), ("seq", ">u4"), ("ack", ">u4"),
        ("offset", "u1"), ("flags", "u1"), ("window", ">u2"), ("sum", ">u2"), ("urgent", ">u2"),
    ]
)  # fmt: skip
PACE = 550_000  # packets per second that are offered live; what is sent is measured
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
HOME, OUTSIDE = 10 << 24, 203 << 24


def make_capture(path: Path, packets: int, seed: int = 1) -> None:
    """Write a capture of about so many packets: 70 % web, 20 % DNS, 9 % SSH, 1 % a scan."""
    with path.open("wb") as file:
        file.write(np.array([0xA1B2C3D4, 4 << 16 | 2, 0, 0, 262144, 1], "<u4").tobytes())
        for part in range(0, packets, 250_000):
            count = min(250_000, packets - part)
            file.write(_part(count, part // 250_000, np.random.default_rng(seed + part)))


def _part(packets: int, number: int, rng: np.random.Generator) -> bytes:
    web, ssh = packets * 70 // 100 // 32, packets * 9 // 100 // 60
    dns, scan = packets // 10, packets // 200
    rows = [_tcp(web, 32, 443, rng), _tcp(ssh, 60, 22, rng), _dns(dns, rng), _scan(scan, number)]
    records = np.concatenate([row[0] for row in rows]).astype(RECORD)
    sizes = np.concatenate([row[1] for row in rows])
    times = np.concatenate([row[2] for row in rows]) + number * 60.0
    order = np.argsort(times, kind="stable")
    records, sizes, times = records[order], sizes[order], times[order]
    records["second"] = 1_736_764_245 + times.astype(np.int64)
    records["part"] = (times % 1 * 1e6).astype(np.int64)
    udp = records["protocol"] == 17
    transport = np.where(udp, 8, 20)
    records["total"] = 20 + transport + sizes
    length = 34 + transport + sizes
    records["captured"] = records["length"] = length
    starts = np.cumsum(16 + length) - (16 + length)
    out = rng.integers(0, 256, int((16 + length).sum()), dtype=np.uint8)
    for rows_of, width in ((~udp, 70), (udp, 58)):
        places = np.ndarray((len(out) - width + 1,), f"V{width}", buffer=out, strides=(1,))
        whole = np.ascontiguousarray(records[rows_of]).view(np.uint8).reshape(-1, RECORD.itemsize)
        places[starts[rows_of]] = np.ascontiguousarray(whole[:, :width]).view(f"V{width}")[:, 0]
    return out.tobytes()


def _blank(count: int) -> np.ndarray:
    records = np.zeros(count, RECORD)
    records["ethertype"], records["first"], records["ttl"] = 0x0800, 0x45, 64
    records["protocol"], records["offset"], records["window"] = 6, 0x50, 64240
    return records


def _tcp(flows: int, length: int, port: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    """Conversations of `length` packets: handshake, requests and long answers, both ends close."""
    step = np.tile(np.arange(length), flows)
    flow = np.repeat(np.arange(flows), length)
    records = _blank(len(step))
    client = HOME + rng.integers(1, 5000, flows)[flow]
    server = OUTSIDE + rng.integers(1, 800, flows)[flow]
    sport = rng.integers(32768, 61000, flows)[flow]
    back = ((step % 3 > 0) & (step > 2)) | (step == 1)
    back[step == length - 2], back[step == length - 1] = False, True
    records["src"], records["dst"] = np.where(back, server, client), np.where(back, client, server)
    records["sport"], records["dport"] = np.where(back, port, sport), np.where(back, sport, port)
    flags = np.full(len(step), ACK)
    flags[step == 0], flags[step == 1] = SYN, SYN | ACK
    flags[step >= length - 2] = FIN | ACK
    sizes = np.where(back, rng.choice([0, 600, 1440], len(step), p=[0.3, 0.2, 0.5]), 0)
    sizes[(step == 3)] = 300
    sizes[(step < 3) | (step >= length - 2)] = 0
    flags[sizes > 0] |= PSH
    records["flags"] = flags
    isn = rng.integers(0, 2**31, flows)[flow]
    records["seq"] = isn + np.where(step == 0, 0, 1 + step * 10)
    records["ack"] = np.where(step == 0, 0, isn + 1 + step * 10)
    times = rng.uniform(0, 50, flows)[flow] + step * 0.02
    return records, sizes, times


def _dns(queries: int, rng: np.random.Generator) -> tuple[Any, Any, Any]:
    step, flow = np.tile(np.arange(2), queries), np.repeat(np.arange(queries), 2)
    records = _blank(len(step))
    records["protocol"] = 17
    client, sport = HOME + rng.integers(1, 5000, queries)[flow], rng.integers(1024, 65535, queries)
    back, sport = step == 1, sport[flow]
    server = HOME + 53
    records["src"], records["dst"] = np.where(back, server, client), np.where(back, client, server)
    records["sport"], records["dport"] = np.where(back, 53, sport), np.where(back, sport, 53)
    sizes = np.where(back, 120, 40)
    records["seq"] = (8 + sizes).astype(np.int64) << 16  # the UDP length stands there
    return records, sizes, rng.uniform(0, 59, queries)[flow] + step * 0.01


def _scan(ports: int, number: int) -> tuple[Any, Any, Any]:
    step, port = np.tile(np.arange(2), ports), np.repeat(np.arange(1, ports + 1), 2)
    records = _blank(len(step))
    back = step == 1
    scanner, target = OUTSIDE + 77777 + number, HOME + 9
    records["src"], records["dst"] = (
        np.where(back, target, scanner),
        np.where(back, scanner, target),
    )
    records["sport"], records["dport"] = np.where(back, port, 51000), np.where(back, 51000, port)
    records["flags"] = np.where(back, RST | ACK, SYN)
    return records, np.zeros(len(step), np.int64), 10 + port * 0.01 + step * 0.001


def capture_scan(packets: int = 1_000_000, runs: int = 5) -> list[Row]:
    """``index.py scan`` of a recording, whole process on one core, beside ``tcpdump --count``."""
    with tempfile.TemporaryDirectory() as folder:
        path, found = Path(folder) / "capture.pcap", Path(folder) / "found.jsonl"
        # Made by another process: the memory of this one would be counted with that of its children.
        maker = multiprocessing.get_context("spawn").Process(
            target=make_capture, args=(path, packets)
        )
        maker.start()
        maker.join()
        size = path.stat().st_size
        scan = [sys.executable, str(INDEX), "scan", str(path), "--format", "jsonl"]
        count = ["tcpdump", "--count", "-r", str(path)]
        ours, theirs, said, mb = 9e9, 9e9, "", 0.0
        for _ in range(runs):  # by turns, so that both meet the same weather
            took, said, mb = timed(scan, folder, found)
            ours = min(ours, took)
            if shutil.which("tcpdump"):
                theirs = min(theirs, timed(count, folder, Path(os.devnull))[0])
        read = int(re.search(r"read ([\d,]+) packets", said).group(1).replace(",", ""))  # type: ignore[union-attr]
        events = [json.loads(line) for line in found.read_text().splitlines()]
        sources = sorted({event["details"]["ip"] for event in events})
        note = f"{read:,} packets, {size / 1e6:.0f} MB; events from {', '.join(sources)}"
        rows = [
            row("capture scan, packets/s", read / ours, 1_500_000, note),
            row("capture scan, MB resident", mb, 300, most=True),
        ]
        if theirs < 9e9:
            note = f"tcpdump {read / theirs:,.0f} packets/s"
            rows.append(row("share of tcpdump --count", theirs / ours, 0.25, note))
        return rows


def row(what: str, figure: float, reach: float, note: str = "", *, most: bool = False) -> Row:
    """A figure that is to be at least, or at most, what is to be reached."""
    digits = 0 if reach > 10 or most else 2
    return {
        "what": what,
        "figure": f"{figure:,.{digits}f}",
        "reach": f"{'<=' if most else '>='} {reach:,}",
        "note": note,
        "ok": figure <= reach if most else figure >= reach,
    }


def timed(command: list[str], folder: str, target: Path) -> tuple[float, str, float]:
    """Wall time of a command on one core, what it said, and its memory in MB; output to a file."""
    core = max(os.sched_getaffinity(0))
    with target.open("wb") as out, tempfile.TemporaryFile() as told:
        begin = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            stdout=out,
            stderr=told,
            cwd=folder,
            env=environment_for(Path(folder)),
        )
        _, status, usage = os.wait4(process.pid, 0)
        took = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        said = told.read().decode()
    if process.returncode > 1:  # 1: something was found
        raise RuntimeError(said)
    return took, said, usage.ru_maxrss / 1024


LIVE = """
import json, resource, sys, threading, time
from mlids import assembly
from mlids.batches import PacketBatch
from mlids.config import ConfigManager
from mlids.monitors.network import Network
settings = ConfigManager("none.yaml", environment={}).settings
detectors = assembly.detectors(settings, PacketBatch).values()
monitor, stop = Network(interfaces=["va"]), threading.Event()
monitor.open()
print("ready", flush=True)
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
packets, events = 0, []
for batch in monitor.batches(stop):
    packets += len(batch)
    for detector in detectors:
        events += detector.inspect(batch)
for detector in detectors:
    events += detector.flush()
usage = resource.getrusage(resource.RUSAGE_SELF)
counts = monitor.inputs()[0].counts
print(json.dumps({"packets": packets, "events": len(events), "cpu": usage.ru_utime + usage.ru_stime,
    "mb": int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024, **counts}))
"""


def live_capture(packets: int = 1_000_000) -> list[Row]:
    """Replay a capture at full speed into a pair of interfaces; a MLIDS at the other end reads."""
    for tool in ("ip", "tcpreplay"):
        if not shutil.which(tool):
            return [
                {
                    "what": "live capture",
                    "figure": "not run",
                    "reach": ">= 500,000",
                    "note": f"no {tool}",
                    "ok": None,
                }
            ]
    space = f"mlids-bench-{os.getpid()}"
    run = ["ip", "netns", "exec", space]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.pcap"
        make_capture(path, packets)
        subprocess.run(["ip", "netns", "add", space], check=True)
        try:
            return _live(run, path)
        finally:
            subprocess.run(["ip", "netns", "del", space], check=True)


def _live(run: list[str], path: Path) -> list[Row]:
    off = "net.ipv6.conf.default.disable_ipv6=1"
    for words in (
        ["sysctl", "-qw", off],
        ["ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"],
        ["ip", "link", "set", "va", "up"],
        ["ip", "link", "set", "vb", "up"],
    ):
        subprocess.run([*run, *words], check=True)
    reader = subprocess.Popen(
        [*run, sys.executable, "-c", LIVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert reader.stdin and reader.stdout
    reader.stdout.readline()
    replay = [*run, "tcpreplay", "--pps", str(PACE), "--preload-pcap", "-i", "vb", str(path)]
    said = subprocess.run(replay, check=True, capture_output=True, text=True).stdout
    sent = int(re.search(r"Actual: (\d+) packets", said).group(1))  # type: ignore[union-attr]
    rate = float(re.search(r"([\d.]+) pps", said).group(1))  # type: ignore[union-attr]
    time.sleep(0.5)
    result = json.loads(reader.communicate("stop\n", timeout=20)[0])
    exact = result["read"] + result["dropped"] == sent
    note = f"sent {sent:,}, read {result['read']:,}, dropped {result['dropped']:,}, {result}"
    return [
        row("live, packets/s offered", rate, 500_000, note),
        row("live, lost", sent - result["packets"], 0, most=True),
        row("live, read + dropped = sent", int(exact), 1),
        row("live, MB resident", result["mb"], 128, "all detectors", most=True),
    ]


if __name__ == "__main__":
    for row in [*capture_scan(), *live_capture()]:
        print(row)
