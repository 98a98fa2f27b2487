"""Detectors of web attacks in logs: one a class of attacks, one event for each request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from mlids.batches import Detector, LineBatch
from mlids.events import Event, detection_id
from mlids.web.logged import Logged, requests
from mlids.web.matching import Finding, Verdict, shown
from mlids.web.usual import Answer, Sizes, severity

SHOWN = 60  # letters of a path or a finding in one line


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of a detector of web attacks."""


class LoggedAttacks(Detector[LineBatch]):
    """Tells each request that carries an attack of one class, and whether it seems to have worked.

    The client is who the log says connected, whatever a header says of forwarding.
    """

    Settings = Settings
    kind = LineBatch
    attack: ClassVar[str]  # the type of its events

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._sizes = Sizes()

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """One event for each request with a finding of this class."""
        for logged in requests(batch):
            if logged.verdict is None:
                self._sizes.add(logged.path, logged.status, logged.size)
                continue
            found = next((f for f in logged.verdict.findings if f.type == self.attack), None)
            if found is not None:
                answer = self._sizes.judge(logged.path, logged.status, logged.size)
                yield event(batch, logged, found, answer, self.name)

    def save(self) -> dict[str, Any]:
        """What answers are usual."""
        return {"sizes": self._sizes.save()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._sizes.restore(state["sizes"])


def event(batch: LineBatch, logged: Logged, finding: Finding, answer: Answer, name: str) -> Event:
    """The event of one request."""
    place = batch.evidence(logged.row)
    return Event.new(
        finding.type,
        severity(finding, answer),
        "application",
        details(logged, finding, answer),
        time_ns=logged.time_ns,
        rule=f"{name}/{finding.rule}",
        tags=["web", finding.technique],
        techniques=finding.techniques,
        confidence=finding.confidence,
        evidence=[place],
        explanation=f"{finding.part} holds {finding.text!r} once decoded, which rule"
        f" {finding.rule} forbids (threshold 1, no window); {answer.why}",
        correlation_id=detection_id(name, *place.values()),
    )


def details(logged: Logged, finding: Finding, answer: Answer) -> dict[str, Any]:
    """The details of an event about a request."""
    path = shown(logged.path)
    who = logged.src or logged.peer or "an unknown address"
    known = {
        "ip": logged.src,
        "source_host": logged.peer,
        "user": logged.user,
        "target": logged.host,
        "path": path,
    }
    what = f"{short(finding.text)!r} in {finding.part}"
    verdict: Verdict | None = logged.verdict
    also = sorted({f.technique for f in verdict.findings} - {finding.technique}) if verdict else []
    metadata: dict[str, Any] = {
        "technique": finding.technique,
        "method": logged.method,
        "path": path,
        "part": finding.part,
        "rule": finding.rule,
        "decoded": finding.text,
        "status": logged.status or None,
        "size": logged.size if logged.size >= 0 else None,
        "usual_size": answer.usual if answer.usual >= 0 else None,
        "worked": answer.worked,
    }
    if also:
        metadata["also"] = also
    return {
        **{name: value for name, value in known.items() if value},
        "protocol": "TCP",
        "description": f"{finding.type}: {logged.method} {short(path)} by {who} with {what}",
        "metadata": metadata,
    }


def short(text: str) -> str:
    """A text that fits into one line."""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
