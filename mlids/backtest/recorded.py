"""What a stored detection recorded of itself, held against other settings.

A detection of live packets cannot be seen again; but it says what was observed, and against which
threshold. That answers what a higher threshold would have silenced. What stayed below the old one
was never stored, so what a lower one would add cannot be known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from mlids.backtest.changes import Difference
from mlids.events import Event

WORDS = {
    "attempts": "failed logins",
    "failures": "failed logins",
    "distinct": "distinct ones",
    "observed": "observed",
    "count": "counted",
    "peak": "a second",
    "risk": "risk",
}
"""By name in the metadata what an observation counts; the first that is there is it."""
ROUNDS = "distinct"  # counted in rounds of the threshold: what was left of the last is not recorded
PHRASES = {
    ("port_scan", "threshold"): r"threshold \d+ in ",
    ("port_scan", "contacts"): r"threshold \d+ without a gap",
    ("port_scan", "sweep_hosts"): r"threshold \d+ hosts in 300 s",
    ("port_scan", "echo_hosts"): r"threshold \d+ hosts in (?!300 s)",
    ("port_scan", "flag_packets"): r"threshold \d+ packets",
    ("port_scan", "protocols"): r"threshold \d+ protocols",
    ("port_scan", "probes"): r"threshold \d+ kinds",
    ("port_scan", "arp_hosts"): r"threshold \d+ addresses",
}
"""How an explanation names a setting, where several settings of a plugin may have one value."""
BESIDE = {("port_scan", "threshold"): "contacts"}
"""A setting that tells the same thing by a higher count of its own, whatever the first one is."""
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,6})?")


class Recorded(msgspec.Struct, frozen=True):
    """What was observed (None: not recorded) of what, and the threshold that it was held against.

    slack: how much more may have come without being recorded.
    """

    observed: float | None
    threshold: float | None
    what: str = ""
    slack: float = 0


class Judgement(NamedTuple):
    """kept: whether it would still be told; why: in words; sure: False where more may have come."""

    kept: bool
    why: str
    sure: bool = True


def recorded(event: Event) -> Recorded:
    """What an event recorded; of a broken one nothing."""
    details = event["details"]
    metadata = details.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    threshold = _number(metadata.get("threshold"))
    for name, what in WORDS.items():
        if (observed := _number(metadata.get(name))) is not None:
            slack = threshold - 1 if name == ROUNDS and threshold else 0
            return Recorded(observed, threshold, what, slack)
    return Recorded(_number(event.get("explanation")), threshold, "observed")


def _number(value: object) -> float | None:
    """A number, or the one that a text begins with (``100 in 1 s``)."""
    if isinstance(value, str):
        found = _NUMBER.match(value)
        return float(found[0]) if found else None
    return float(value) if isinstance(value, int | float) and abs(value) < 1e18 else None


class Judge:
    """Judges stored detections of plugins whose settings change.

    asked: by plugin how many it judged; unjudged: by plugin and reason how many it could not.
    """

    def __init__(self, differences: Mapping[str, Difference]) -> None:
        self._differences = differences
        self.asked: Counter[str] = Counter()
        self.unjudged: Counter[tuple[str, str]] = Counter()

    def keeps(self, plugin: str, event: Event) -> bool:
        """Whether a stored detection would still be told, as far as can be known."""
        self.asked[plugin] += 1
        found = self.judgement(plugin, recorded(event), str(event.get("explanation", "")))
        if isinstance(found, str):
            self.unjudged[plugin, found] += 1
            return True
        return found.kept

    def judgement(self, plugin: str, seen: Recorded, explanation: str) -> Judgement | str:
        """What the change means for a detection; a text says why that cannot be known."""
        difference = self._differences[plugin]
        if not difference.enabled[1]:
            return Judgement(False, f"{plugin} is switched off")
        if seen.threshold is None or seen.observed is None:
            return "no observed value and threshold were recorded"
        fields = self._deciding(plugin, seen.threshold, explanation)
        if not fields:
            return "the recorded threshold is none of the settings"
        if len(fields) > 1:
            return f"which of {' and '.join(fields)} decided was not recorded"
        needed = difference.changed.get(fields[0])
        if not isinstance(needed, int | float):
            only_numbers = all(isinstance(v, int | float) for v in difference.changed.values())
            kept = Judgement(True, f"{fields[0]} decided, which stays")
            return kept if only_numbers else "what changes is no threshold"
        beside = BESIDE.get((plugin, fields[0]), "")
        other = {**difference.settings, **difference.changed}.get(beside, needed)
        return _against(seen, min(needed, other))

    def _deciding(self, plugin: str, threshold: float, explanation: str) -> list[str]:
        """The settings that may be the recorded threshold."""
        settings = self._differences[plugin].settings
        fields = [
            name
            for name, value in settings.items()
            if isinstance(value, int | float)
            and not isinstance(value, bool)
            and value == threshold
            and "window" not in name
        ]
        named = [name for name in fields if _is_named(plugin, name, explanation)]
        return named or fields


def _is_named(plugin: str, field: str, explanation: str) -> bool:
    phrase = PHRASES.get((plugin, field))
    return phrase is not None and re.search(phrase, explanation) is not None


def _against(seen: Recorded, needed: float) -> Judgement:
    assert seen.observed is not None
    text = f"{seen.observed:,g} {seen.what}, {needed:,g} needed"
    if seen.observed >= needed:
        return Judgement(True, text)
    if seen.observed + seen.slack >= needed:
        return Judgement(False, f"{text}; up to {seen.slack:,g} more were not recorded", False)
    return Judgement(False, text)
