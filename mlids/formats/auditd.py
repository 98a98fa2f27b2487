"""Linux audit records, as auditd writes them, bare or behind a header of syslog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.batches import LineBatch, LogFormat
from mlids.layouts import audit, values
from mlids.layouts.json_records import decoded, sample, times
from mlids.layouts.literals import Literals

if TYPE_CHECKING:
    from numpy.typing import NDArray

CERTAINTY = 0.98
MARK = b"audit("
# Programs of which a record USER_LOGIN tells the login too, so that USER_AUTH would count it twice.
TOLD_TWICE = frozenset(("sshd", "sshd-session", "sshd-auth", "login", "gdm", "lightdm", "sddm"))


class Auditd(LogFormat):
    """Columns: time, host, pid, src, user, outcome (of logins), message (the record's type)."""

    def sniff(self, chunk: bytes) -> float:
        """The share of lines that are audit records."""
        lines = sample(chunk)
        known = sum(bool(audit.record(line)) for line in lines)
        return CERTAINTY * known / len(lines) if lines else 0.0

    def recognised(self, batch: LineBatch) -> NDArray[np.bool_]:
        """Lines that hold the mark of a record."""
        known = np.zeros(len(batch), dtype=np.bool_)
        known[Literals((MARK,)).rows(batch)] = True
        return known

    def records(self, batch: LineBatch) -> Sequence[Mapping[str, Any]]:
        """The fields of each record (see `audit.record`)."""
        return [audit.record(batch.line(row)) for row in range(len(batch))]

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns of these lines."""
        records = decoded(self, batch)
        return {
            "time": times([record.get("time", 0) for record in records]),
            "host": [values.text(record.get("node")) for record in records],
            "pid": [values.text(record.get("pid")) for record in records],
            "src": [values.address(record.get("addr")) for record in records],
            "user": [_user(record) for record in records],
            "outcome": [_outcome(record) for record in records],
            "message": [values.text(record.get("type")) for record in records],
        }


def _user(record: Mapping[str, Any]) -> bytes | None:
    name = record.get("acct")
    return None if name == "(unknown)" else values.text(name)


def _outcome(record: Mapping[str, Any]) -> bytes | None:
    kind = record.get("type")
    if kind == "USER_AUTH":
        program = str(record.get("exe", "")).rpartition("/")[2]
        if program in TOLD_TWICE:
            return None
    elif kind != "USER_LOGIN":
        return None
    return values.outcome(record.get("res"))
