"""OPA Gatekeeper: violations of constraints, as its audit and its admission log them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlids.ingested.findings import Finding, Place, at, words
from mlids.ingested.product import Product, Record, Told

MOST = 500  # violations of one constraint that are told
# Kinds of constraints whose violation gives the node or the cluster away.
GRAVE = ("privileg", "hostnamespace", "hostpath", "hostfilesystem", "hostnetwork", "capabilit",
         "procmount", "clusterrole", "apparmor", "seccomp", "selinux")  # fmt: skip
HIGH_KINDS = GRAVE[:6]


class Gatekeeper(Product):
    """Violations that Gatekeeper found."""

    name = "gatekeeper"
    literals = (b'"constraint_kind"', b'"violations"')

    def told(self, record: Record, place: Place) -> Iterator[Told]:
        """The violation of a line, or those in the status of a constraint."""
        if words(record.get("constraint_kind")):
            yield _finding(record), place
            return
        violations = at(record, "status", "violations")
        for each in violations[:MOST] if isinstance(violations, list) else ():
            if isinstance(each, dict):
                yield _finding(_as_logged(record, each)), place


def _as_logged(constraint: Record, violation: dict[str, Any]) -> dict[str, Any]:
    """A violation in a constraint's status under the names of the log."""
    return {
        "process": "audit",
        "constraint_kind": constraint.get("kind"),
        "constraint_name": at(constraint, "metadata", "name"),
        "constraint_action": violation.get("enforcementAction")
        or at(constraint, "spec", "enforcementAction")
        or "deny",
        "msg": violation.get("message"),
        "resource_kind": violation.get("kind"),
        "resource_name": violation.get("name"),
        "resource_namespace": violation.get("namespace"),
        "resource_group": violation.get("group"),
    }


def _finding(record: Record) -> Finding:
    kind, action = words(record.get("constraint_kind")), words(record.get("constraint_action"))
    parts = [words(record.get(f"resource_{n}")) for n in ("namespace", "kind", "name")]
    target = "/".join(part for part in parts if part)
    name = words(record.get("constraint_name"))
    said = words(record.get("msg")) or words(record.get("constraint_violations"))
    process = words(record.get("process"))
    severity = _severity(kind, action)
    keys = (
        "process", "event_type", "constraint_kind", "constraint_name", "constraint_namespace",
        "constraint_action", "resource_group", "resource_api_version", "resource_kind",
        "resource_namespace", "resource_name", "audit_id", "constraint_violations",
    )  # fmt: skip
    return Finding(
        severity=severity,
        rule="gatekeeper",
        description=f"{kind} {name} is violated by {target}" + (f": {said}" if said else ""),
        explanation=f"Gatekeeper's {process or 'check'}, {kind} {name}, action {action or 'deny'}"
        " (threshold 1, no window)",
        details={"user": words(record.get("request_username")), "target": target},
        metadata={"rule": f"{kind}/{name}", **{key: words(record.get(key)) for key in keys}},
        techniques=("T1611",) if _is(kind, HIGH_KINDS) else ("T1610",),
        tags=("gatekeeper", "policy", action or "deny"),
        # The audit finds the same violations again each minute.
        key=(f"gatekeeper {kind}", name, target) if process == "audit" else (),
    )


def _is(kind: str, words_in: tuple[str, ...]) -> bool:
    return any(word in kind.lower() for word in words_in)


def _severity(kind: str, action: str) -> str:
    if action not in ("", "deny", "scoped"):  # dryrun, warn: nobody is kept from anything
        return "LOW"
    return "HIGH" if _is(kind, HIGH_KINDS) else "MEDIUM"
