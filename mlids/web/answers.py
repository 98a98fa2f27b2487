"""Requests with findings that wait for the server's answer, and what an answer says about them.

An answer is a status line that acknowledges the whole request, on the same connection, within
`WAIT_NS` of the data's time. What is not answered is told all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from mlids.web.heads import WAIT_NS
from mlids.web.matching import SCAN, Finding
from mlids.web.segments import Key, Segment

_NEVER = 1 << 62
_STATUS = re.compile(rb"HTTP/[0-9.]{1,4} ([1-5][0-9]{2})")
# What servers say when an attack worked: rows of passwd, sections of Windows' ini files, the output
# of id, messages of databases.
_SIGNS = {
    "traversal": re.compile(
        rb"root:[^:\n]{0,64}:0:0:|\[boot loader\]|\[(?:fonts|extensions)\]|"
        rb"-----BEGIN [A-Z ]{0,20}KEY|<web-app"
    ),
    "cmdi": re.compile(
        rb"\buid=\d+\([^)\n]{1,64}\) gid=|root:[^:\n]{0,64}:0:0:|Volume Serial Number"
    ),
    "sqli": re.compile(
        rb"You have an error in your SQL syntax|ORA-\d{5}|SQLSTATE\[|syntax error at or near|"
        rb"Unclosed quotation mark|Microsoft OLE DB|SQLite3::|PG::\w+Error|mysqli?_fetch"
    ),
}


class Waiting(msgspec.Struct):
    """One request with findings. next: the sequence number behind it; skip: answers that belong to
    harmless requests of the same segment before it.
    """

    key: Key
    time_ns: int
    last_ns: int
    next: int
    findings: list[Finding]
    method: str
    path: str
    host: str
    places: list[dict[str, Any]]
    skip: int = 0

    @property
    def main(self) -> Finding:
        """What the event is about."""
        return self.findings[0]


class Outcome(NamedTuple):
    """What became of a request. status: 0 where no answer was seen; sign: what in the answer shows
    that the attack worked, or "".
    """

    status: int = 0
    sign: str = ""


class Answers:
    """Requests by connection, in order; at most `most` (`evicted` counts those told early)."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.evicted = 0
        self._waiting: dict[Key, list[Waiting]] = {}
        self._count = 0
        self._soonest = _NEVER  # no request waits for longer than since then

    def __len__(self) -> int:
        return self._count

    def slots(self) -> set[int]:
        """Slots of the connections that wait for an answer."""
        return {key.slot for key in self._waiting}

    def wait(self, waiting: Waiting) -> Iterator[tuple[Waiting, Outcome]]:
        """Let a request wait; yields one that has to go for lack of room."""
        self._waiting.setdefault(waiting.key, []).append(waiting)
        self._soonest = min(self._soonest, waiting.last_ns)
        self._count += 1
        if self._count > self.most:
            self.evicted += 1
            yield self._pop(next(iter(self._waiting.values()))), Outcome()

    def answer(self, segment: Segment) -> Iterator[tuple[Waiting, Outcome]]:
        """Take a server's segment that begins with a status line; yields what it answers."""
        queue = self._waiting.get(segment.key.turned())
        found = _STATUS.match(segment.text)
        if not queue or found is None:
            return
        status, waiting = int(found[1]), queue[0]
        behind = (segment.ack - waiting.next) % (1 << 32)
        if (status < 200 and status != 101) or behind >= 1 << 31:
            return
        if waiting.skip:
            waiting.skip -= 1
            return
        yield self._pop(queue), Outcome(status, sign(waiting.main.technique, segment.text))

    def expire(self, now_ns: int) -> Iterator[tuple[Waiting, Outcome]]:
        """Requests that were not answered in time."""
        while self._waiting and self._soonest + WAIT_NS < now_ns:
            due = [q[0] for q in self._waiting.values() if q[0].last_ns + WAIT_NS < now_ns]
            for waiting in sorted(due, key=lambda w: (w.last_ns, w.key, w.next)):
                yield self._pop(self._waiting[waiting.key]), Outcome()
            left = (queue[0].last_ns for queue in self._waiting.values())
            self._soonest = min(left, default=_NEVER)

    def flush(self) -> Iterator[tuple[Waiting, Outcome]]:
        """All that still wait."""
        yield from self.expire(_NEVER)

    def _pop(self, queue: list[Waiting]) -> Waiting:
        waiting = queue.pop(0)
        self._count -= 1
        if not queue:
            del self._waiting[waiting.key]
        return waiting

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [msgspec.structs.astuple(w) for queue in self._waiting.values() for w in queue]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._waiting, self._count = {}, len(state)
        for values in state:
            waiting = Waiting(*values)
            waiting.key = Key(*waiting.key)
            waiting.findings = [msgspec.convert(found, Finding) for found in values[4]]
            self._waiting.setdefault(waiting.key, []).append(waiting)
            self._soonest = min(self._soonest, waiting.last_ns)


def sign(technique: str, answer: bytes) -> str:
    """What in an answer shows that an attack worked; "" where nothing does."""
    pattern = _SIGNS.get(technique)
    found = pattern.search(answer) if pattern else None
    return found[0].decode("latin-1") if found else ""


def severity(finding: Finding, outcome: Outcome) -> str:
    """HIGH where the server answered as if the attack worked, else MEDIUM."""
    if finding.type == SCAN:
        return "MEDIUM"
    worked = 200 <= outcome.status < 300 and finding.serious
    return "HIGH" if worked or outcome.sign else "MEDIUM"
