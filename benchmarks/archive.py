"""How fast stored events answer: 10 million of them over 30 days, against jq and ripgrep.

    python -m benchmarks archive

Questions are asked by fresh processes, start included, to warm files; the best of three. jq and
ripgrep get the same events uncompressed, of which they read a part: their time is extrapolated.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlids import segments
from mlids.columns.builders import complete

EVENTS = 10_000_000
SEGMENT = 10_485_760
DAYS = 30
START_S = 1_736_640_000  # 2025-01-12
END_NS = (START_S + DAYS * 86_400) * 10**9
DAY_NS = 86_400 * 10**9
LAST_DAY = ("--since", "2025-02-10", "--until", "2025-02-11T00:00")
MONTH = ("--since", "2025-01-12T00:00:01", "--until", "2025-02-11T00:00")
PEER_SEGMENTS = 6  # that jq and ripgrep read
QUERY = 'type:"Failed Login" AND ip:10.1.2.0/24'

_KINDS = (
    ("Failed Login", "MEDIUM", "application", "login/sshd", 55),
    ("Port Scan", "HIGH", "network", "port_scan", 8),
    ("SQL Injection", "MEDIUM", "application", "sql_injection/942100", 8),
    ("Web Scan", "MEDIUM", "application", "web_scan", 8),
    ("File Modified", "MEDIUM", "host", "integrity", 8),
    ("Successful Login", "LOW", "application", "login/sshd", 11),
    ("Brute Force", "HIGH", "application", "brute_force", 2),
)


def _bodies(chance: random.Random) -> list[str]:
    """What stands between the time and the ids of events, some thousand different ones."""
    users = [f"user{n}" for n in range(300)] + ["root", "admin", "postgres"]
    weights = [kind[4] for kind in _KINDS]
    made = []
    for type, severity, source, rule, _ in chance.choices(_KINDS, weights, k=20_000):
        address = f"10.1.{chance.randint(0, 29)}.{chance.randint(1, 254)}"
        user, path = chance.choice(users), f"/srv/www/page{chance.randint(1, 999)}.php"
        made.append(
            f'"type":"{type}","severity":"{severity}","source":"{source}","details":{{"ip":"{address}",'
            f'"port":{chance.randint(1024, 65535)},"user":"{user}","path":"{path}",'
            f'"description":"{type} of {user}"}},"correlation_id":"%s","tags":["seen"],"rule":"{rule}",'
            f'"techniques":["T1110"],"confidence":0.9,"id":"%s","host":"gate"}}\n'
        )
    return made


def _lines(count: int) -> Iterator[bytes]:
    """Stored events in order of time, about 350 bytes each, a thousand at once."""
    chance = random.Random(7)
    bodies = _bodies(chance)
    for first in range(0, count, 1000):
        text = []
        ids = chance.randbytes(32_000).hex()
        for n in range(first, min(first + 1000, count)):
            micros = n * DAYS * 86_400 * 1_000_000 // count
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(START_S + micros // 1_000_000))
            at = (n - first) * 64
            body = chance.choice(bodies) % (ids[at : at + 32], ids[at + 32 : at + 64])
            text.append(f'{{"timestamp":"{stamp}.{micros % 1_000_000:06d}Z",{body}')
        yield "".join(text).encode()


def write_store(folder: Path, count: int) -> int:
    """Write segments as the store leaves them; returns their plain bytes."""
    size = 0
    file, number, written = (folder / segments.OPEN).open("wb"), 0, 0
    for piece in _lines(count):
        if written + len(piece) > SEGMENT:
            file.close()
            number += 1
            path = folder / f"mlids-20250111T{number // 3600:02d}0000Z-{number}.jsonl"
            (folder / segments.OPEN).rename(path)
            segments.compress(path, "zstd")
            file, written = (folder / segments.OPEN).open("wb"), 0
        file.write(piece)
        written += len(piece)
        size += len(piece)
    file.close()
    return size


def _asked(folder: Path, question: str) -> tuple[float, float, str]:
    """Seconds, MB and answer of a question that a fresh process asks; the best of three."""
    program = f"from mlids.archive import Archive; a = Archive({str(folder)!r}); print({question})"
    return min(_timed([sys.executable, "-c", program]) for _ in range(3))


def _typed(folder: Path, *arguments: str) -> tuple[float, float, str]:
    """The same of a command as a user types it."""
    settings = folder / "config.yaml"
    settings.write_text(f"logging: {{logs_dir: {str(folder)!r}}}\n")
    command = [sys.executable, "index.py", "analyze", "--config", str(settings), *arguments]
    return min(_timed(command) for _ in range(3))


def _timed(command: list[str]) -> tuple[float, float, str]:
    with tempfile.TemporaryFile() as told:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=told, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            raise RuntimeError(f"{command}: exit status {process.returncode}")
        told.seek(0)
        return took, used.ru_maxrss / 1024, told.read().decode().strip()


def _row(
    what: str, figure: float, unit: str, reach: float, note: str = "", most: bool = True
) -> Any:
    ok = (figure <= reach if most else figure >= reach) if reach else None
    goal = f"{'<=' if most else '>='} {reach:,g}" if reach else "for comparison"
    number = f"{figure:,.2f}" if figure < 100 else f"{figure:,.0f}"
    return {"what": what, "figure": f"{number} {unit}", "reach": goal, "note": note, "ok": ok}


def _peers(folder: Path, count: int, plain: int) -> dict[str, float]:
    """Seconds of jq, and of ripgrep before jq, for the same question over all events."""
    part = folder / "part.ndjson"
    paths = segments.sealed(folder)
    chosen = paths[:: max(1, len(paths) // PEER_SEGMENTS)]
    with part.open("wb") as file:
        for path in chosen:
            file.writelines(segments.lines(path))
    share = part.stat().st_size / plain
    day = time.strftime("%Y-%m-%d", time.gmtime(START_S + (DAYS - 1) * 86_400))
    wanted = (
        f'select(.timestamp >= "{day}" and .type == "Failed Login" '
        'and (.details.ip | startswith("10.1.2.")))'
    )
    alone = f"jq -c '{wanted}' {part} | wc -l"
    after = f"rg '{day}.*\"Failed Login\".*10.1.2' {part} | jq -c '{wanted}' | wc -l"
    seconds = {}
    for name, command in {"jq": alone, "rg": after}.items():
        if shutil.which(name) and shutil.which("jq"):
            began = time.perf_counter()
            subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)
            seconds[name] = (time.perf_counter() - began) / share
    return seconds


def archive(count: int = EVENTS) -> Iterator[dict[str, Any]]:
    """Building the columns, questions over a day and over a month, and the peers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = write_store(folder, count)
        stored = sum(path.stat().st_size for path in segments.files(folder))
        began = time.perf_counter()
        complete(folder)
        took = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        beside = sum(path.stat().st_size for path in (folder / "columns").iterdir())
        note = f"{took:.0f} s, {plain / count:.0f} bytes an event, {peak:,.0f} MB"
        yield _row("archive: columns built", count / took, "events/s", 200_000, note, most=False)
        note = f"of the lines; {100 * beside / stored:.0f} % of the segments, compressed by zstd"
        yield _row("archive: size of the columns", 100 * beside / plain, "%", 0, note)
        yield from _questions(folder, count)
        seconds, peak, found = _typed(folder, *LAST_DAY, "--search", QUERY, "--format", "jsonl")
        note = f"the command; {len(found.splitlines())} events, {peak:.0f} MB"
        yield _row("archive: search over 24 h", seconds, "s", 0.5, note)
        for peer, took in _peers(folder, count, plain).items():
            title = "jq" if peer == "jq" else "rg | jq"
            note = f"{took:.0f} s, extrapolated from a part"
            reach = 50 if peer == "jq" else 10
            yield _row(
                f"archive: against {title}", took / seconds, "times", reach, note, most=False
            )


