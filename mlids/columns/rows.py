"""Rows of the columns: what stands in them of an event, and which events are ordinary.

An ordinary event is just as MLIDS writes it: plain ASCII, and every value that has a column of the
type it usually has. Of ordinary rows a question in SQL and `Query.matches` say the same; every
other row is `odd`: questions decode its event and ask `Query.matches` itself.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from mlids import records
from mlids.events import Severity, parse_time
from mlids.moments import LAST_NS
from mlids.proofs import bare
from mlids.query.fields import address_key
from mlids.query.nodes import SEPARATOR

_RANKS = {severity.value: severity.rank for severity in Severity}


class Row(msgspec.Struct, omit_defaults=True):
    """One event as columns. line: in the segment, from 1; time: ns; severity: its rank.

    event: its JSON, without proof. The keys of addresses are those of
    `mlids.query.fields.address_key`; tags and techniques stand between separators. An odd row has
    no more than the first five.
    """

    line: int
    time: int
    severity: int
    odd: bool
    event: str
    type: str | None = None
    source: str | None = None
    ip: str | None = None
    ip_key: str | None = None
    target: str | None = None
    target_key: str | None = None
    user: str | None = None
    path: str | None = None
    rule: str | None = None
    host: str | None = None
    tags: str | None = None
    techniques: str | None = None
    confidence: float | None = None
    suppressed: int | None = None


# Their types in SQL.
TYPES = {
    "line": "UINTEGER",
    "time": "BIGINT",
    "severity": "UTINYINT",
    "odd": "BOOLEAN",
    "confidence": "DOUBLE",
    "suppressed": "BIGINT",
}
COLUMNS = {name: TYPES.get(name, "VARCHAR") for name in Row.__struct_fields__}


def row(line: bytes, number: int) -> Row | None:
    """The row of a stored line; None where it holds no event."""
    text = bare(line)
    made = _ordinary(text, number)
    if made or not (event := records.read(line)):
        return made
    return Row(number, event.time_ns, _RANKS[event["severity"]], True, text.decode())


class _Usual(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An event as `Event.new` and `Event.stamped` make it, in the order of their keys."""

    timestamp: str
    type: str
    severity: Severity
    source: str
    details: dict[str, Any]
    correlation_id: str
    tags: list[str]
    rule: str | UnsetType = UNSET
    techniques: list[str] | UnsetType = UNSET
    confidence: float | UnsetType = UNSET
    evidence: list[Any] | UnsetType = UNSET
    explanation: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    host: str | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Usual).decode
_encode = msgspec.json.Encoder().encode


def _ordinary(text: bytes, number: int) -> Row | None:
    """The row of an ordinary event, None where it is none."""
    if not text.isascii() or b"\\u" in text:
        return None
    try:
        event = _decode(text)
        time = parse_time(event.timestamp)
        if _encode(event) != text:
            return None
    except (msgspec.DecodeError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    details = event.details
    ip, target = details.get("ip"), details.get("target")
    user, path = details.get("user"), details.get("path")
    suppressed = details.get("suppressed")
    if not (
        0 <= time < LAST_NS
        and event.timestamp[10] == "T"
        and (type(ip) is str or (ip is None and "ip" not in details))
        and (type(target) is str or (target is None and "target" not in details))
        and (type(user) is str or (user is None and "user" not in details))
        and (type(path) is str or (path is None and "path" not in details))
        and (suppressed is None or (type(suppressed) is int and abs(suppressed) < 1 << 53))
    ):
        return None
    return Row(
        number,
        time,
        event.severity.rank,
        False,
        text.decode(),
        event.type,
        event.source,
        ip,
        address_key(ip) if ip else None,
        target,
        address_key(target) if target else None,
        user,
        path,
        None if event.rule is UNSET else event.rule,
        None if event.host is UNSET else event.host,
        _joined(event.tags),
        _joined(event.techniques),
        None if event.confidence is UNSET else event.confidence,
        suppressed,
    )


def _joined(values: list[str] | UnsetType) -> str | None:
    return f"{SEPARATOR}{SEPARATOR.join(values)}{SEPARATOR}" if values else None
