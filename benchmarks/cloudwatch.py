"""How fast CloudWatch logs come down, beside awslogs and a boto3 paginator that only counts.

    python -m benchmarks cloudwatch

All ask the same local server, each in a process of its own: the small server of the tests, which
costs next to nothing, and moto's. Figures of boto3 and of the extractor are taken inside their
processes, after the imports and a first call; awslogs and what is set beside it are whole
processes, start included.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

Row = dict[str, Any]
GROUP = "/bench"
STREAMS, EVENTS = 20, 10_000
LONG = 1_000_000
ROUNDS = 3  # of which the best counts; ours and boto3's take turns
START_MS = 1_736_764_245_000
DAY_MS = 86_400_000
MOST_MB = 150.0
TOKEN = re.compile(rb'\],.*"nextToken":"([^"]+)"')
ENVIRONMENT = os.environ | {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "NO_PROXY": "127.0.0.1",
}


def cloudwatch() -> Iterator[Row]:
    """Downloads, memory, deduplication, and waiting for eight streams at once."""
    with small_server(STREAMS, EVENTS) as url:
        bare = _run("received", url)
        yield _least("small server, events/s", bare["events"] / bare["seconds"], 400_000)
        yield from _beside_peers(url, STREAMS * EVENTS, "")
    yield from _long()
    found = _run("deduplicated")
    yield _least("deduplication, events/s", found["events"] / found["seconds"], 500_000)
    yield _eight_at_once()
    with moto_server(STREAMS, EVENTS) as url:
        yield from _beside_peers(url, STREAMS * EVENTS, "moto: ")


def _beside_peers(url: str, events: int, where: str) -> Iterator[Row]:
    """awslogs, boto3 and the extractor on all streams of one server."""
    awslogs = _awslogs(url, events)
    one, eight, ours = [], [], []
    for _ in range(ROUNDS):
        one.append(_run("counted", url, 1))
        eight.append(_run("counted", url, 8))
        ours.append(_run("downloaded", url, 8))
    if any(run["events"] != events for run in (*one, *eight, *ours)):
        raise RuntimeError(f"not all of {events:,} events came")
    inside = [max(events / run["seconds"] for run in runs) for runs in (one, eight, ours)]
    whole = max(events / run["whole"] for run in ours)
    beside = f"{inside[0]:,.0f} one thread, {inside[1]:,.0f} eight"
    yield _row(f"{where}awslogs, whole, events/s", awslogs)
    yield _row(f"{where}boto3 that counts, events/s", max(inside[:2]), beside)
    yield _row(f"{where}download, events/s", inside[2], f"{whole:,.0f} whole")
    yield _least(f"{where}download / awslogs, whole", whole / awslogs, 15)
    yield _least(f"{where}download / boto3", inside[2] / max(inside[:2]), 0.9, "the faster of both")
    yield _most(f"{where}peak memory, MB", max(run["megabytes"] for run in ours))


def _long() -> Iterator[Row]:
    """A stream of a million events."""
    with small_server(1, LONG) as url:
        boto3, ours = _run("counted", url, 1), _run("downloaded", url, 8)
    if not boto3["events"] == ours["events"] == LONG:
        raise RuntimeError("not all events of the long stream came")
    note = f"{LONG / ours['seconds']:,.0f} events/s, boto3 {LONG / boto3['seconds']:,.0f}"
    yield _most("1 M events in one stream: peak memory, MB", ours["megabytes"], note)


def _eight_at_once() -> Row:
    """Eight streams from a server that takes 80 ms for each answer."""
    with small_server(8, 5_000, latency_ms=80) as url:
        single, at_once = (_run("downloaded", url, n)["seconds"] for n in (1, 8))
    note = f"{single:.2f} s one at a time, {at_once:.2f} s at once"
    return _least("80 ms: eight streams at once / one", single / at_once, 3, note)


@contextmanager
def small_server(streams: int, events: int, **faults: float) -> Iterator[str]:
    """The URL of the small server of the tests, filled."""
    command = ["-m", "tests.cloudwatch.server", "--group", GROUP, "--start", str(START_MS)]
    command += ["--streams", str(streams), "--events", str(events), "--faults", json.dumps(faults)]
    with _serving(command) as url:
        yield url


@contextmanager
def moto_server(streams: int, events: int) -> Iterator[str]:
    """The URL of moto's server, filled with the same lines, but of the last day."""
    with _serving(["-c", MOTO]) as url:
        _run("filled", url, streams, events)
        yield url


MOTO = """
import threading
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
threading.Event().wait()
"""


@contextmanager
def _serving(command: list[str]) -> Iterator[str]:
    quiet = subprocess.DEVNULL  # moto writes a line for each request
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, stderr=quiet, env=ENVIRONMENT
    )
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


def _awslogs(url: str, events: int) -> float:
    """Events a second of the whole command, which writes into a file."""
    command = [
        str(Path(sys.executable).with_name("awslogs")),
        "get",
        GROUP,
        "ALL",
        "-s",
        "2025-01-01",
    ]
    with tempfile.TemporaryFile() as file:
        begin = time.perf_counter()
        subprocess.run(
            [*command, "--aws-endpoint-url", url], stdout=file, check=True, env=ENVIRONMENT
        )
        seconds = time.perf_counter() - begin
        file.seek(0)
        if (came := sum(1 for _ in file)) != events:
            raise RuntimeError(f"awslogs wrote {came:,} of {events:,} events")
    return events / seconds