def _questions(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    month = f"since_ns={END_NS - DAYS * DAY_NS + 1}, until_ns={END_NS}"
    seconds, peak, found = _asked(folder, f"sum(1 for _ in a.search({QUERY!r}))")
    yield _row("archive: search over 30 days", seconds, "s", 0, f"{found} events, {peak:.0f} MB")
    seconds, peak, found = _asked(folder, f"a.tally('', {month}).total")
    yield _row("archive: tally of 30 days", seconds, "s", 2, f"{found} events, {peak:.0f} MB")
    seconds, peak, _ = _typed(folder, *MONTH, "--report", "summary")
    yield _row("archive: summary of 30 days", seconds, "s", 2, f"the command; {peak:.0f} MB")
    seconds, peak, _ = _typed(folder, *MONTH, "--report", "compliance", "--format", "html")
    yield _row(
        "archive: memory of a report", peak, "MB", 1024, f"compliance as HTML, {seconds:.1f} s"
    )
    seconds, peak, found = _asked(folder, "a.tally('severity>=HIGH').total")
    yield _row("archive: tally of a query", seconds, "s", 0, f"{found} events, {peak:.0f} MB")
    seconds, peak, found = _asked(folder, "len(a.rates())")
    yield _row(
        "archive: rates per type, 5 minutes", seconds, "s", 0, f"{found} rows, {peak:.0f} MB"
    )
    seconds, peak, found = _asked(folder, "sum(1 for _ in a.search('page77'))")
    yield _row("archive: a word over 30 days", seconds, "s", 0, f"{found} events, {peak:.0f} MB")
