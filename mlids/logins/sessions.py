"""Where sessions come from: services that tell the address in one line and the failure in another.

PostgreSQL, slapd, strongSwan and others name a client when it connects, and what it tried only by a
number that stands in both lines. Rules whose outcome is ``address`` tell the former.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlids.logins.records import Login

NS = 1_000_000_000
QUIET_NS = 600 * NS  # a number that was not heard of for longer may stand for somebody else
Key = tuple[str, str, str, str]


class Sessions:
    """The sessions of late, at most `most` of them (`evicted` counts those let go)."""

    def __init__(self, most: int = 20_000) -> None:
        self.most = most
        self.evicted = 0
        self._known: dict[Key, tuple[int, str, int]] = {}  # latest last: time, address, port

    def placed(self, source: str, found: Iterable[Login]) -> Iterator[Login]:
        """The logins of one source, with the address of their session where their line has none."""
        for login in found:
            if login.outcome == "address":
                self._learn(_key(source, login), login)
            elif login.src or login.peer or not self._known:
                yield login
            else:
                yield self._told(login, self._known.get(_key(source, login)))

    def _learn(self, key: Key, login: Login) -> None:
        if not login.src:
            return
        self._known.pop(key, None)
        if len(self._known) >= self.most:
            del self._known[next(iter(self._known))]
            self.evicted += 1
        self._known[key] = (login.time_ns, login.src, login.port)

    def _told(self, login: Login, known: tuple[int, str, int] | None) -> Login:
        if known is None or login.time_ns - known[0] > QUIET_NS:
            return login
        return login._replace(src=known[1], port=known[2])

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [[*key, *known] for key, known in self._known.items()]

    def restore(self, state: Iterable[Any]) -> None:
        """Take up a state that `save` gave."""
        self._known = {
            (source, machine, service, number): (time_ns, address, port)
            for source, machine, service, number, time_ns, address, port in state
        }


def _key(source: str, login: Login) -> Key:
    """The session that a line is of: by the number that it tells, or else the process."""
    return source, login.machine, login.service, login.session or login.pid
