"""Labelled values of parameters: are the attacks found in each place, and harmless ones left alone?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from mlids.detectors.command_injection import CommandInjection
from mlids.detectors.path_traversal import PathTraversal
from mlids.detectors.sql_injection import SqlInjection
from mlids.detectors.xss import Xss
from mlids.formats.nginx import Nginx
from mlids.testing import lines
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
    told = [("an access log", _logged(cases))]
    told += [(way, [_types(place, case) for case in cases]) for way, place in PLACES.items()]
    return [row for way, types in told for row in _rows(cases, way, types)]


def _types(place: Callable[[str], tuple[bytes, Request]], case: dict[str, Any]) -> list[str]:
    raw, made = place(case["input"])
    return matcher().examine(made).types if needs_look(raw) else []


def _logged(cases: list[dict[str, Any]]) -> list[list[str]]:
    """What the detectors of log lines tell of each value in a line of a combined access log."""
    stamp = "13/Jan/2025:10:30:45 +0000"
    text = (
        f'203.0.113.7 - - [{stamp}] "GET /search?q={quote(case["input"], safe="")} HTTP/1.1"'
        ' 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)"'
        for case in cases
    )
    batch = lines(*text, format=Nginx())
    told: list[list[str]] = [[] for _ in cases]
    for detector in (SqlInjection(), Xss(), PathTraversal(), CommandInjection()):
        for event in detector.inspect(batch):
            told[event["evidence"][0]["line"] - 1].append(event["type"])
    return told


def _rows(cases: list[dict[str, Any]], way: str, told: list[list[str]]) -> list[dict[str, Any]]:
    total, found = Counter[str](), Counter[str]()
    missed: dict[str, list[str]] = {}
    for case, types in zip(cases, told, strict=True):
        kind = case["category"] if case["label"] == "attack" else "benign"
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


def _form(value: str) -> tuple[bytes, Request]:
    body = f"page=1&q={quote_plus(value)}".encode()
    kind = b"application/x-www-form-urlencoded"
    return body, request(b"POST", b"/search", body=body, content_type=kind)


def _json(value: str) -> tuple[bytes, Request]:
    body = json.dumps({"page": 1, "q": value}).encode()
    return body, request(b"POST", b"/search", body=body, content_type=b"application/json")


PLACES: dict[str, Callable[[str], tuple[bytes, Request]]] = {
    "a form": _form,
    "JSON": _json,
}


def _row(what: str, figure: str, reach: str, ok: bool, note: str) -> dict[str, Any]:
    return {"what": what, "figure": figure, "reach": reach, "ok": ok, "note": note}
