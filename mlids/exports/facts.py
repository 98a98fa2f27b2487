"""What an event says, in the types that the formats of other tools ask for.

Under any key of an event may stand anything: who calls `log_event` is free, and text comes from
attackers. Here an address is an address, a port a number from 0 to 65535 and all else text; details
of another type are among those left over, so that they are not lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from mlids import addresses
from mlids.correlation import tactics
from mlids.events import TYPES, Event, Severity, detection_id, format_time

# What merely happened, and what MLIDS tells of itself; every other type is an alert.
RECORDED = frozenset(
    (
        "File Created",
        "File Modified",
        "File Deleted",
        "File Access",
        "Package Update",
        "Failed Login",
        "Successful Login",
        "Monitoring Gap",
        "Configuration Changed",
        "Events Suppressed",
        "Log Retention",
        "Service Started",
        "Service Stopped",
    )
)
OUTCOMES = {
    "Failed Login": "failure",
    "Successful Login": "success",
    "Suspicious Login": "success",
}
CLIENT_PORTS = ("login", "impossible_travel")  # rules whose `port` is the one that is blamed
_TEXTS = ("user", "path", "protocol", "service", "description")
PLACED = frozenset(("ip", "target", "port", *_TEXTS))  # details that have attributes of their own
_TOLD = frozenset(("timestamp", "details", "id", "host", "rule", "tags", "techniques"))
_LAST_NS = 253_402_300_800 * 10**9  # the year 10000
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Endpoint(NamedTuple):
    """One end of what happened: its address, the name that stands in place of one, its port."""

    ip: str = ""
    name: str = ""
    port: int | None = None


class Tactic(NamedTuple):
    """An ATT&CK tactic: TA0006, credential-access, Credential Access."""

    id: str
    phase: str
    name: str


class Attack(NamedTuple):
    """An ATT&CK technique; its name is "" and it has no tactics where MLIDS does not know it."""

    id: str
    name: str
    tactics: tuple[Tactic, ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says.

    time_ns: 0 where its time is none; first_ns: when what it tells of began; count: how many it
    stands for; reason: the explanation; user, path, protocol, service: "" unknown; sha256: of the
    file as it is now, else as it was.
    """

    event: Event
    details: dict[str, Any]  # those that no other attribute tells
    time_ns: int
    first_ns: int
    type: str
    severity: Severity
    id: str
    host: str
    rule: str
    message: str
    reason: str
    source: Endpoint
    target: Endpoint
    user: str
    path: str
    protocol: str
    service: str
    sha256: str
    attacks: list[Attack]
    tags: list[str]
    count: int
    confidence: float | None

    @property
    def timestamp(self) -> str:
        """When it happened: 2025-01-13T10:30:45.123456Z."""
        return format_time(self.time_ns)

    @property
    def is_alert(self) -> bool:
        """Whether it says that something is wrong, not only that something happened."""
        if self.type in TYPES:
            return self.type not in RECORDED
        return self.severity != Severity.LOW

    @property
    def outcome(self) -> str:
        """How what happened ended: success, failure, "" where neither makes sense."""
        return OUTCOMES.get(self.type, "")

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rpartition("/")[2]

    def left(self, *told: str, details: frozenset[str] = PLACED) -> dict[str, Any]:
        """What a format does not tell.

        told: keys of the event that it tells, beside those that all do; details: those of `PLACED`
        that it tells.
        """
        known = _TOLD.union(told)
        rest = {key: value for key, value in self.event.items() if key not in known}
        given = self.event.get("details")
        items = given.items() if isinstance(given, dict) else ()
        untold = {key: one for key, one in items if key in self.details or key not in details}
        return filled({**rest, "details": untold})


