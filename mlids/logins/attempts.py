"""How many login attempts lines stand for, where one attempt leaves several lines.

A wrong password over SSH leaves, depending on the server's settings, "Invalid user", a line of
PAM, "Failed password" and "Connection closed by … [preauth]"; on a server that takes keys only, the
first and the last alone. So no single line can be the one that counts. Each kind of line (its
*sign*) occurs once an attempt at most; a connection therefore made as many attempts as the sign
that occurred most often, and each line that raises this number tells of a new attempt, at once.

Offered keys (`Failed publickey` and the like) are one sign that counts once a connection: an agent
offers all it has, and keys are not guessed. A connection is known by machine and pid. PAM may log
from a process of its own: its lines join the connection of the same source and user that is at most
ten seconds old, and lines of sshd join one that PAM began. Where several programs tell of the same
attempts (a mail server and the one that checks passwords for it: a *group*), a connection is known
by its source instead, as long as no more than half a minute passes between two lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mlids.logins.records import Login

NS = 1_000_000_000
QUIET_NS = 600 * NS  # an older connection's pid may be in use again
JOIN_NS = 10 * NS
GROUP_NS = 30 * NS  # servers hold back their answer to a wrong password for up to 15 s
OFFERING = "sshd"  # where `failed` may be a key that was offered
GUESSED = frozenset(("password", "keyboard-interactive", "keyboard-interactive/pam"))


class _Connection(msgspec.Struct, eq=False):
    last_ns: int
    src: str
    user: str
    told: int = 0
    signs: dict[str, int] = msgspec.field(default_factory=dict)


class Attempts:
    """The connections of late, at most `connections` of them (`evicted` counts those let go)."""

    def __init__(self, connections: int = 20_000) -> None:
        self.connections = connections
        self.evicted = 0
        self._by_pid: dict[tuple[str, str], _Connection] = {}  # in the order they began
        self._latest: dict[tuple[str, str], _Connection] = {}  # by machine and source

    def new(self, login: Login) -> int:
        """How many attempts this line adds to those told already."""
        if login.outcome == "success":
            return login.times
        key = (login.machine, _name(login))
        quiet_ns = GROUP_NS if login.group else QUIET_NS
        connection = self._by_pid.get(key)
        if connection is None or not _same(connection, login, quiet_ns):
            connection = self._begin(key, login)
        connection.last_ns = max(connection.last_ns, login.time_ns)
        if not connection.user:
            connection.user = login.user
        sign, signs = login.sign, connection.signs
        if sign == "failed" and login.service == OFFERING and login.method not in GUESSED:
            sign, seen = "offered", 1
        else:
            seen = signs.get(sign, 0) + login.times
        signs[sign] = seen
        new = seen - connection.told
        if new <= 0:
            return 0
        connection.told = seen
        return new

    def _begin(self, key: tuple[str, str], login: Login) -> _Connection:
        """A connection under a pid that was not known, or is in use again."""
        source = login.src or login.peer
        self._by_pid.pop(key, None)
        self._make_room(login.time_ns)
        connection = self._joined(login, source) or _Connection(login.time_ns, source, "")
        self._by_pid[key] = connection
        if source:
            self._latest.pop((login.machine, source), None)
            self._latest[login.machine, source] = connection
        return connection

    def _joined(self, login: Login, source: str) -> _Connection | None:
        """The connection under another pid that this line belongs to."""
        latest = self._latest.get((login.machine, source))
        if latest is None or abs(login.time_ns - latest.last_ns) > JOIN_NS:
            return None
        if latest.user and login.user and latest.user != login.user:
            return None
        if login.sign == "pam":
            return latest
        others = max((n for sign, n in latest.signs.items() if sign != "pam"), default=0)
        return latest if latest.signs.get("pam", 0) > others else None

    def _make_room(self, now_ns: int) -> None:
        """Let go of old connections, a few for each that comes."""
        old = now_ns - QUIET_NS
        tables: tuple[dict[Any, _Connection], ...] = (self._by_pid, self._latest)
        for kept in tables:
            for _ in range(2):
                oldest = next(iter(kept.values()), None)
                if oldest is None:
                    break
                stale = oldest.last_ns < old
                if not stale and len(kept) < self.connections:
                    break
                del kept[next(iter(kept))]
                self.evicted += not stale and kept is self._by_pid

    def save(self) -> list[Any]:
        """The state, as plain data."""
        numbers: dict[int, int] = {}
        connections: list[Any] = []
        for connection in (*self._by_pid.values(), *self._latest.values()):
            if id(connection) not in numbers:
                numbers[id(connection)] = len(connections)
                connections.append(list(msgspec.structs.astuple(connection)))
        by_pid = [[*key, numbers[id(c)]] for key, c in self._by_pid.items()]
        latest = [[*key, numbers[id(c)]] for key, c in self._latest.items()]
        return [connections, by_pid, latest]

    def restore(self, state: Iterable[Any]) -> None:
        """Take up a state that `save` gave."""
        stored, by_pid, latest = state
        connections = [_Connection(*values) for values in stored]
        self._by_pid = {(a, b): connections[number] for a, b, number in by_pid}
        self._latest = {(a, b): connections[number] for a, b, number in latest}


def _name(login: Login) -> str:
    """What a connection is known by on its machine."""
    if login.group:
        return f"{login.group} {login.src or login.peer}"
    return f"{login.service} {login.session or login.pid or f'port {login.port}'}"


def _same(connection: _Connection, login: Login, quiet_ns: int) -> bool:
    """Whether a line under the same name is of this connection, and not of a later one."""
    if login.time_ns - connection.last_ns > quiet_ns:
        return False
    if login.user != connection.user and login.user and connection.user:
        return False
    source = login.src or login.peer
    if source == connection.src or not source or not connection.src:
        return True
    # UseDNS writes names in some lines and addresses in others: only two of a kind can differ.
    return _is_address(source) != _is_address(connection.src)


def _is_address(source: str) -> bool:
    return ":" in source or source[-1].isdigit()
