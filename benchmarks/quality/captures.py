"""Captures of odd and ordinary protocols: each decodes without a fault, none is called a scan."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from mlids.detectors.port_scan import PortScan
from mlids.errors import MLIDSError
from mlids.monitors.pcap import Pcap
from mlids.testing import run


def rows(corpora: Path) -> list[dict[str, Any]]:
    """How many decode, and what is said about those that hold no attack."""
    files = {}
    for line in (corpora / "pcaps/cases.jsonl").open():
        case = json.loads(line)
        files[case["file"]] = case["label"]
    faults, packets, high = [], 0, []
    for name, label in files.items():
        monitor = Pcap(path=str(corpora / "pcaps" / name))
        try:
            batches = list(monitor.batches(threading.Event()))
            packets += sum(map(len, batches))
            events = run(PortScan(), batches)
        except MLIDSError as error:
            if error.code not in ("E011", "E012"):
                faults.append(f"{name}: {error}")
            continue
        except Exception as error:
            faults.append(f"{name}: {error!r}")
            continue
        if label != "attack" and any(event["severity"] in ("HIGH", "CRITICAL") for event in events):
            high.append(name)
    return [
        {
            "what": f"captures that decode without a fault, of {len(files)}",
            "figure": str(len(files) - len(faults)),
            "reach": str(len(files)),
            "ok": not faults,
            "note": f"{packets:,} packets {faults[:3] or ''}",
        },
        {
            "what": "captures without an attack on which something is HIGH",
            "figure": str(len(high)),
            "reach": "0",
            "ok": not high,
            "note": str(high[:3] or ""),
        },
    ]
