"""What is told about requests with findings, seen on the wire.

The client is the sender of the packets, whatever a header says of forwarding.
"""

from __future__ import annotations

from typing import Any

from mlids.capture.addresses import address
from mlids.episodes import MOST_EVIDENCE, Account
from mlids.events import Event, detection_id
from mlids.web.answers import Outcome, Waiting, severity
from mlids.web.heads import WAIT_NS
from mlids.web.matching import SCAN, Finding

RULE = "web_payload"
SHOWN = 60  # letters of a path or a finding in one line
_SECONDS = WAIT_NS // 1_000_000_000


def attack(waiting: Waiting, outcome: Outcome) -> Event:
    """The event of one request that carries an attack."""
    finding = waiting.main
    details = _details(waiting, outcome, finding)
    also = sorted({f.technique for f in waiting.findings} - {finding.technique})
    if also:
        details["metadata"]["also"] = also
    if outcome.sign:
        details["metadata"]["answer"] = outcome.sign
    key = (details["ip"], details["target"], details["port"], finding.technique, waiting.next)
    return Event.new(
        finding.type,
        severity(finding, outcome),
        "application",
        details,
        time_ns=waiting.time_ns,
        rule=f"{RULE}/{finding.rule}",
        tags=["web", finding.technique],
        techniques=finding.techniques,
        confidence=max(finding.confidence, 0.95) if outcome.sign else finding.confidence,
        evidence=waiting.places[:MOST_EVIDENCE],
        explanation=f"{_observed(finding)}; {_answered(outcome)}",
        correlation_id=detection_id(RULE, key, waiting.time_ns),
    )


def scan(waiting: Waiting, outcome: Outcome, finding: Finding) -> Account:
    """What one mark of a scanner says."""
    return Account(
        type=SCAN,
        severity=severity(finding, outcome),
        rule=f"{RULE}/{finding.rule}",
        details=_details(waiting, outcome, finding),
        explanation=f"{_observed(finding)}; one such request is enough",
        evidence=waiting.places[:MOST_EVIDENCE],
        techniques=list(finding.techniques),
        tags=["web", finding.technique],
        confidence=finding.confidence,
    )


def _details(waiting: Waiting, outcome: Outcome, finding: Finding) -> dict[str, Any]:
    client = address(waiting.key.src_hi, waiting.key.src_lo)
    server = address(waiting.key.dst_hi, waiting.key.dst_lo)
    what = "Marks of a scanner" if finding.type == SCAN else finding.type
    metadata: dict[str, Any] = {
        "technique": finding.technique,
        "method": waiting.method,
        "path": waiting.path,
        "host": waiting.host,
        "part": finding.part,
        "rule": finding.rule,
        "decoded": finding.text,
        "status": outcome.status or None,
    }
    return {
        "ip": client,
        "target": server,
        "port": waiting.key.dport,
        "protocol": "TCP",
        "description": f"{what}: {waiting.method} {_short(waiting.path)} on {server} with"
        f" {_short(finding.text)!r} in {finding.part}",
        "metadata": metadata,
    }


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _observed(finding: Finding) -> str:
    return f"{finding.part} holds {finding.text!r} once decoded, which rule {finding.rule} forbids"


def _answered(outcome: Outcome) -> str:
    if outcome.sign:
        return f"the server answered {outcome.status} with {outcome.sign!r}: it worked"
    if not outcome.status:
        return f"no answer of the server was seen within {_SECONDS} s"
    if 200 <= outcome.status < 300:
        return f"the server answered {outcome.status}, as if it worked"
    return f"the server answered {outcome.status}, so it seems not to have worked"
