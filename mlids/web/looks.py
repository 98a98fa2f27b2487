"""Why rules of web attacks do or do not find something in a logged line: for people who ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlids.signatures.reasons import Reason
from mlids.web import rules, screening
from mlids.web.logged import requested, tells_requests
from mlids.web.matching import Matcher, matcher

if TYPE_CHECKING:
    from mlids.batches import LineBatch


def reasons(batch: LineBatch) -> Iterator[Reason]:
    """For a batch of one line each rule that was asked, or why none was."""
    if not tells_requests(batch):
        return
    asked = requested(batch)
    if asked is None:
        yield Reason("web", False, "the line tells of no request")
        return
    if not screening.needs_look(batch.line(0)):
        count = len(rules.rules())
        yield Reason("web", False, f"nothing in it that any of {count} rules of web attacks needs")
        return
    found = {finding.rule for finding in matcher().examine(asked).findings}
    broken = 0
    for rule in rules.rules():
        verdict = Matcher([rule]).examine(asked)
        for finding in verdict.findings:
            broken += 1
            surer = "" if rule.name in found else "; another of its class is surer"
            why = f"{finding.text!r} in {finding.part}{surer}"
            yield Reason(f"web/{rule.name}", rule.name in found, why)
    if not broken:
        yield Reason("web", False, "it has signs of code in it, but breaks no rule once decoded")
