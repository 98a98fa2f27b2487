"""Linux audit: the records of one event put together, and judged by rules.

A system call leaves several records with one serial (SYSCALL, EXECVE, PATH, PROCTITLE), among those
of others. They wait for each other until the last, or two seconds of the log's own time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlids.ingested.conditions import Lists
from mlids.ingested.findings import Place, words
from mlids.ingested.product import Record, RuleProduct, Told
from mlids.layouts import values

NS = 1_000_000_000
WAIT_NS = 2 * NS
MOST_WAITING = 512
MOST_PATHS = 16
UNSET = frozenset(("4294967295", "-1", "unset", ""))
CALLS: dict[str, dict[str, str]] = {
    "c000003e": {
        "59": "execve", "322": "execve", "90": "chmod", "91": "chmod", "268": "chmod",
        "452": "chmod", "101": "ptrace", "175": "init_module", "313": "init_module",
    },
    "c00000b7": {
        "221": "execve", "281": "execve", "52": "chmod", "53": "chmod", "452": "chmod",
        "117": "ptrace", "105": "init_module", "273": "init_module",
    },
    "40000003": {"11": "execve", "358": "execve", "15": "chmod", "26": "ptrace"},
}  # fmt: skip
NAMES = {
    "execveat": "execve", "fchmod": "chmod", "fchmodat": "chmod", "fchmodat2": "chmod",
    "finit_module": "init_module",
}  # fmt: skip
AT = frozenset(("268", "452", "53"))  # chmod calls whose mode is the third argument
SET_BITS = 0o6000
OPENING = frozenset((4, 5, 0x10, 0x4206))  # POKETEXT, POKEDATA, ATTACH, SEIZE
PARTS = frozenset(("EXECVE", "PATH", "PROCTITLE"))


class Hosts(RuleProduct):
    """Events of the Linux audit system."""

    name = "auditd"
    source = "host"

    def __init__(self, lists: Lists | None = None, keys: int = 1000) -> None:
        super().__init__(lists, keys)
        self._waiting: dict[tuple[str, str], tuple[dict[str, Any], Place]] = {}
        self._lost = 0

    def told(self, record: Record, place: Place) -> Iterator[Told]:
        """What the events tell that this record completes."""
        yield from self.due(place.time_ns)
        if not record:
            return
        kind, key = record["type"], (words(record.get("node")), words(record.get("serial")))
        if kind == "SYSCALL":
            if len(self._waiting) >= MOST_WAITING:
                self._lost += 1
                yield from self._finish(next(iter(self._waiting)))
            self._waiting[key] = (dict(record), place)
        elif kind in PARTS:
            if key in self._waiting:
                _join(self._waiting[key][0], record)
                if kind == "PROCTITLE":  # the last of its event
                    yield from self._finish(key)
        else:
            yield from super().told(record, place)

    def _finish(self, key: tuple[str, str]) -> Iterator[Told]:
        record, place = self._waiting.pop(key)
        yield from super().told(record, place)

    def due(self, now_ns: int) -> Iterator[Told]:
        """What events tell that waited long enough for the rest of their records."""
        while self._waiting:
            key, (_, place) = next(iter(self._waiting.items()))
            if now_ns - place.time_ns <= WAIT_NS:
                return
            yield from self._finish(key)

    def flush(self) -> Iterator[Told]:
        """What the events tell that still wait."""
        while self._waiting:
            yield from self._finish(next(iter(self._waiting)))

    def prepared(self, event: Record) -> dict[str, Any]:
        """An event with `call`, `program`, `command`, `person`, `sets_uid`, `opens` beside."""
        found: dict[str, Any] = dict(event)
        number = words(event.get("syscall"))
        known = CALLS.get(words(event.get("arch")), {}).get(number, "")
        name = known or words(event.get("SYSCALL"))
        found["call"] = NAMES.get(name, name) if event.get("success") == "yes" else ""
        exe = words(event.get("exe")).partition(" (deleted)")[0]
        found["program"] = exe.rpartition("/")[2] or words(event.get("comm"))
        argv = event.get("argv")
        found["command"] = " ".join(argv) if argv else words(event.get("proctitle"))
        found["person"] = words(event.get("auid")) not in UNSET
        found["sets_uid"] = _number(event, "a2" if number in AT else "a1") & SET_BITS != 0
        found["opens"] = _number(event, "a0") in OPENING
        return found

    def about(self, event: Record) -> tuple[dict[str, Any], dict[str, Any]]:
        """Which process of whom did it."""
        address = values.address(event.get("addr"))
        user = event.get("AUID") or event.get("UID") or event.get("acct") or event.get("auid")
        paths = event.get("paths") or []
        details = {
            "ip": address.decode() if address else "",
            "user": "" if user in UNSET else words(user),
            "process": words(event.get("exe")) or words(event.get("comm")),
            "path": words(event.get("exe")),
            "target": words(event.get("node")),
        }
        names = ("pid", "ppid", "auid", "uid", "euid", "tty", "ses", "comm", "key", "sig", "op")
        metadata: dict[str, Any] = {name: words(event.get(name)) for name in names}
        metadata |= {
            "record": words(event.get("type")),
            "serial": words(event.get("serial")),
            "command": words(event.get("command")),
            "files": paths,
        }
        return details, metadata

    @property
    def evicted(self) -> int:
        """Events judged before all of their records came, and keys that were forgotten."""
        return self._lost + super().evicted

    def save(self) -> dict[str, Any]:
        """What the rules remember, and what waits."""
        waiting = [[*key, record, list(place)] for key, (record, place) in self._waiting.items()]
        return {"rules": super().save(), "waiting": waiting}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `save` gave."""
        super().restore(state["rules"])
        self._waiting = {
            (node, serial): (record, Place(*place))
            for node, serial, record, place in state["waiting"]
        }


def _join(event: dict[str, Any], record: Record) -> None:
    """Take another record of an event into it."""
    kind = record["type"]
    if kind == "EXECVE":
        event["argv"], event["argc"] = record.get("argv", []), record.get("argc", "")
    elif kind == "PROCTITLE":
        event["proctitle"] = record.get("proctitle", "")
    elif words(record.get("name")):
        paths = event.setdefault("paths", [])
        if len(paths) < MOST_PATHS and record["name"] not in paths:
            paths.append(record["name"])


def _number(event: Record, name: str) -> int:
    """An argument of a system call, which is written in hexadecimal."""
    try:
        return int(words(event.get(name)), 16)
    except ValueError:
        return 0
