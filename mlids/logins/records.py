"""Logins out of log lines: one record for each line that tells of a login, parsed once a batch.

Several lines may tell of one attempt; `attempts` counts them.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlids import addresses
from mlids.batches import LineBatch
from mlids.lines import chunks
from mlids.logins import rules as login_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    if batch.format is None:
        return []
    rows = _candidates(batch, rules)
    if not len(rows):
        return []
    narrow = batch.take(rows)
    try:
        columns = [narrow.column(name) for name in ("program", "message", "host", "pid", "time")]
    except KeyError:  # a format that has no programs
        return []
    lines = zip(rows.tolist(), *columns[:4], columns[4].tolist(), strict=True)
    found: list[Login] = []
    for row, program, message, machine, pid, time_ns in lines:
        text, times = message.rstrip(), 1
        if text.startswith(login_rules.REPEATED):
            text, times = _repeated(text)
        hit = rules.find(program, text)
        if hit is not None:
            place = (row, time_ns or batch.written, _text(machine), _text(pid))
            found.append(_login(hit[0], hit[1], text, times, place))
    return found


def _candidates(batch: LineBatch, rules: login_rules.ServiceRules) -> NDArray[np.intp]:
    """Rows that may tell of a login: the service's literal, then the beginning of the message.

    The first ``: `` of a line ends the program's tag; lines that may be otherwise are kept.
    """
    rows = chunks.rows_with(batch, rules.contains)
    if not len(rows):
        return rows
    words = chunks.words_behind(batch, rows)
    known = [int.from_bytes(key, "little") for key in rules.keys - rules.needs.keys()]
    likely = np.isin(words, [*known, 0])
    for key, literals in rules.needs.items():
        places = np.flatnonzero(words == int.from_bytes(key, "little"))
        likely[places] = _holding(batch, rows[places], literals)
    return rows[likely]


def _holding(batch: LineBatch, rows: NDArray[np.intp], literals: list[bytes]) -> list[bool]:
    """For each row whether its line holds one of the literals."""
    find = batch.data.find
    bounds = list(zip(batch.starts[rows].tolist(), batch.ends[rows].tolist(), strict=True))
    found = [False] * len(bounds)
    for literal in literals:
        found = [
            known or find(literal, *place) >= 0 for known, place in zip(found, bounds, strict=True)
        ]
    return found


def _repeated(text: bytes) -> tuple[bytes, int]:
    """What was repeated, and how often; a text that no rule knows where it makes no sense."""
    repeated = _REPEATED.fullmatch(text)
    return (repeated[2], min(int(repeated[1]), MOST_REPEATS)) if repeated else (b"", 1)


def _login(
    rule: login_rules.Compiled,
    spans: login_rules.Spans,
    message: bytes,
    times: int,
    place: tuple[int, int, str, str],
) -> Login:
    named = rule.rule
    row, time_ns, machine, pid = place
    user, method, exists, port = named.user, named.method, named.exists, 0
    address = peer = ""
    if rule.user is not None:
        begin, end = spans[rule.user]
        user = _text(message[begin:end])
    if rule.src is not None and (not rule.once or message.count(rule.once) == 1):
        begin, end = spans[rule.src]
        address, peer = _source(message[begin:end])
    if rule.port is not None:
        begin, end = spans[rule.port]
        port = int(message[begin:end] or 0)
    if rule.method is not None:
        begin, end = spans[rule.method]
        method = _text(message[begin:end])
    if rule.invalid is not None and spans[rule.invalid][0] >= 0:
        exists = False
    if rule.count is not None:
        begin, end = spans[rule.count]
        times *= int(message[begin:end])
    return Login(
        row,
        time_ns,
        named.outcome,
        user,
        address,
        peer,
        port,
        method,
        rule.service,
        exists,
        rule.name,
        named.sign,
        times,
        machine,
        pid,
    )


@lru_cache(maxsize=65536)
def _source(text: bytes) -> tuple[str, str]:
    """An address, or the name that stands in its place."""
    name = text.decode("utf-8", "backslashreplace")
    address = addresses.normalise(name)
    return (address, "") if address else ("", "" if name == "UNKNOWN" else name)


@lru_cache(maxsize=16384)
def _text(raw: bytes | None) -> str:
    return raw.decode("utf-8", "backslashreplace") if raw else ""
