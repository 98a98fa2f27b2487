"""Labelled cases of Kubernetes audit: is each attack told at MEDIUM or more, and what else is?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlids.detectors.ingested import Ingested
from mlids.formats.k8s_audit import K8sAudit
from mlids.testing import lines, run

# Of the cases that stay, two of each ten harmless ones are the very deeds that others call attacks
# (a service, a configmap made by hand), so that no program can tell them apart.
MOST_FALSE = 0.25


def rows(corpora: Path) -> list[dict[str, Any]]:
    """Recall on the attacks, and the share of harmless cases that are told."""
    attacks, harmless, missed, false = judged(corpora)
    recall = 1 - len(missed) / max(attacks, 1)
    share = len(false) / max(harmless, 1)
    return [
        {
            "what": "attacks in Kubernetes audit, at MEDIUM or more",
            "figure": f"{recall:.3f}",
            "reach": ">= 1.0",
            "ok": not missed,
            "note": f"{attacks - len(missed)} of {attacks}; not found: {missed[:3]}",
        },
        {
            "what": "harmless cases of Kubernetes audit, at MEDIUM or more",
            "figure": f"{share:.3f}",
            "reach": f"<= {MOST_FALSE}",
            "ok": share <= MOST_FALSE,
            "note": f"{len(false)} of {harmless}: {false[:3]}",
        },
    ]


def judged(corpora: Path) -> tuple[int, int, list[str], list[str]]:
    """How many attacks and harmless cases there are; those not found, and those told for nothing.

    Cases whose events also stand under the other label are left out: allow-lists decide them.
    """
    text = (corpora / "k8s" / "falco_audit.jsonl").read_text(encoding="utf-8")
    cases = [json.loads(line) for line in text.splitlines()]
    labels: dict[str, set[str]] = {}
    for case in cases:
        for event in case["events"]:
            labels.setdefault(json.dumps(event, sort_keys=True), set()).add(case["label"])
    counts = {"attack": 0, "benign": 0}
    missed: list[str] = []
    false: list[str] = []
    for case in cases:
        events = [json.dumps(event, sort_keys=True) for event in case["events"]]
        if any(len(labels[event]) > 1 for event in events):
            continue
        counts[case["label"]] += 1
        told = run(Ingested(), [lines(*events, format=K8sAudit())])
        hit = any(event["severity"] != "LOW" for event in told)
        if hit != (case["label"] == "attack"):
            (false if hit else missed).append(case["id"])
    return counts["attack"], counts["benign"], missed, false
