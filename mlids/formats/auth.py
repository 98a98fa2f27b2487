"""Logs of logins (auth.log, secure): syslog lines, with the columns of a login beside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

from mlids.batches import LineBatch
from mlids.layouts.syslog import SAMPLE, SyslogLayout
from mlids.logins.records import Login, logins

PROGRAMS = (
    b" sshd",
    b" sudo",
    b" su:",
    b" su[",
    b" login",
    b" systemd-logind",
    b" CRON[",
    b" pam_",
)
MOSTLY = 0.5  # share of lines about logins in what is called a log of logins
LOGIN: dict[str, Callable[[Login], str]] = {
    "src": lambda login: login.src,
    "user": lambda login: login.user,
    "outcome": lambda login: login.outcome,
    "method": lambda login: login.method,
}


class Auth(SyslogLayout):
    """Columns: those of syslog, and src, user, outcome, method of lines that tell of a login."""

    def sniff(self, chunk: bytes) -> float:
        """As syslog; more certain where most lines are of programs that let people in."""
        lines = [line for line in chunk[:SAMPLE].splitlines()[:200] if line]
        about = sum(any(name in line[:96] for name in PROGRAMS) for line in lines)
        share = super().sniff(chunk)
        return share + 0.05 if lines and about >= MOSTLY * len(lines) and share else 0.0

    def parse(self, batch: LineBatch) -> dict[str, Any]:
        """The columns; those of logins are looked for once they are asked for."""
        return _Columns(super().parse(batch), batch)


class _Columns(dict[str, Any]):
    """Columns of which some are made when they are asked for."""

    def __init__(self, known: dict[str, Any], batch: LineBatch) -> None:
        super().__init__(known)
        self._batch = ref(batch)  # which holds these columns: a cycle would keep both alive

    def __missing__(self, name: str) -> list[bytes | None]:
        read = LOGIN[name]  # raises KeyError for what nobody knows
        batch = self._batch()
        assert batch is not None
        column: list[bytes | None] = [None] * len(batch)
        for login in logins(batch):
            column[login.row] = read(login).encode() or None
        self[name] = column
        return column
