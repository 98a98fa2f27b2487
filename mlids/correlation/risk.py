"""Risk: what events of one attacker add up to, however many there are of one kind.

The idea is risk-based alerting (Splunk Enterprise Security's risk index; Elastic's entity risk
score): signs too weak to be told as an attack each are added up by the one they are about.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mlids.volume import NS

HALVED_NS = 6 * 3600 * NS
OPENS = 1.0
WEIGHTS = {"LOW": 0.0, "MEDIUM": 0.15, "HIGH": 0.45, "CRITICAL": 1.0}
"""One HIGH is less than half of what opens, so its repeats (at most twice that) never reach it."""
BONUS = 0.2  # for every further tactic
LIVES_NS = 24 * 3600 * NS  # a tactic that was not seen for so long gives no bonus


class Amount(msgspec.Struct, array_like=True):
    """Risk of one sign as of a moment (ns since 1970)."""

    value: float = 0.0
    at_ns: int = 0

    def add(self, weight: float, time_ns: int) -> None:
        """Add an event's weight: the first whole, each repeat half of what is left to twice it.

        One that comes late (of an earlier time) counts for as much as is left of it by now.
        """
        if time_ns >= self.at_ns:
            self.value = self.at(time_ns)
            self.at_ns = time_ns
        else:
            weight = _faded(weight, self.at_ns - time_ns)
        self.value += max(0.0, weight - self.value / 2)

    def at(self, now_ns: int) -> float:
        """What is left of it at a moment."""
        return _faded(self.value, max(0, now_ns - self.at_ns))


def weight(severity: str, confidence: Any) -> float:
    """What one event adds: its severity's weight times its confidence (0 to 1)."""
    sure = confidence if isinstance(confidence, int | float) else 1.0
    return WEIGHTS.get(severity, 0.0) * min(1.0, max(0.0, sure))


def total(amounts: Iterable[Amount], tactics: int, now_ns: int) -> float:
    """Risk of all signs together, with the bonus for every tactic beyond the first."""
    return sum(amount.at(now_ns) for amount in amounts) + BONUS * max(0, tactics - 1)


def _faded(value: float, age_ns: int) -> float:
    return value * float(0.5 ** (age_ns / HALVED_NS))
