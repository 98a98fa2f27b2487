"""Elastic Common Schema 9.5 (elastic.co/docs/reference/ecs): JSON lines, one document an event.

Only fields of the schema, each of its own type and with allowed values; what has no place there is
below ``mlids``, where the details of the event keep their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from mlids import addresses
from mlids.encoders import json_safe
from mlids.events import Event, Severity, format_time
from mlids.exports.facts import Endpoint, Facts, facts, filled

VERSION = "9.5.0"
# event.category and event.type; every type stands among those that its category expects.
NETWORK = (("intrusion_detection", "network"), ("info",))
WEB = (("intrusion_detection", "web"), ("info",))
LOGIN = (("authentication",), ("start",))
OWN = (("host",), ("info",))  # what MLIDS tells of its own watching
CATEGORIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Port Scan": NETWORK,
    "DoS Attack": NETWORK,
    "Packet Anomaly": NETWORK,
    "Rogue AP": NETWORK,
    "ARP Spoofing": NETWORK,
    "DNS Tunneling": NETWORK,
    "New Device": (("network", "host"), ("info",)),
    "File Created": (("file",), ("creation",)),
    "File Modified": (("file",), ("change",)),
    "File Deleted": (("file",), ("deletion",)),
    "File Access": (("file",), ("access",)),
    "Integrity Violation": (("intrusion_detection", "file"), ("info", "change")),
    "Package Update": (("package", "file"), ("change",)),
    "Failed Login": LOGIN,
    "Successful Login": LOGIN,
    "Suspicious Login": (("intrusion_detection", "authentication"), ("info", "start")),
    "Brute Force": (("intrusion_detection", "authentication"), ("info",)),
    "SQL Injection": WEB,
    "XSS": WEB,
    "Command Injection": WEB,
    "Path Traversal": WEB,
    "Web Scan": WEB,
    "Monitoring Gap": OWN,
    "Events Suppressed": OWN,
    "Log Retention": OWN,
    "Configuration Changed": (("configuration",), ("change",)),
    "Service Started": (("process",), ("start",)),
    "Service Stopped": (("process",), ("end",)),
}
ELSE = (("intrusion_detection",), ("info",))  # of every other type
# What Elastic's own detection rules give their severities as scores.
RISK = {Severity.LOW: 21, Severity.MEDIUM: 47, Severity.HIGH: 73, Severity.CRITICAL: 99}
TRANSPORTS = {"icmpv6": "ipv6-icmp"} | {name: name for name in ("tcp", "udp", "icmp", "sctp")}

_encode = msgspec.json.Encoder().encode


def render(events: Iterable[Event]) -> Iterator[bytes]:
    """One document a line."""
    return (json_safe(_encode(document(facts(event)))) + b"\n" for event in events)


def document(told: Facts) -> dict[str, Any]:
    """The document of one event."""
    return filled(
        {
            "@timestamp": told.timestamp,
            "ecs": {"version": VERSION},
            "message": told.message,
            "tags": told.tags,
            "event": _event(told),
            "rule": _rule(told),
            "source": _end(told.source),
            "destination": _end(told.target),
            "network": _network(told),
            "service": filled({"name": told.service}),
            "user": filled({"name": told.user}),
            "host": filled({"name": told.host}),
            "observer": {"vendor": "MLIDS", "product": "MLIDS", "type": "ids"},
            "file": _file(told),
            "threat": _threat(told),
            "related": _related(told),
            "mlids": told.left("explanation"),
        }
    )


def _event(told: Facts) -> dict[str, Any]:
    category, types = CATEGORIES.get(told.type, ELSE)
    return filled(
        {
            "kind": "alert" if told.is_alert else "event",
            "category": category,
            "type": types,
            "outcome": told.outcome,
            "action": told.type.lower().replace(" ", "-"),
            "severity": told.severity.rank + 1,
            "risk_score": RISK[told.severity],
            "id": told.id,
            "module": "mlids",
            "dataset": "mlids.events",
            "start": format_time(told.first_ns) if told.first_ns < told.time_ns else "",
            "provider": told.rule.partition("/")[0],
            "reason": told.reason,
        }
    )


def _rule(told: Facts) -> dict[str, Any]:
    return {"id": told.rule, "name": told.rule, "ruleset": "mlids"} if told.rule else {}


def _end(end: Endpoint) -> dict[str, Any]:
    return filled({"address": end.ip or end.name, "ip": end.ip, "port": end.port})


def _network(told: Facts) -> dict[str, Any]:
    transport = TRANSPORTS.get(told.protocol, "")
    ip = told.source.ip or told.target.ip
    return filled(
        {
            "transport": transport,
            "protocol": "" if transport else told.protocol,
            "type": ("ipv6" if ":" in ip else "ipv4") if ip else "",
        }
    )


def _file(told: Facts) -> dict[str, Any]:
    if not told.path:
        return {}
    directory = told.path.rstrip("/").rpartition("/")[0]
    return filled(
        {
            "path": told.path,
            "name": told.filename,
            "directory": directory,
            "hash": filled({"sha256": told.sha256}),
        }
    )


def _threat(told: Facts) -> dict[str, Any]:
    """Techniques, and beside them the sub-techniques of which they are the whole."""
    if not told.attacks:
        return {}
    names = {attack.id: attack.name for attack in told.attacks}
    parts = [name for name in names if "." in name]
    whole = dict.fromkeys(name.partition(".")[0] for name in names)
    tactics = {tactic.id: tactic.name for attack in told.attacks for tactic in attack.tactics}
    return filled(
        {
            "framework": "MITRE ATT&CK",
            "technique": filled(
                {
                    "id": list(whole),
                    "name": [name for one in whole if (name := _whole_name(names, one))],
                    "subtechnique": filled(
                        {
                            "id": parts,
                            "name": [
                                name for one in parts if (name := names[one].partition(": ")[2])
                            ],
                        }
                    ),
                }
            ),
            "tactic": filled({"id": list(tactics), "name": list(tactics.values())}),
        }
    )


def _whole_name(names: dict[str, str], technique: str) -> str:
    """The name of a technique; that of a part begins with it."""
    found = (name for one, name in names.items() if one.partition(".")[0] == technique)
    return next(found).partition(": ")[0]


def _related(told: Facts) -> dict[str, Any]:
    ends = (told.source, told.target)
    metadata = told.details.get("metadata")
    sources = metadata.get("sources") if isinstance(metadata, dict) else None
    others = sources if isinstance(sources, list) else []
    ips = [end.ip for end in ends] + [addresses.normalise(x) for x in others if isinstance(x, str)]
    return filled(
        {
            "ip": list(dict.fromkeys(filter(None, ips))),
            "user": [told.user] if told.user else [],
            "hosts": list(dict.fromkeys(filter(None, (told.host, *(end.name for end in ends))))),
            "hash": [told.sha256] if told.sha256 else [],
        }
    )
