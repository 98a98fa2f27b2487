"""How many probes a day pass unseen at a constant pace, and what ordinary days and floods do.

The clock is that of the data. Addresses outside are documentation networks (RFC 5737, RFC 3849).
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlids.batches import PacketBatch
from mlids.capture import crafting as c
from mlids.capture.crafting import Frame
from mlids.capture.packets import decode
from mlids.detectors.port_scan import PortScan
from mlids.events import Event
from mlids.testing import START_NS, packets, run

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
DAYS = 3
OUT, HOME = "203.0.113.9", "192.168.1.10"
Probe = Callable[[int, int], list[Frame]]  # of so many, at a time


def rows() -> list[dict[str, Any]]:
    """What passes unseen, what is found, and what is silent."""
    made = flood_memory()  # first, as long as this process is small
    for what, probe in _probes().items():
        most = _unseen(probe)
        note = f"constant pace over {DAYS} days"
        made.append(
            _row(f"probes a day that pass unseen: {what}", str(most), "<= 30", most <= 30, note)
        )
    for what, frames in _scans().items():
        count = len(_events(frames))
        made.append(_row(f"found: {what}", str(count), ">= 1", count > 0))
    for what, frames in _ordinary_days().items():
        events = _events(frames)
        note = ", ".join(sorted({e.details["metadata"]["technique"] for e in events}))
        made.append(_row(f"events on a day of {what}", str(len(events)), "0", not events, note))
    return made


def _scans() -> dict[str, Iterable[Frame]]:
    """Scans at the paces that tools know."""
    return {
        "one probe every 15 minutes": _at_pace(_one_host(True), 900, 40),
        "12 ports 15 s apart (nmap -T1)": _at_pace(_one_host(True), 15, 12),
        "12 ports 15 s apart, silent": _at_pace(_one_host(False), 15, 12),
        "30 ports 0.4 s apart (nmap -T2)": _at_pace(_one_host(True), 0.4, 30),
        "every probe from another address of a /64": _at_pace(_rotating("64"), 900, 12),
        "every probe from another /64 of a /56": _at_pace(_rotating("56"), 900, 12),
        "every probe from another /64 of a /48": _at_pace(_rotating("48"), 900, 12),
    }


def _row(what: str, figure: str, reach: str, ok: bool, note: str = "") -> dict[str, Any]:
    return {"what": what, "figure": figure, "reach": reach, "ok": ok, "note": note}


def flood_memory(sources: int = 5_000_000, seconds: int = 3600) -> list[dict[str, Any]]:
    """Memory that a flood of random sources takes, with a slow scanner hidden in it."""
    before = most = _resident()
    began, detector, events = time.perf_counter(), PortScan(), []
    for batch in flood(sources, seconds):
        events += detector.inspect(batch)
        most = max(most, _resident())
    events += detector.flush()
    more = (most - before) // 2**20
    blamed = {event.details["ip"] for event in events}
    note = f"{time.perf_counter() - began:.0f} s, evicted {detector.counts()['evicted_sources']:,}"
    what = f"{sources // 1_000_000} M random sources"
    found = OUT in blamed
    beside = f"blamed beside it: {len(blamed - {OUT, ''})}"
    return [
        _row(f"memory under {what}, MiB", str(more), "<= 128", more <= 128, note),
        _row(
            f"a probe a minute found among {what}", "yes" if found else "no", "yes", found, beside
        ),
    ]


def _resident() -> int:
    """Bytes of memory that this process has by now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def flood(sources: int, seconds: int, pace_s: int = 60) -> Iterator[PacketBatch]:
    """SYNs of random sources to one host; every `pace_s` s one port more of a real scanner."""
    rng, a_second = np.random.default_rng(1), sources // seconds
    frame = np.frombuffer(_syn(OUT, HOME, 50000, 1), np.uint8)
    for second in range(seconds):
        frames = np.tile(frame, (a_second + 2, 1))
        frames[:, 26:30] = rng.integers(1, 223, (a_second + 2, 4), dtype=np.uint8)
        frames[:, 36:38] = rng.integers(0, 255, (a_second + 2, 2), dtype=np.uint8)
        if second % pace_s == 0:
            probe = _syn(OUT, HOME, 50000, 1000 + second // pace_s)
            frames[-1] = np.frombuffer(probe, np.uint8)
        length = np.full(len(frames), len(frame), np.int64)
        data = np.append(frames.reshape(-1), np.zeros(64, np.uint8))
        begin = START_NS + second * SECOND
        yield decode(
            data,
            np.cumsum(length) - length,
            length,
            length,
            time=begin + np.arange(len(frames), dtype=np.int64) * (SECOND // len(frames)),
            frame=np.arange(len(frames), dtype=np.int64) + 1 + second * len(frames),
            kinds=1,
            source="flood",
            now=begin + SECOND - 1,
        )


def _unseen(probe: Probe) -> int:
    """The most probes a day that are not told, by bisection and at paces in between."""
    low, high = 0, 30 * 2**8
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _seen(probe, middle) else (middle, high)
    # Seen at one pace need not mean seen at every faster one.
    paces = [n * 2**k for n in (30, 37, 45, 53) for k in range(9)]
    return max([low, *(n for n in paces if not _seen(probe, n))])


def _seen(probe: Probe, a_day: int) -> bool:
    count = min(a_day * DAYS, 400)  # at a pace that takes more to be seen, it is not
    return bool(_events(_at_pace(probe, 86_400 / a_day, count)))


def _at_pace(probe: Probe, step_s: float, count: int) -> Iterator[Frame]:
    for n in range(count):
        yield from probe(n, int(n * step_s * SECOND))


def _probes() -> dict[str, Probe]:
    return {
        "one host, refused": _one_host(True),
        "one host, silent": _one_host(False),
        "many hosts, refused": _many_hosts(True),
        "many hosts, silent": _many_hosts(False),
        "many hosts, one port": lambda n, at: _tried(at, OUT, _host(n), 22, True),
        "an IPv6 /64, one host": _rotating("64"),
        "an IPv6 /48, one host": _rotating("48"),
    }


def _one_host(refused: bool) -> Probe:
    return lambda n, at: _tried(at, OUT, HOME, 1 + n, refused)


def _many_hosts(refused: bool) -> Probe:
    return lambda n, at: _tried(at, OUT, _host(n), 1 + n * 7 % 5000, refused)


def _rotating(width: str) -> Probe:
    networks = {"64": "2001:db8:bad::{0:x}", "56": "2001:db8:bad:{0:x}::1"}

    def probe(n: int, at: int) -> list[Frame]:
        source = networks.get(width, "2001:db8:bad:{1:x}::1").format(n % 250 + 1, n * 257 % 65536)
        return _tried(at, source, "2001:db8:1::10", 1 + n, True)

    return probe


def _host(n: int) -> str:
    return f"192.168.{n // 250 % 250}.{n % 250 + 1}"


def _ordinary_days() -> dict[str, Iterable[Frame]]:
    """Days without a scan, on which much fails all the same."""
    return {
        "a client, 1 % of 3000 connections fail": _client(3000, 0.01),
        "a client, 5 % of 3000 connections fail": _client(3000, 0.05),
        "a mail server, 5 % of 1500 targets down": _mail_server(1500, 0.05),
        "a monitor that polls 20 services, 3 of them dead": _monitor(20, 3),
        "browsers that try IPv6, which is broken, then IPv4": _browsers(500),
    }


def _client(count: int, fails: float) -> Iterator[Frame]:
    chance = random.Random(3)
    for n in range(count):
        at, server = int(n / count * DAY), f"198.51.100.{chance.randrange(1, 250)}"
        if chance.random() < fails:
            yield from _tried(at, HOME, server, 443, chance.random() < 0.5)
        else:
            yield from _opened(at, HOME, server, 443)


def _mail_server(count: int, down: float) -> Iterator[Frame]:
    chance = random.Random(4)
    for n in range(count):
        at, number = int(n / count * DAY), chance.randrange(20_000)
        server = f"198.{18 + number // 10_000}.{number // 200 % 50}.{number % 200 + 1}"
        if chance.random() < down:
            yield from _tried(at, HOME, server, 25, chance.random() < 0.3)
        else:
            yield from _opened(at, HOME, server, 25)


def _monitor(services: int, dead: int) -> Iterator[Frame]:
    for turn in range(288):
        for n in range(services):
            at = turn * 300 * SECOND + n * 7 * SECOND
            host = f"192.168.2.{n + 1}"
            if n < dead:
                yield from _tried(at, HOME, host, 8080, True)
            else:
                yield from _opened(at, HOME, host, 8080)


def _browsers(sites: int) -> Iterator[Frame]:
    client6 = "fd00::10"
    for n in range(sites):
        at = n * 120 * SECOND
        six = _tried(at, client6, f"2001:db8:5::{n + 1:x}", 443, n % 2 == 0)
        four = _opened(at + SECOND // 4, HOME, f"198.51.{n // 250}.{n % 250 + 1}", 443)
        yield from sorted([*six, *four], key=lambda frame: frame.time_ns)


def _tried(at: int, src: str, dst: str, port: int, refused: bool) -> list[Frame]:
    asked = Frame(START_NS + at, _syn(src, dst, 50000, port))
    if not refused:
        return [asked]
    answer = c.ethernet(c.ip(dst, src, 6, c.tcp(port, 50000, "RA")))
    return [asked, Frame(START_NS + at + 1_000_000, answer)]


def _opened(at: int, src: str, dst: str, port: int) -> list[Frame]:
    sport = 32768 + at // SECOND % 28_000
    steps = (
        (src, dst, c.tcp(sport, port, "S", seq=10)),
        (dst, src, c.tcp(port, sport, "SA", seq=70, ack=11)),
        (src, dst, c.tcp(sport, port, "A", seq=11, ack=71)),
        (src, dst, c.tcp(sport, port, "PA", seq=11, ack=71, payload=b"hello")),
        (dst, src, c.tcp(port, sport, "PA", seq=71, ack=16, payload=b"hello")),
        (src, dst, c.tcp(sport, port, "FA", seq=16, ack=76)),
        (dst, src, c.tcp(port, sport, "FA", seq=76, ack=17)),
    )
    return [
        Frame(START_NS + at + n * 20_000_000, c.ethernet(c.ip(a, b, 6, segment)))
        for n, (a, b, segment) in enumerate(steps)
    ]


def _syn(src: str, dst: str, sport: int, port: int) -> bytes:
    return c.ethernet(c.ip(src, dst, 6, c.tcp(sport, port, "S")))


def _events(frames: Iterable[Frame]) -> list[Event]:
    every = list(frames)
    end = c.ethernet(c.arp(1, "10.0.0.1", "10.0.0.2"), 0x0806)
    return run(PortScan(), [packets([*every, Frame(every[-1].time_ns + 9 * SECOND, end)])])
