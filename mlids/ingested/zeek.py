"""Zeek's notices and oddities: each with its own note and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlids.batches import LineBatch
from mlids.ingested.findings import Finding, Place, at, words
from mlids.ingested.product import Product, Record, Told
from mlids.layouts import values
from mlids.layouts.zeek import ZeekLayout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PATHS = frozenset(("notice", "weird"))
# Notes that are an event of their own kind: type, severity, techniques.
NOTES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "Scan::Port_Scan": ("Port Scan", "HIGH", ("T1046",)),
    "Scan::Address_Scan": ("Port Scan", "HIGH", ("T1018",)),
    "Scan::Random_Scan": ("Port Scan", "HIGH", ("T1046",)),
    "SSH::Password_Guessing": ("Brute Force", "HIGH", ("T1110.001",)),
    "FTP::Bruteforcing": ("Brute Force", "HIGH", ("T1110.001",)),
    "SSH::Login_By_Password_Guesser": ("Brute Force", "CRITICAL", ("T1110", "T1078")),
    "HTTP::SQL_Injection_Attacker": ("SQL Injection", "HIGH", ("T1190",)),
    "HTTP::SQL_Injection_Victim": ("SQL Injection", "MEDIUM", ("T1190",)),
    "Heartbleed::SSL_Heartbeat_Attack_Success": ("Rule Match", "CRITICAL", ("T1190",)),
    "Heartbleed::SSL_Heartbeat_Attack": ("Rule Match", "HIGH", ("T1190",)),
    "TeamCymruMalwareHashRegistry::Match": ("Rule Match", "HIGH", ("T1204.002",)),
    "Intel::Notice": ("Rule Match", "HIGH", ()),
    "Traceroute::Detected": ("Rule Match", "LOW", ("T1018",)),
    "SSL::Invalid_Server_Cert": ("Rule Match", "LOW", ()),
    "SSL::Certificate_Expired": ("Rule Match", "LOW", ()),
    "SSL::Certificate_Expires_Soon": ("Rule Match", "LOW", ()),
    "SSL::Weak_Key": ("Rule Match", "LOW", ()),
    "SSL::Old_Version": ("Rule Match", "LOW", ()),
    "SSL::Weak_Cipher": ("Rule Match", "LOW", ()),
    "CaptureLoss::Too_Much_Loss": ("Monitoring Gap", "MEDIUM", ()),
    "CaptureLoss::Too_Little_Traffic": ("Monitoring Gap", "LOW", ()),
    "PacketFilter::Dropped_Packets": ("Monitoring Gap", "MEDIUM", ()),
    "PacketFilter::Compile_Failure": ("Monitoring Gap", "LOW", ()),
}


class Zeek(Product):
    """Notices and weirds of Zeek; its other logs are read by other detectors, or by none."""

    name = "zeek"
    literals = (b'"note"', b'"notice"', b"::", b'"weird"')

    def rows(self, batch: LineBatch) -> NDArray[np.intp]:
        """Rows of the logs notice and weird."""
        if isinstance(batch.format, ZeekLayout):
            return batch.format.of_interest(batch, PATHS, self._marks)
        return super().rows(batch)

    def told(self, record: Record, place: Place) -> Iterator[Told]:
        """The notice or the oddity of a record."""
        note = words(record.get("note"))
        path = words(record.get("_path"))
        if note and path in ("", "notice"):
            yield _notice(record, note), place
        elif words(record.get("name")) and (path == "weird" or (not path and "notice" in record)):
            yield _weird(record), place


def _notice(record: Record, note: str) -> Finding:
    type, severity, techniques = NOTES.get(note, ("Rule Match", "MEDIUM", ()))
    src = _address(record.get("src")) or _address(_end(record, "orig_h"))
    dst = _address(record.get("dst")) or _address(_end(record, "resp_h"))
    said = words(record.get("msg"))
    gap = type == "Monitoring Gap"
    return Finding(
        type=type,
        severity=severity,
        source="system" if gap else "network",
        rule="zeek",
        description=f"{note}: {said}" if said else note,
        explanation=f"Zeek's notice {note} (threshold and window are Zeek's own)",
        details={
            "ip": src,
            "target": dst,
            "port": _port(record.get("p") or _end(record, "resp_p")),
            "protocol": words(record.get("proto")).upper(),
        },
        metadata={
            "rule": note,
            "sub": words(record.get("sub")),
            "uid": words(record.get("uid")),
            "count": record.get("n"),
            "peer": words(record.get("peer_descr")),
        },
        techniques=techniques,
        tags=("zeek", "notice"),
    )


def _weird(record: Record) -> Finding:
    name = words(record.get("name"))
    src, dst = _address(_end(record, "orig_h")), _address(_end(record, "resp_h"))
    return Finding(
        type="Packet Anomaly",
        severity="LOW",
        source="network",
        rule="zeek-weird",
        description=f"{name}: {src or 'somebody'} to {dst or 'somebody'}",
        explanation=f"Zeek's weird {name} (threshold 1, no window)",
        details={"ip": src, "target": dst, "port": _port(_end(record, "resp_p"))},
        metadata={
            "rule": name,
            "addition": words(record.get("addl")),
            "uid": words(record.get("uid")),
            "peer": words(record.get("peer")),
        },
        tags=("zeek", "weird"),
    )


def _end(record: Record, name: str) -> Any:
    return record.get(f"id.{name}") or at(record.get("id"), name)


def _address(value: Any) -> str:
    found = values.address(value)
    return found.decode() if found else ""


def _port(value: Any) -> int:
    text = words(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
