"""Logins out of log lines: one record for each line that tells of a login, parsed once a batch.

Several lines may tell of one attempt; `attempts` counts them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from mlids import addresses, chunks, login_rules
from mlids.batches import LineBatch

MOST_REPEATS = 1000  # of "message repeated N times": a larger number is not believed
_REPEATED = re.compile(rb"message repeated (\d{1,9}) times: \[ ?(.*)\]", re.DOTALL)


class Login(NamedTuple):
    """What one line tells of a login."""

    row: int  # of the line in its batch
    time_ns: int
    outcome: str  # failure, success
    user: str
    src: str  # address, normalised; "" where none is told or believed
    peer: str  # a host name where that stands in place of an address
    port: int  # of the client; 0 unknown
    method: str
    service: str
    exists: bool | None  # whether the user exists; None unknown
    rule: str  # <service>-<id>
    sign: str  # what kind of line it is (see attempts)
    times: int  # how many attempts the line stands for
    machine: str  # host that wrote the line
    pid: str


def logins(batch: LineBatch) -> list[Login]:
    """The logins that the lines of a batch tell of, in their order; kept in the batch's memo."""
    if "logins" not in batch.memo:
        found = [login for rules in login_rules.services() for login in _of(batch, rules)]
        if len(login_rules.services()) > 1:
            found.sort(key=lambda login: login.row)
        batch.memo["logins"] = found
    known: list[Login] = batch.memo["logins"]
    return known


def _of(batch: LineBatch, rules: login_rules.ServiceRules) -> list[Login]:
    rows = chunks.rows_with(batch, rules.contains)
    if not len(rows) or batch.format is None:
        return []
    narrow = batch.take(rows)
    try:
        columns = [narrow.column(name) for name in ("program", "message", "host", "pid", "time")]
    except KeyError:  # a format that has no programs
        return []
    lines = zip(rows.tolist(), *columns[:4], columns[4].tolist(), strict=True)
    found = (_login(rules, line, batch.written) for line in lines if line[1] is not None)
    return [login for login in found if login is not None]


def _login(rules: login_rules.ServiceRules, line: Any, written: int) -> Login | None:
    row, program, message, machine, pid, time_ns = line
    times = 1
    if message[:16] == b"message repeated":
        repeated = _REPEATED.fullmatch(message.rstrip())
        if repeated is None:
            return None
        times, message = min(int(repeated[1]), MOST_REPEATS), repeated[2]
    hit = rules.find(program, message.rstrip())
    if hit is None:
        return None
    rule, groups = hit
    src = groups[rule.src] if rule.src is not None else None
    believed = src is not None and (not rule.once or message.count(rule.once) == 1)
    address, peer = _source(src) if believed and src else ("", "")
    return Login(
        row,
        time_ns or written,
        rule.rule.outcome,
        _text(groups[rule.user]) if rule.user is not None else rule.rule.user,
        address,
        peer,
        _number(groups[rule.port]) if rule.port is not None else 0,
        _text(groups[rule.method]) if rule.method is not None else rule.rule.method,
        rule.service,
        _exists(rule, groups),
        rule.name,
        rule.rule.sign,
        times * (_number(groups[rule.count]) if rule.count is not None else 1),
        _text(machine),
        _text(pid),
    )


def _exists(rule: login_rules.Compiled, groups: list[bytes | None]) -> bool | None:
    if rule.invalid is not None and groups[rule.invalid] is not None:
        return False
    return rule.rule.exists


@lru_cache(maxsize=65536)
def _source(text: bytes) -> tuple[str, str]:
    """An address, or the name that stands in its place."""
    name = text.decode("utf-8", "backslashreplace")
    address = addresses.normalise(name)
    return (address, "") if address else ("", "" if name == "UNKNOWN" else name)


@lru_cache(maxsize=16384)
def _text(raw: bytes | None) -> str:
    return raw.decode("utf-8", "backslashreplace") if raw else ""


def _number(raw: bytes | None) -> int:
    return int(raw) if raw else 0