def _run(name: str, *options: Any) -> dict[str, float]:
    """What a measure told, taken in a process of its own, and the whole time of it."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.cloudwatch", name, *map(str, options)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=ENVIRONMENT).stdout
    figures: dict[str, float] = json.loads(told)
    return figures | {"whole": time.perf_counter() - begin}


# What runs in processes of its own. Each gives the events, the seconds, and its peak memory.


def received(url: str) -> dict[str, float]:
    """Asks for all events of the group, page by page, and looks at nothing but the token."""
    host = HTTPConnection(url.removeprefix("http://"))
    headers, asked = {"X-Amz-Target": "Logs_20140328.FilterLogEvents"}, {"logGroupName": GROUP}
    begin, events = time.perf_counter(), 0
    while True:
        host.request("POST", "/", json.dumps(asked), headers)
        body = host.getresponse().read()
        events += body.count(b'"eventId"')
        if (token := TOKEN.search(body, len(body) - 500)) is None:
            return _told(events, begin)
        asked["nextToken"] = token[1].decode()


def counted(url: str, threads: str) -> dict[str, float]:
    """Pages through each stream with boto3's paginator and only counts."""
    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=int(threads))
    client = boto3.client("logs", endpoint_url=url, config=config)
    listed = client.get_paginator("describe_log_streams").paginate(logGroupName=GROUP)
    names = [stream["logStreamName"] for page in listed for stream in page["logStreams"]]

    def count(name: str) -> int:
        paginator = client.get_paginator("filter_log_events")
        pages = paginator.paginate(logGroupName=GROUP, logStreamNames=[name])
        return sum(len(page["events"]) for page in pages)

    begin = time.perf_counter()
    with ThreadPoolExecutor(int(threads)) as pool:
        events = sum(pool.map(count, names))
    return _told(events, begin)


def downloaded(url: str, parallel: str) -> dict[str, float]:
    """Downloads all streams into files of their own with the extractor."""
    from mlids.cloudwatch import CloudWatchLogsExtractor

    extractor = CloudWatchLogsExtractor(
        region_name="us-east-1",
        log_group_name=GROUP,
        endpoint_url=url,
        requests_per_second=0,
        parallel=int(parallel),
    )
    names = [stream["logStreamName"] for stream in extractor.list_log_streams()]
    with tempfile.TemporaryDirectory(prefix="mlids-cloudwatch-") as folder:
        begin = time.perf_counter()
        done = extractor.download_streams(names, folder)
        told = _told(0, begin)
        for one in done:
            if isinstance(one, Exception):
                raise one
        told["events"] = sum(_lines(path) for path in Path(folder).glob("*.log"))
    return told


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def deduplicated() -> dict[str, float]:
    """Offers each of half a million events twice, as overlapping pages would, window by window."""
    from mlids.cloudwatch.answers import LogEvent
    from mlids.cloudwatch.gathering import Gathered

    window = 25_000
    offered = kept = 0
    seconds = 0.0
    for at in range(0, 500_000, window):
        # Like those of two answers, equal events are different objects.
        first, again = (
            [LogEvent(n, f"line {n}", n, f"3{n:055d}", "stream") for n in range(at, at + window)]
            for _ in range(2)
        )
        gathered = Gathered()
        begin = time.perf_counter()
        kept += len(gathered.add(first)) + len(gathered.add(again))
        seconds += time.perf_counter() - begin
        offered += 2 * window
    if kept * 2 != offered:
        raise RuntimeError(f"{kept:,} of {offered:,} events were new")
    return {"events": offered, "seconds": seconds}


def filled(url: str, streams: str, events: str) -> dict[str, float]:
    """Puts the small server's lines into moto, which takes nothing older than 14 days."""
    import boto3

    from tests.cloudwatch.server import filled

    client, begin = boto3.client("logs", endpoint_url=url), time.perf_counter()
    client.create_log_group(logGroupName=GROUP)
    start = time.time_ns() // 1_000_000 - DAY_MS
    for name, records in filled(int(streams), int(events), start).items():
        names = {"logGroupName": GROUP, "logStreamName": name}
        client.create_log_stream(**names)
        lines = [{"timestamp": one.timestamp, "message": one.message} for one in records]
        for at in range(0, len(lines), 5_000):
            client.put_log_events(**names, logEvents=lines[at : at + 5_000])
    return _told(int(streams) * int(events), begin)


def _told(events: int, begin: float) -> dict[str, float]:
    """The figures of this process until now."""
    seconds = time.perf_counter() - begin
    # Unlike ru_maxrss it does not include the peak of the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {"events": events, "seconds": seconds, "megabytes": peak}


MEASURES: dict[str, Callable[..., dict[str, float]]] = {
    "counted": counted,
    "deduplicated": deduplicated,
    "downloaded": downloaded,
    "filled": filled,
    "received": received,
}


def _row(what: str, figure: float, note: str = "") -> Row:
    return {"what": what, "figure": f"{figure:,.0f}", "reach": "for comparison", "note": note}


def _least(what: str, figure: float, least: float, note: str = "") -> Row:
    text = f"{figure:,.2f}" if figure < 1000 else f"{figure:,.0f}"
    ok = figure >= least
    return {"what": what, "figure": text, "reach": f">= {least:,}", "note": note, "ok": ok}


def _most(what: str, figure: float, note: str = "") -> Row:
    ok, reach = figure <= MOST_MB, f"<= {MOST_MB:.0f}"
    return {"what": what, "figure": f"{figure:,.0f}", "reach": reach, "note": note, "ok": ok}


if __name__ == "__main__":
    print(json.dumps(MEASURES[sys.argv[1]](*sys.argv[2:])))