def facts(event: Event) -> Facts:
    """The facts of an event."""
    event = stored(event)
    details = dict(event["details"]) if isinstance(event.get("details"), dict) else {}
    rule = text(event.get("rule"))
    place = "source" if rule.partition("/")[0] in CLIENT_PORTS else "target"
    ports, time_ns = {place: _port(details)}, _time_ns(event)
    source, target = Endpoint(*_address(details, "ip")), Endpoint(*_address(details, "target"))
    taken = {key: _text(details, key) for key in _TEXTS}
    return Facts(
        event=event,
        time_ns=time_ns,
        first_ns=max(0, time_ns - _lasted_ns(details)),
        type=text(event.get("type")),
        severity=_severity(event),
        id=text(event.get("id")) or detection_id(event.encoded().decode()),
        host=text(event.get("host")),
        rule=rule,
        message=taken["description"] or text(event.get("type")),
        reason=text(event.get("explanation")),
        source=source._replace(port=ports.get("source")),
        target=target._replace(port=ports.get("target")),
        user=taken["user"],
        path=taken["path"],
        protocol=taken["protocol"].lower(),
        service=taken["service"],
        sha256=_sha256(details),
        attacks=[_attack(name) for name in map(text, _list(event, "techniques")) if name],
        tags=[text(tag) for tag in _list(event, "tags")],
        count=_count(details),
        confidence=_confidence(event),
        details=details,
    )


def stored(event: Event) -> Event:
    """The event as it is read back from the store: with nothing but what JSON can carry."""
    return Event.decode(event.encoded())


def text(value: Any) -> str:
    """A value as text: "" for None, JSON for what is no text."""
    if isinstance(value, str):
        return value
    return "" if value is None else _encode(value).decode()


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what is empty: text, lists and objects with nothing in them, None."""
    return {key: value for key, value in values.items() if value not in ("", None, [], {})}


def _time_ns(event: Event) -> int:
    try:
        time_ns = event.time_ns
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0
    return time_ns if 0 <= time_ns < _LAST_NS else 0


def _severity(event: Event) -> Severity:
    try:
        return Severity(str(event.get("severity")))
    except ValueError:
        return Severity.MEDIUM


def _address(details: dict[str, Any], key: str) -> tuple[str, str]:
    """An address and a name: one of them is given, or none."""
    value = _text(details, key)
    ip = addresses.normalise(value)
    return (ip, "") if ip else ("", value)


def _text(details: dict[str, Any], key: str) -> str:
    return details.pop(key) if isinstance(details.get(key), str) else ""


def _port(details: dict[str, Any]) -> int | None:
    port = details.get("port")
    if type(port) is not int or not 0 <= port <= 65535:
        return None
    return int(details.pop("port"))


def _list(event: Event, key: str) -> list[Any]:
    value = event.get(key)
    return value if isinstance(value, list) else [] if value is None else [value]


def _count(details: dict[str, Any]) -> int:
    suppressed = details.get("suppressed")
    return 1 + suppressed if type(suppressed) is int and suppressed > 0 else 1


def _lasted_ns(details: dict[str, Any]) -> int:
    """How long floods and scans had been going on when they were told."""
    metadata = details.get("metadata")
    seconds: Any = metadata.get("seconds") if isinstance(metadata, dict) else None
    return int(seconds * 1e9) if _is_number(seconds) and 0 < seconds < 1e9 else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _confidence(event: Event) -> float | None:
    value: Any = event.get("confidence")
    return float(value) if _is_number(value) and 0 <= value <= 1 else None


def _sha256(details: dict[str, Any]) -> str:
    metadata = details.get("metadata")
    for state in ("after", "before"):
        known = metadata.get(state) if isinstance(metadata, dict) else None
        digest = known.get("sha256") if isinstance(known, dict) else None
        if isinstance(digest, str) and len(digest) == 64 and not digest.strip("0123456789abcdef"):
            return digest
    return ""


@lru_cache(maxsize=1024)
def _attack(name: str) -> Attack:
    known, ids = tactics.technique(name), tactics.tactic_ids()
    if known is None:
        return Attack(name, "", ())
    exact = known.name if name in tactics.techniques() else ""
    served = (Tactic(ids[phase], phase, _tactic_name(phase)) for phase in known.tactics)
    return Attack(name, exact, tuple(served))


def _tactic_name(phase: str) -> str:
    return phase.replace("-", " ").title().replace(" And ", " and ")
