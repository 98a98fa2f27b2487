"""Open Cybersecurity Schema Framework 1.8 (schema.ocsf.io): JSON lines, one event a line.

Alerts are Detection Findings (2004), logins Authentication (3002), changes of files File System
Activity (1001), starts and stops of MLIDS Application Lifecycle (6002), and what else MLIDS tells
of itself Base Events (0). What has no place in a class is in ``unmapped``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from mlids import __version__
from mlids.encoders import json_safe
from mlids.events import Event, Severity
from mlids.exports.facts import PLACED, Attack, Endpoint, Facts, facts, filled

VERSION = "1.8.0"
UNKNOWN = "unknown"  # stands where a class asks for a name and none is known
PRODUCT = {"name": "MLIDS", "vendor_name": "MLIDS", "version": __version__}
SEVERITIES = {
    Severity.LOW: (2, "Low"),
    Severity.MEDIUM: (3, "Medium"),
    Severity.HIGH: (4, "High"),
    Severity.CRITICAL: (5, "Critical"),
}
STATUSES = {"success": (1, "Success"), "failure": (2, "Failure"), "": (0, "Unknown")}


# What analysts pivot on: where it stands, and number and name of its kind (observable.type_id).
PIVOTS = {
    ("src_endpoint", "ip"): (2, "IP Address"),
    ("dst_endpoint", "ip"): (2, "IP Address"),
    ("src_endpoint", "hostname"): (1, "Hostname"),
    ("dst_endpoint", "hostname"): (1, "Hostname"),
    ("user", "name"): (4, "User Name"),
    ("file", "path"): (45, "File Path"),
}


class Class(NamedTuple):
    """A class of events: its number, its name, that of its category, which details it tells, how.

    What is told by no attribute of the class is put below ``unmapped``.
    """

    uid: int
    name: str
    category: str
    tells: frozenset[str]
    attributes: Callable[[Facts], dict[str, Any]]


def render(events: Iterable[Event]) -> Iterator[bytes]:
    """One event a line."""
    return (json_safe(_encode(document(facts(event)))) + b"\n" for event in events)


_encode = msgspec.json.Encoder().encode


def document(told: Facts) -> dict[str, Any]:
    """One event as its class asks for it."""
    kind, activity_id, activity = _classified(told)
    severity_id, severity = SEVERITIES[told.severity]
    attributes = filled(kind.attributes(told))
    return filled(
        {
            "activity_id": activity_id,
            "activity_name": activity,
            "category_uid": kind.uid // 1000,
            "category_name": kind.category,
            "class_uid": kind.uid,
            "class_name": kind.name,
            "type_uid": kind.uid * 100 + activity_id,
            "type_name": f"{kind.name}: {activity}",
            "severity_id": severity_id,
            "severity": severity,
            "time": told.time_ns // 1_000_000,
            "start_time": told.first_ns // 1_000_000,
            "end_time": told.time_ns // 1_000_000,
            "count": told.count,
            "message": told.message,
            "metadata": _metadata(told),
            "device": _device(told),
            **attributes,
            "observables": list(_observables(attributes)),
            "unmapped": told.left("type", "severity", "correlation_id", details=kind.tells),
        }
    )


def _classified(told: Facts) -> tuple[Class, int, str]:
    """The class of an event, and its activity there."""
    if told.is_alert:
        return FINDING, 1, "Create"
    return ACTIVITIES.get(told.type, (BASE, 99, told.type or "Other"))


def _metadata(told: Facts) -> dict[str, Any]:
    kind, _, _ = _classified(told)
    controls = ["security_control"] if kind is not FINDING and told.attacks else []
    return filled(
        {
            "version": VERSION,
            "product": PRODUCT,
            "uid": told.id,
            "correlation_uid": told.event.get("correlation_id"),
            "event_code": told.type,
            "labels": told.tags,
            "profiles": ["host", *controls],
        }
    )


def _finding(told: Facts) -> dict[str, Any]:
    sure = told.confidence
    analytic = {"type_id": 1, "type": "Rule", "name": told.rule, "uid": told.rule}
    info = {
        "uid": told.id,
        "title": told.type,
        "desc": told.reason or told.message,
        "types": [told.type],
        "created_time": told.time_ns // 1_000_000,
        "analytic": analytic if told.rule else {},
        "attacks": _attacks(told),
    }
    return {
        "finding_info": filled(info),
        "is_alert": True,
        "status_id": 1,
        "status": "New",
        "confidence_id": 0 if sure is None else 1 + (sure >= 0.4) + (sure >= 0.75),
        "confidence_score": None if sure is None else round(100 * sure),
        "evidences": _evidences(told),
    }


def _evidences(told: Facts) -> list[dict[str, Any]]:
    connection = {"protocol_name": told.protocol, "direction_id": 0} if told.protocol else {}
    evidence = filled(
        {
            "src_endpoint": _endpoint(told.source),
            "dst_endpoint": _endpoint(told.target, told.service),
            "connection_info": connection,
            "user": filled({"name": told.user}),
            "file": _file(told) if told.path else {},
        }
    )
    return [evidence] if evidence else []


def _authentication(told: Facts) -> dict[str, Any]:
    status_id, status = STATUSES[told.outcome]
    return {
        "user": _user(told),
        "src_endpoint": _endpoint(told.source),
        "dst_endpoint": _endpoint(told.target) or {"hostname": told.host or UNKNOWN},
        "service": filled({"name": told.service}),
        "is_remote": True if told.source.ip else None,
        "status_id": status_id,
        "status": status,
        "status_detail": told.reason,
        **_control(told),
    }


def _file_activity(told: Facts) -> dict[str, Any]:
    return {
        "actor": {"user": _user(told)},
        "file": _file(told),
        "status_id": 1,
        "status": "Success",
        "status_detail": told.reason,
        **_control(told),
    }


def _lifecycle(told: Facts) -> dict[str, Any]:
    return {"app": PRODUCT, "status_id": 1, "status": "Success", **_control(told)}


def _control(told: Facts) -> dict[str, Any]:
    """What the profile Security Control adds to an activity that serves an attack."""
    if not told.attacks:
        return {}
    return {"action_id": 3, "action": "Observed", "attacks": _attacks(told)}


def _attacks(told: Facts) -> list[dict[str, Any]]:
    return [_attack(attack) for attack in told.attacks]


def _attack(attack: Attack) -> dict[str, Any]:
    technique, name = {"uid": attack.id.partition(".")[0]}, attack.name.partition(": ")
    if name[0]:
        technique["name"] = name[0]
    part = {"uid": attack.id, "name": name[2]} if "." in attack.id else {}
    return filled(
        {
            "technique": technique,
            "sub_technique": filled(part),
            "tactics": [{"uid": one.id, "name": one.name} for one in attack.tactics],
        }
    )


def _device(told: Facts) -> dict[str, Any]:
    return {"hostname": told.host or UNKNOWN, "type_id": 0}


def _endpoint(end: Endpoint, service: str = "") -> dict[str, Any]:
    """An endpoint of the network; a port alone is none, so it gets a name."""
    named = filled({"ip": end.ip, "hostname": end.name, "svc_name": service})
    if end.port is None:
        return named
    return {**(named or {"hostname": UNKNOWN}), "port": end.port}


def _user(told: Facts) -> dict[str, Any]:
    return {"name": told.user or UNKNOWN}


def _file(told: Facts) -> dict[str, Any]:
    digest = {"algorithm_id": 3, "algorithm": "SHA-256", "value": told.sha256}
    return filled(
        {
            "name": told.filename or told.path or UNKNOWN,
            "path": told.path,
            "type_id": 0,
            "hashes": [digest] if told.sha256 else [],
        }
    )


def _observables(attributes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    holders = {"": attributes, "actor.": attributes.get("actor", {})}
    holders |= {f"evidences[{n}].": one for n, one in enumerate(attributes.get("evidences", ()))}
    for before, holder in holders.items():
        for (name, key), (type_id, kind) in PIVOTS.items():
            value = holder.get(name, {}).get(key, UNKNOWN)
            if value != UNKNOWN:
                place = f"{before}{name}.{key}"
                yield {"name": place, "type_id": type_id, "type": kind, "value": value}


_OWN = frozenset(("description",))
_FILE = _OWN | {"path", "user"}
_LOGIN = PLACED - {"path", "protocol"}
FINDING = Class(2004, "Detection Finding", "Findings", PLACED, _finding)
AUTHENTICATION = Class(
    3002, "Authentication", "Identity & Access Management", _LOGIN, _authentication
)
FILES = Class(1001, "File System Activity", "System Activity", _FILE, _file_activity)
LIFECYCLE = Class(6002, "Application Lifecycle", "Application Activity", _OWN, _lifecycle)
BASE = Class(0, "Base Event", "Uncategorized", _OWN, _control)
ACTIVITIES = {
    "Failed Login": (AUTHENTICATION, 1, "Logon"),
    "Successful Login": (AUTHENTICATION, 1, "Logon"),
    "File Created": (FILES, 1, "Create"),
    "File Access": (FILES, 2, "Read"),
    "File Modified": (FILES, 3, "Update"),
    "Package Update": (FILES, 3, "Update"),
    "File Deleted": (FILES, 4, "Delete"),
    "Service Started": (LIFECYCLE, 3, "Start"),
    "Service Stopped": (LIFECYCLE, 4, "Stop"),
}
