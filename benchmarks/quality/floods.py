"""Labelled captures of floods and password guessing: is each told, naming its source?"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from mlids.detectors.flood import Flood
from mlids.detectors.wire_brute_force import WireBruteForce
from mlids.errors import MLIDSError
from mlids.monitors.pcap import Pcap
from mlids.testing import run

# By category of the label: what has to be told.
EXPECTED = {
    "syn-flood": "flood/syn-flood",
    "dhcp-flood": "flood/dhcp-flood",
    "ftp-bruteforce": "wire_brute_force/ftp",
    "ssh-bruteforce": "wire_brute_force/ssh",
}
# Crafted overlapping fragments, in captures that are labelled for other purposes.
TRUE_ATTACKS = {"zeek/ipv4/fragmented-1.pcap", "zeek/ipv4/fragmented-4.pcap"}


def rows(corpora: Path) -> list[dict[str, Any]]:
    """How many of the labelled captures are told, and what is told of the others."""
    total, missed, wrong = 0, [], []
    for line in (corpora / "pcaps/cases.jsonl").open():
        case = json.loads(line)
        name, rule = case["file"], EXPECTED.get(case["category"], "")
        found = _events(corpora / "pcaps" / name)
        if not rule:
            wrong += [f"{name}: {r}" for r in sorted({r for r, _ in found})]
            continue
        total += 1
        addresses = {ip for told, ip in found if told == rule}
        if not addresses or not set(case["src_ips"]) <= addresses:
            missed.append(name)
    wrong = [each for each in wrong if each.partition(":")[0] not in TRUE_ATTACKS]
    return [
        {
            "what": "labelled floods and guessing, right type and source",
            "figure": f"{total - len(missed)} of {total}",
            "reach": f"{total}",
            "ok": not missed,
            "note": str(missed or ""),
        },
        {
            "what": "floods and guessing in captures without",
            "figure": str(len(wrong)),
            "reach": "0",
            "ok": not wrong,
            "note": str(wrong[:3] or ""),
        },
    ]


def _events(path: Path) -> set[tuple[str, str]]:
    try:
        batches = list(Pcap(path=str(path)).batches(threading.Event()))
    except MLIDSError:
        return set()
    events = run(Flood(), batches) + run(WireBruteForce(), batches)
    return {(event["rule"], event["details"].get("ip", "")) for event in events}
