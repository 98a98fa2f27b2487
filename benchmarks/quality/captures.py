"""Captures of other projects: each decodes, attacks are named, and nothing else is HIGH.

Every network detector looks at each capture, as configured by default. What is HIGH on a capture
that is not labelled as an attack was looked at by hand; what is right about it stands in `RIGHT`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlids.config import ConfigManager
from mlids.events import Event
from mlids.scanning import Scan

TYPES = {
    "dhcp-flood": "DoS Attack",
    "syn-flood": "DoS Attack",
    "ftp-bruteforce": "Brute Force",
    "ssh-bruteforce": "Brute Force",
}
# Attacks in captures that were made for something else: what, and how one sees it.
RIGHT = {
    "zeek/ipv4/fragmented-1.pcap": "the second fragment begins within the first: teardrop",
    "zeek/ipv4/fragmented-4.pcap": "one fragment lies over another: teardrop",
    "zeek/tcp/tcp-fast-open.pcap": "GET …page=../../../ is answered with /etc/passwd",
}
READABLE = ("E011", "E012")  # damaged or no capture, as some of them are meant to be


def rows(corpora: Path) -> list[dict[str, Any]]:
    """How many decode, which attacks are found, and what is HIGH beside them."""
    settings = ConfigManager("none.yaml", environment={}).settings
    faults, missed, blamed, high, packets = [], [], [], [], 0
    cases = {c["file"]: c for c in map(json.loads, (corpora / "pcaps/cases.jsonl").open())}
    for name, case in cases.items():
        try:
            events, count, problems = scanned(settings, corpora / "pcaps" / name)
        except Exception as error:
            faults.append(f"{name}: {error!r}")
            continue
        packets += count
        faults += [f"{name}: {problem}" for problem in problems]
        if case["label"] == "attack":
            found = [e for e in events if e.type == TYPES[case["category"]]]
            missed += [] if found else [name]
            named = {e.details.get("ip") for e in found}
            blamed += [] if set(case["src_ips"]) <= named else [name]
        elif name not in RIGHT and (bad := _high(events)):
            high.append(f"{name}: {', '.join(bad)}")
    attacks = sum(case["label"] == "attack" for case in cases.values())
    return [
        _row(f"captures that decode without a fault, of {len(cases)}", len(cases) - len(faults),
             len(cases), f"{packets:,} packets {faults[:3] or ''}"),
        _row(f"labelled attacks found, of {attacks}", attacks - len(missed), attacks, str(missed or "")),
        _row("of these with the right source", attacks - len(blamed), attacks, str(blamed or "")),
        _row("captures without an attack on which something is HIGH", len(high), 0,
             "; ".join(high[:5]) + (f"; HIGH and right: {len(RIGHT)}" if RIGHT else "")),
    ]  # fmt: skip


def scanned(settings: Any, path: Path) -> tuple[list[Event], int, list[str]]:
    """Events, packets, and what went wrong that should not."""
    told: list[Any] = []
    scan = Scan(settings, [str(path)], told.append)
    events = list(scan)
    return events, scan.summary.packets, [str(e) for e in told if e.code not in READABLE]


def _high(events: list[Event]) -> list[str]:
    serious = [e for e in events if e.severity in ("HIGH", "CRITICAL")]
    return sorted({f"{e.rule} {e.details.get('ip', '')}" for e in serious})


def _row(what: str, figure: int, reach: int, note: str) -> dict[str, Any]:
    return {
        "what": what, "figure": str(figure), "reach": str(reach), "ok": figure == reach,
        "note": note,
    }  # fmt: skip


def main() -> None:
    """Every event on every capture, to be looked at: python -m benchmarks.quality.captures"""
    import os

    settings = ConfigManager("none.yaml", environment={}).settings
    corpora = Path(os.environ["MLIDS_CORPORA"])
    for line in (corpora / "pcaps/cases.jsonl").open():
        case = json.loads(line)
        for event in scanned(settings, corpora / "pcaps" / case["file"])[0]:
            print(
                case["file"],
                case["label"],
                event.severity,
                event.rule,
                event.details["description"],
            )


if __name__ == "__main__":
    main()
