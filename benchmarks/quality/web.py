"""Labelled values of parameters: are the attacks found in each place, and harmless ones left alone?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from mlids.web.matching import matcher
from mlids.web.requests import Request, request
from mlids.web.screening import needs_look

FILES = ("httpparams_train.jsonl", "libinjection.jsonl")
TYPES = {
    "sqli": ("SQL Injection", 0.99),
    "xss": ("XSS", 0.99),
    "path-traversal": ("Path Traversal", 0.95),
    "cmdi": ("Command Injection", 0.95),
}
FALSE_POSITIVES = 0.001


def rows(corpora: Path) -> list[dict[str, Any]]:
    """Recall by class and place, and the share of harmless values that are called an attack."""
    cases = [
        json.loads(line)
        for name in FILES
        for line in (corpora / "web" / name).open(encoding="utf-8")
    ]
    return [row for way, place in PLACES.items() for row in _rows(cases, way, place)]


def _rows(
    cases: list[dict[str, Any]], way: str, place: Callable[[str], tuple[bytes, Request]]
) -> list[dict[str, Any]]:
    total, found = Counter[str](), Counter[str]()
    missed: dict[str, list[str]] = {}
    for case in cases:
        kind = case["category"] if case["label"] == "attack" else "benign"
        raw, made = place(case["input"])
        types = matcher().examine(made).types if needs_look(raw) else []
        hit = bool(types) if kind == "benign" else TYPES[kind][0] in types
        total[kind] += 1
        found[kind] += hit
        if hit == (kind == "benign"):
            missed.setdefault(kind, []).append(case["input"][:30])
    made_rows = []
    for kind, (name, least) in TYPES.items():
        share = found[kind] / max(total[kind], 1)
        note = f"{found[kind]:,} of {total[kind]:,}; not found: {missed.get(kind, [])[:3]}"
        made_rows.append(
            _row(f"{name} found in {way}", f"{share:.4f}", f">= {least}", share >= least, note)
        )
    share = found["benign"] / max(total["benign"], 1)
    note = f"{found['benign']:,} of {total['benign']:,} {missed.get('benign', [])[:3]}"
    ok = share <= FALSE_POSITIVES
    what = f"harmless values in {way} called an attack"
    return [*made_rows, _row(what, f"{share:.5f}", f"<= {FALSE_POSITIVES}", ok, note)]


def _query(value: str) -> tuple[bytes, Request]:
    target = f"/search?q={quote(value, safe='')}".encode()
    return target, request(b"GET", target)


def _form(value: str) -> tuple[bytes, Request]:
    body = f"page=1&q={quote_plus(value)}".encode()
    kind = b"application/x-www-form-urlencoded"
    return body, request(b"POST", b"/search", body=body, content_type=kind)


def _json(value: str) -> tuple[bytes, Request]:
    body = json.dumps({"page": 1, "q": value}).encode()
    return body, request(b"POST", b"/search", body=body, content_type=b"application/json")


PLACES: dict[str, Callable[[str], tuple[bytes, Request]]] = {
    "a query": _query,
    "a form": _form,
    "JSON": _json,
}


def _row(what: str, figure: str, reach: str, ok: bool, note: str) -> dict[str, Any]:
    return {"what": what, "figure": figure, "reach": reach, "ok": ok, "note": note}
