"""ArcSight Common Event Format, revision 26 (CEF:0): one event a line, UTF-8, without a header.

``CEF:0|MLIDS|MLIDS|version|rule|type|severity|extension``. Keys are those of its dictionary; in a
value ``=`` and backslashes are escaped and line ends written as ``\\n``, other characters that
could act on a terminal are shown as escapes. Values longer than the dictionary allows end in ``…``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mlids import __version__
from mlids.encoders import terminal_safe
from mlids.events import Event, Severity
from mlids.exports.facts import Endpoint, Facts, facts, text

SEVERITIES = {Severity.LOW: 3, Severity.MEDIUM: 5, Severity.HIGH: 8, Severity.CRITICAL: 10}
LIMITS = {"name": 512, "externalId": 40, "dvchost": 100, "proto": 31, "app": 31, "fileHash": 255}
LONGEST = 1023  # characters of most values
CUSTOM = 4000  # of cs1 to cs6
_ENDS = ("\n", "\r")  # a value may have them, a header not
_HEAD = str.maketrans({"\\": r"\\", "|": r"\|"})
_VALUE = str.maketrans({"\\": r"\\", "=": r"\=", "\n": r"\n", "\r": r"\r"})


def render(events: Iterable[Event]) -> Iterator[bytes]:
    """One message a line."""
    return (line(facts(event)).encode() + b"\n" for event in events)


def line(told: Facts) -> str:
    """The message of one event."""
    rule, name = told.rule or told.type, told.type
    head = ("MLIDS", "MLIDS", __version__, rule, name, str(SEVERITIES[told.severity]))
    fields = (
        f"{key}={_value(value, _limit(key))}"
        for key, value in _fields(told)
        if value not in ("", None)
    )
    return "|".join(("CEF:0", *map(_head, head), " ".join(fields)))


def _fields(told: Facts) -> Iterator[tuple[str, object]]:
    yield from {
        "rt": told.time_ns // 1_000_000,
        "start": told.first_ns // 1_000_000,
        "end": told.time_ns // 1_000_000,
        "externalId": told.id,
        "cat": text(told.event.get("source")),
        "act": "alert" if told.is_alert else "log",
        "outcome": told.outcome,
        "cnt": told.count,
        "dvchost": told.host,
        "proto": told.protocol.upper(),
        "app": told.service,
        "suser" if told.path else "duser": told.user,
        "filePath": told.path,
        "fname": told.filename,
        "fileHash": told.sha256,
        "msg": told.message,
        "reason": told.reason,
    }.items()
    yield from _end(told.source, "s", "c6a2", "Source IPv6 Address")
    yield from _end(told.target, "d", "c6a3", "Destination IPv6 Address")
    yield from _custom(told)


def _end(end: Endpoint, side: str, six: str, label: str) -> Iterator[tuple[str, object]]:
    """An end: `src` and `dst` hold IPv4 addresses only, IPv6 ones have keys of their own."""
    if ":" in end.ip:
        yield six, end.ip
        yield f"{six}Label", label
    else:
        yield {"s": "src", "d": "dst"}[side], end.ip
    yield f"{side}host", end.name
    yield f"{side}pt", end.port


def _custom(told: Facts) -> Iterator[tuple[str, object]]:
    """What the dictionary has no keys for, each with the name of what it is."""
    strings = {
        "correlation_id": text(told.event.get("correlation_id")),
        "techniques": ",".join(attack.id for attack in told.attacks),
        "tactics": ",".join(
            dict.fromkeys(t.name for attack in told.attacks for t in attack.tactics)
        ),
        "tags": ",".join(told.tags),
        "evidence": text(told.event.get("evidence") or None),
        "details": text(told.details or None),
    }
    for number, (label, value) in enumerate(strings.items(), 1):
        if value:
            yield f"cs{number}", value
            yield f"cs{number}Label", label
    if told.confidence is not None:
        yield "cfp1", told.confidence
        yield "cfp1Label", "confidence"


def _limit(key: str) -> int:
    return LIMITS.get(key, CUSTOM if re.fullmatch(r"cs\d", key) else LONGEST)


def _head(value: str) -> str:
    return _cut(terminal_safe(value, LONGEST), LIMITS["name"]).translate(_HEAD)


def _value(value: object, limit: int) -> str:
    shown = str(value)
    if not (shown.isascii() and shown.isprintable()):
        parts = re.split("([\r\n])", shown)
        shown = "".join(p if p in _ENDS else terminal_safe(p, len(p)) for p in parts)
    return _cut(shown, limit).translate(_VALUE)


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "…"
