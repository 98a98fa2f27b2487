"""Labelled lines and files of many services: is every attacker named, and nobody else?

Each line and each file is read as a file of its own, in the format that it is recognised as, by
all detectors of logs. Files count by their entities, lines of failed logins by their address.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from mlids import addresses, assembly
from mlids.batches import LineBatch, LogFormat
from mlids.config.schema import settings_type
from mlids.lines.recognition import Formats
from mlids.testing import lines, run
from tests.travel import tables

FOUND = 0.98
FALSE = 0.01
LOGINS = 0.97
PLACES = {  # where public tables put these networks
    "1.2.3.0/24": (-27.47, 153.02, 100, "Brisbane", "Australia"),
    "9.0.0.0/8": (41.11, -73.72, 100, "Armonk", "United States"),
}
HIGH = frozenset(("MEDIUM", "HIGH", "CRITICAL"))
GUESSED = frozenset(("Failed Login", "Brute Force"))


def rows(corpora: Path, verbose: bool = False) -> list[dict[str, Any]]:
    """Recall of entities and addresses, and those that nobody listed; verbose prints misses."""
    folder = corpora / "logs/crowdsec"
    return [*_files(folder, verbose), *_lines(folder / "lines.jsonl", verbose)]


def _files(folder: Path, verbose: bool) -> list[dict[str, Any]]:
    listed, found, wrong, told = (Counter[str]() for _ in range(4))
    beyond = 0  # of the wrong ones those that more than lines of failed logins blame
    for case in map(json.loads, (folder / "files.jsonl").open(encoding="utf-8")):
        events = events_of((folder / case["file"]).read_bytes())
        kind, wanted = case["category"], {_spelt(name) for name in case["src_ips"]}
        named = {name for event in events for name in _named(event, wanted)}
        blamed = {ip for event in events if (ip := _ip(event))}
        listed[kind] += len(wanted)
        found[kind] += len(wanted & named)
        told[kind] += len(blamed)
        wrong[kind] += len(blamed - wanted)
        beyond += len(
            {ip for e in events if e["type"] != "Failed Login" and (ip := _ip(e))} - wanted
        )
        if verbose and (wanted - named or blamed - wanted):
            print(f"{case['file']}: not named {wanted - named}, beside {blamed - wanted}")
    made = [
        _row(f"{kind}: entities named in files", found[kind], listed[kind], FOUND)
        for kind in sorted(listed)
    ]
    every = sum(told.values())
    share = sum(wrong.values()) / max(every, 1)
    note = f"{sum(wrong.values())} of {every}; {dict(+wrong)}"
    return [
        *made,
        _row("all: entities named in files", sum(found.values()), sum(listed.values()), FOUND),
        {
            "what": "addresses blamed in files that nobody listed",
            "figure": f"{share:.3f}",
            "reach": f"<= {FALSE}",
            "ok": share <= FALSE,
            "note": note,
        },
        {
            "what": "of these by more than lines of failed logins",
            "figure": str(beyond),
            "reach": "",
            "ok": None,
            "note": "too few tries for their lists, but logins that failed",
        },
    ]


def _lines(path: Path, verbose: bool) -> list[dict[str, Any]]:
    right = total = false = 0
    for case in map(json.loads, path.open(encoding="utf-8")):
        if case["category"] != "failed-login":
            continue
        events = events_of(case["input"].encode())
        found = {e["details"].get("ip", "") for e in events if e["type"] in GUESSED}
        wanted = {_spelt(name) for name in case["src_ips"]}
        total += 1
        right += found == wanted
        false += bool(found - wanted - {""})
        if verbose and found != wanted:
            print(f"{case['service']}: {sorted(found)} for {sorted(wanted)}: {case['input'][:160]}")
    return [
        _row("failed logins in lines, exact address", right, total, LOGINS),
        {
            "what": "failed logins in lines, wrong address",
            "figure": str(false),
            "reach": f"<= {FALSE}",
            "ok": false <= FALSE * total,
            "note": f"of {total}",
        },
    ]


def events_of(data: bytes) -> list[dict[str, Any]]:
    """What all detectors of logs say of a file's bytes, of MEDIUM and above."""
    texts = data.splitlines()
    batch = lines(*texts, format=likeliest(data)) if texts else lines()
    events = []
    for detector in assembly.detectors(_settings(), LineBatch).values():
        events += [event for event in run(detector, [batch]) if event["severity"] in HIGH]
    return events


def likeliest(data: bytes) -> LogFormat:
    """The format that a file most likely has."""
    formats = _formats()
    return formats.made(formats.likeliest(data + b"\n") or "app")


@cache
def _formats() -> Formats:
    return assembly.formats(_settings())


@cache
def _settings() -> Any:
    """The defaults, with a table of locations: impossible travel needs one."""
    path = Path(tempfile.mkdtemp(prefix="mlids-")) / "places.mmdb"
    table = tables.write(path, {net: tables.record(*place) for net, place in PLACES.items()})
    replace = msgspec.structs.replace
    chosen = settings_type()()
    travel = replace(chosen.detectors.impossible_travel, table=table)
    return replace(chosen, detectors=replace(chosen.detectors, impossible_travel=travel))


def _ip(event: dict[str, Any]) -> str:
    return str(event["details"].get("ip") or "")


def _named(event: dict[str, Any], wanted: set[str]) -> set[str]:
    """Which of the entities an event names, in whatever field."""
    values = {str(value) for value in _values(event["details"])}
    return {name for name in wanted if name in values}


def _values(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for part in value.values() for one in _values(part)]
    if isinstance(value, list | tuple):
        return [one for part in value for one in _values(part)]
    return [value]


def _spelt(name: str) -> str:
    return addresses.normalise(name) or name


def _row(what: str, part: int, total: int, least: float) -> dict[str, Any]:
    share = part / max(total, 1)
    return {
        "what": what,
        "figure": f"{share:.3f}",
        "reach": f">= {least}",
        "ok": share >= least,
        "note": f"{part} of {total}",
    }
