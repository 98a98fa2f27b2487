"""Suricata's EVE: alerts with their own signature, severity and time; anomalies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlids.ingested.findings import Finding, Place, at, techniques_in, words
from mlids.ingested.product import Product, Record, Told
from mlids.layouts import values

SEVERITIES = {1: "HIGH", 2: "MEDIUM", 3: "LOW"}


class Suricata(Product):
    """Alerts and anomalies of Suricata; its flows and other records tell nothing by themselves."""

    name = "eve"
    literals = (b'"alert"', b'"anomaly"')

    def told(self, record: Record, place: Place) -> Iterator[Told]:
        """The alert or the anomaly of a record."""
        kind = record.get("event_type")
        if kind == "alert" and isinstance(record.get("alert"), dict):
            yield _alert(record, record["alert"]), place
        elif kind == "anomaly":
            yield _anomaly(record), place


def _alert(record: Record, alert: dict[str, Any]) -> Finding:
    blamed, target, port = _ends(record, alert)
    signature, sid = words(alert.get("signature")), alert.get("signature_id")
    level, action = alert.get("severity"), words(alert.get("action"))
    severity = SEVERITIES.get(level, "LOW") if isinstance(level, int) else "LOW"
    blocked = "blocked" if action == "blocked" else "seen"
    tags = at(alert, "metadata", "mitre_technique_id")
    http = record.get("http")
    return Finding(
        severity=severity,
        source="network",
        rule="eve",
        description=f"{signature or 'alert'}: {blamed or 'somebody'} to {target}, {blocked}",
        explanation=f"Suricata's signature {sid}, severity {level} (threshold 1, no window)",
        details={
            "ip": blamed,
            "target": target,
            "port": port,
            "protocol": words(record.get("proto")),
        },
        metadata={
            "rule": signature,
            "sid": sid,
            "gid": alert.get("gid"),
            "rev": alert.get("rev"),
            "category": words(alert.get("category")),
            "severity": level,
            "action": action,
            "blocked": action == "blocked",
            "app_proto": words(record.get("app_proto")),
            "interface": words(record.get("in_iface")),
            "flow_id": record.get("flow_id"),
            "src_port": record.get("src_port"),
            "dest_port": record.get("dest_port"),
            "hostname": at(http, "hostname"),
            "url": at(http, "url"),
            "agent": at(http, "http_user_agent"),
            "status": at(http, "status"),
        },
        techniques=techniques_in(tags) if isinstance(tags, list) else (),
        tags=("suricata", blocked),
    )


def _ends(record: Record, alert: dict[str, Any]) -> tuple[str, str, Any]:
    """Who is blamed, who is attacked, on which port.

    A signature may say which end is which; else the sender of the packet is blamed.
    """
    src, dst = _address(record.get("src_ip")), _address(record.get("dest_ip"))
    source, target = _address(at(alert, "source", "ip")), _address(at(alert, "target", "ip"))
    if source and target:
        port = record.get("dest_port") if target == dst else record.get("src_port")
        return source, target, port
    return src, dst, record.get("dest_port")


def _anomaly(record: Record) -> Finding:
    found = record.get("anomaly")
    name = words(at(found, "event")) or words(at(found, "type")) or "anomaly"
    src, dst = _address(record.get("src_ip")), _address(record.get("dest_ip"))
    return Finding(
        type="Packet Anomaly",
        severity="LOW",
        source="network",
        rule="eve-anomaly",
        description=f"{name}: {src or 'somebody'} to {dst}",
        explanation=f"Suricata's anomaly {name} (threshold 1, no window)",
        details={
            "ip": src,
            "target": dst,
            "port": record.get("dest_port"),
            "protocol": words(record.get("proto")),
        },
        metadata={
            "rule": name,
            "kind": words(at(found, "type")),
            "layer": words(at(found, "layer")),
            "app_proto": words(at(found, "app_proto")),
            "flow_id": record.get("flow_id"),
        },
        tags=("suricata", "anomaly"),
    )


def _address(value: Any) -> str:
    found = values.address(value)
    return found.decode() if found else ""
