"""Labelled log lines of sshd: is each failed login found, with exactly its address?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlids.detectors.login import Login
from mlids.formats.syslog import Syslog
from mlids.testing import lines, run


def rows(corpora: Path) -> list[dict[str, Any]]:
    """Recall on the failed logins of sshd, and addresses that nobody labelled."""
    right = total = wrong = 0
    missed: list[str] = []
    for line in (corpora / "logs/crowdsec/lines.jsonl").open():
        case = json.loads(line)
        if case["category"] != "failed-login" or "sshd" not in case["input"]:
            continue
        total += 1
        events = run(Login(), [lines(case["input"], format=Syslog())])
        found = {e["details"].get("ip") for e in events if e["type"] == "Failed Login"}
        right += found == set(case["src_ips"])
        wrong += bool(found - set(case["src_ips"]))
        if not found:
            missed.append(case["input"].partition("sshd")[2][:40])
    note = f"{right} of {total}; not found: {missed[:3]}"
    return [
        _row("failed logins of sshd, exact address", right / max(total, 1), ".85", 0.85, note),
        {
            "what": "failed logins of sshd, wrong address",
            "figure": str(wrong),
            "reach": "0",
            "ok": wrong == 0,
            "note": "",
        },
    ]


def _row(what: str, figure: float, reach: str, least: float, note: str) -> dict[str, Any]:
    return {
        "what": what,
        "figure": f"{figure:.3f}",
        "reach": f">= {reach}",
        "ok": figure >= least,
        "note": note,
    }
