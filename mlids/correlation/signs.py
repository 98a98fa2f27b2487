"""Signs: what an event says of an attacker: who, where, which step of the kill chain, how much."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from mlids import addresses
from mlids.correlation import risk, tactics
from mlids.events import Event, Severity

LOGINS = ("Successful Login", "Failed Login")
INSIDE = frozenset(
    ("initial-access", "execution", "persistence", "privilege-escalation", "lateral-movement")
)
"""Tactics of somebody who is in; impact is none of them, for a flood comes from outside."""
LONGEST = 256  # characters of a text that is kept
HIGH, MEDIUM = Severity.HIGH.rank, Severity.MEDIUM.rank


class Sign(NamedTuple):
    """One event as a sign. address: what the blamed is counted by (IPv6: the /64), "" for none;
    machine: where it happened, as far as known; target: the one attacked, "" where several were.
    """

    event: Event
    time_ns: int
    rank: int
    weight: float
    step: tactics.Step
    address: str
    ip: str
    user: str
    path: str
    machine: str
    target: str

    @property
    def stage(self) -> str:
        """The stage it belongs to: its tactic, else its type."""
        return self.step.tactic or str(self.event["type"])[:LONGEST]

    @property
    def id(self) -> str:
        """The event's id, "" where it was not stamped."""
        return str(self.event.get("id", ""))

    @property
    def is_access(self) -> bool:
        """Whether it shows its author inside a machine: a login, or an attack that worked."""
        if self.event["type"] == "Successful Login":
            return True
        return self.rank >= HIGH and self.step.tactic in INSIDE


def sign(event: Event) -> Sign:
    """What an event is a sign of."""
    details = event["details"]
    severity = event["severity"]
    rank = Severity(severity).rank
    worked = rank >= HIGH or event["type"] == "Successful Login"
    ip = addresses.normalise(_text(details, "ip"))
    return Sign(
        event,
        event.time_ns,
        rank,
        risk.weight(severity, event.get("confidence", 1.0)),
        tactics.step(event.get("techniques"), worked),
        addresses.keys(ip)[0] if ip else "",
        ip,
        _text(details, "user"),
        _text(details, "path"),
        _machine(event, details),
        _target(details),
    )


def _machine(event: Event, details: dict[str, Any]) -> str:
    """Where it happened: what this host or another product saw there, or who logged the login.

    Other logs may come from anywhere: "".
    """
    if event["type"] in LOGINS:
        return short(_text(details, "target"))
    if event["source"] != "host":
        return ""
    metadata = details.get("metadata")
    named = metadata.get("host") if isinstance(metadata, dict) else ""
    return short(str(named or event.get("host", "")))


def _target(details: dict[str, Any]) -> str:
    metadata = details.get("metadata")
    if isinstance(metadata, dict) and metadata.get("hosts"):  # a sweep: this one is an example
        return ""
    return short(_text(details, "target"))


def short(name: str) -> str:
    """A machine's name without its domain; an address stays whole."""
    return _short(name[:LONGEST]) if name else ""


@lru_cache(maxsize=4096)
def _short(name: str) -> str:
    return addresses.normalise(name) or name.lower().partition(".")[0]


def _text(details: dict[str, Any], field: str) -> str:
    found = details.get(field)
    return found[:LONGEST] if isinstance(found, str) else ""
