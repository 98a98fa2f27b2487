"""Falco's alerts: each with its own rule, priority and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlids.ingested.findings import Finding, Place, at, techniques_in, words
from mlids.ingested.product import Product, Record, Told
from mlids.layouts import values

SEVERITIES = {
    "emergency": "CRITICAL",
    "alert": "CRITICAL",
    "critical": "CRITICAL",
    "error": "HIGH",
    "warning": "MEDIUM",
}
# Tags of tactics where no technique is named.
TACTICS = {
    "mitre_initial_access": "T1190", "mitre_execution": "T1059", "mitre_persistence": "T1546",
    "mitre_privilege_escalation": "T1068", "mitre_defense_evasion": "T1562",
    "mitre_credential_access": "T1003", "mitre_discovery": "T1082",
    "mitre_lateral_movement": "T1021", "mitre_exfiltration": "T1041",
    "mitre_command_and_control": "T1071", "mitre_impact": "T1496",
}  # fmt: skip
INBOUND = frozenset(("accept", "accept4", "recvfrom", "recvmsg"))
KEPT = (
    "container.id", "container.name", "container.image.repository", "container.image.tag",
    "k8s.ns.name", "k8s.pod.name", "user.name", "user.uid", "user.loginuid", "proc.name",
    "proc.cmdline", "proc.exepath", "proc.pname", "proc.tty", "fd.name", "evt.type", "ka.verb",
    "ka.user.name", "ka.target.resource", "ka.target.namespace", "ka.target.name",
    "ka.response.code", "ct.name", "ct.user",
)  # fmt: skip


class Falco(Product):
    """Alerts of Falco."""

    name = "falco"
    literals = (b'"priority"',)

    def told(self, record: Record, place: Place) -> Iterator[Told]:
        """The alert of a record."""
        rule, priority = words(record.get("rule")), words(record.get("priority"))
        if not (rule and priority):
            return
        fields = record.get("output_fields")
        fields = fields if isinstance(fields, dict) else {}
        found = record.get("tags")
        tags = [words(tag) for tag in found if words(tag)] if isinstance(found, list) else []
        named = techniques_in(tags)
        tactics = tuple(TACTICS[tag] for tag in tags if tag in TACTICS)
        severity = SEVERITIES.get(priority.lower(), "LOW")
        user = words(fields.get("user.name")) or words(fields.get("ka.user.name"))
        finding = Finding(
            severity=severity,
            source="host" if words(record.get("source")) in ("", "syscall") else "application",
            rule="falco",
            description=words(record.get("output")) or rule,
            explanation=f"Falco's rule {rule!r}, priority {priority} (threshold 1, no window)",
            details={
                "ip": _remote(fields),
                "user": "" if user == "<NA>" else user,
                "process": words(fields.get("proc.exepath")) or words(fields.get("proc.name")),
                "path": words(fields.get("fd.name")) if _is_file(fields) else "",
                "target": words(fields.get("container.name")) or words(record.get("hostname")),
            },
            metadata={
                "rule": rule,
                "priority": priority,
                "source": words(record.get("source")),
                "host": words(record.get("hostname")),
                **{name: fields[name] for name in KEPT if fields.get(name) not in (None, "<NA>")},
            },
            techniques=named or tactics[:1],
            tags=("falco", *tags),
        )
        yield finding, place


def _is_file(fields: dict[str, Any]) -> bool:
    name = words(fields.get("fd.name"))
    return name.startswith("/") and words(fields.get("fd.type")) in ("", "file", "directory")


def _remote(fields: dict[str, Any]) -> str:
    """The address at the other side of a connection, where the fields say which side that is."""
    if fields.get("fd.rip"):
        found = fields["fd.rip"]
    else:
        kind = words(fields.get("evt.type"))
        inbound = kind in INBOUND or fields.get("fd.is_server") is True
        found = fields.get("fd.cip") if inbound else None
        if found is None and kind == "connect":
            found = fields.get("fd.sip")
    if found is None:
        found = at(fields, "ka.sourceips") or at(fields, "ct.srcip")
    address = values.address(found[-1] if isinstance(found, list) and found else found)
    return address.decode() if address else ""
