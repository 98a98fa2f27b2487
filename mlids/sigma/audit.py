"""What one event of the audit log tells over several lines, put together into one record.

The lines of an event share a stamp, ``msg=audit(TIME:SERIAL)``. An event is whole with its last
line (PROCTITLE, EOE), when two seconds of the log have passed, or when the input ends.

Sources: audit message dictionary and the manual of ausearch(8) (events are kept for two seconds).
"""

from __future__ import annotations

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from mlids.batches import LineBatch
from mlids.layouts import audit
from mlids.volume import NS

WAIT_NS = 2 * NS
MOST_EVENTS = 4096
RECORDS = "sigma audit records"  # in the memo of a batch: by row, those that are decoded already
MOST_LINES = 64  # of one event
MOST_LINE = 65536
MOST_PROCESSES = 8192  # whose command line is known to their children
MOST_TEXT = 32768  # characters of a command line
CHANGES = {"CREATE": "file_event", "DELETE": "file_delete"}
CONNECT = {"42", "203", "362"}  # x86-64, AArch64, i386
LAST = ("PROCTITLE", "EOE")
DECIDING = frozenset(("EXECVE", "PATH", "SOCKADDR"))
TELLING = DECIDING | {"SYSCALL", "CWD"}
NUMBERS = {  # linux/audit.h: the kernel's own lines name types so
    "1300": "SYSCALL",
    "1302": "PATH",
    "1306": "SOCKADDR",
    "1307": "CWD",
    "1309": "EXECVE",
    "1320": "EOE",
    "1327": "PROCTITLE",
}

_HEAD = re.compile(
    rb"type=(?P<type>SYSCALL|EXECVE|CWD|PATH|SOCKADDR|PROCTITLE|EOE|13\d\d)"
    rb" (?:msg=)?audit\((?P<second>\d{1,10})\.(?P<part>\d{1,6}):(?P<serial>\d{1,20})\)"
)


Key = tuple[str, str, int, str]  # source, host, time, serial


class Built(NamedTuple):
    """A record of several lines. what: the category that Sigma gives it; line: all of the lines."""

    what: str
    record: dict[str, Any]
    source: str
    time_ns: int
    line: bytes
    evidence: list[dict[str, Any]]  # the deciding line first


class _Event(msgspec.Struct):
    """Lines of one event: type, line, evidence; and their records, where they are known."""

    time_ns: int
    lines: list[tuple[str, bytes, dict[str, Any]]] = []
    records: list[audit.Record | None] = []


class AuditEvents:
    """Collects the lines of events; what is open is bounded, the oldest goes first."""

    def __init__(self) -> None:
        self.evicted = 0
        self._open: OrderedDict[Key, _Event] = OrderedDict()
        self._processes: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def add(self, batch: LineBatch) -> Iterator[tuple[int, Built]]:
        """Take the lines of a batch; gives the records of the events that are whole by then.

        With each the row of the line that made it whole.
        """
        if not len(batch):
            return
        first, last = int(batch.starts[0]), int(batch.ends[-1])
        heads = list(_HEAD.finditer(batch.data, first, last))
        rows = np.searchsorted(batch.starts, [head.start() for head in heads], side="right") - 1
        starts, ends = batch.starts.tolist(), batch.ends.tolist()
        before = -1
        known: Mapping[int, audit.Record] = batch.memo.get(RECORDS, {})
        for head, row in zip(heads, rows.tolist(), strict=True):
            begin = starts[row]
            if row == before or head.end() > ends[row]:
                continue
            if head.start() != begin and not _leads(batch.line(row), head):
                continue  # what a line says further behind is somebody's text
            before = row
            front = batch.data[begin : head.start()]
            for one in self._taken(batch, head, row, front, known.get(row)):
                yield row, one

    def _taken(
        self,
        batch: LineBatch,
        head: re.Match[bytes],
        row: int,
        front: bytes,
        record: audit.Record | None,
    ) -> Iterator[Built]:
        """Take a line; front: what stands before its type, record: if it is known."""
        named, second, part, serial = head.groups()
        time_ns = int(second) * NS + int(part.ljust(9, b"0"))
        yield from self.pause(time_ns)
        kind = named.decode()
        kind = NUMBERS.get(kind, kind)
        host = front.partition(b"node=")[2].strip().decode("utf-8", "replace") if front else ""
        key = (batch.source, host, time_ns, serial.decode())
        event = self._open.get(key)
        if event is None:
            if len(self._open) >= MOST_EVENTS:
                self.evicted += 1
                yield from self._built(next(iter(self._open)))
            event = self._open[key] = _Event(time_ns)
        if kind in LAST:
            yield from self._built(key)
        elif len(event.lines) < MOST_LINES and kind in TELLING:
            line = batch.line(row)[:MOST_LINE]
            if kind != "PATH" or b"nametype=CREATE" in line or b"nametype=DELETE" in line:
                event.lines.append((kind, line, batch.evidence(row)))
                event.records.append(record)

    def pause(self, now_ns: int) -> Iterator[Built]:
        """The records of events whose time is over at `now_ns`."""
        while self._open:
            key, event = next(iter(self._open.items()))
            if event.time_ns + WAIT_NS >= now_ns:
                return
            yield from self._built(key)

    def flush(self) -> Iterator[Built]:
        """The records of all that is open."""
        while self._open:
            yield from self._built(next(iter(self._open)))

    def _built(self, key: Key) -> Iterator[Built]:
        event = self._open.pop(key)
        kinds = {kind for kind, _, _ in event.lines}
        if not kinds & DECIDING:
            return
        source, host, _, _ = key
        fields = [
            (kind, known or audit.record(line))
            for (kind, line, _), known in zip(event.lines, event.records, strict=True)
        ]
        call = next((found for kind, found in fields if kind == "SYSCALL"), {})
        cwd = next((str(found.get("cwd", "")) for kind, found in fields if kind == "CWD"), "")
        actor = _actor(call)
        if "EXECVE" in kinds and call.get("success") != "no":
            record = self._process(f"{source} {host}", call, cwd, actor, fields)
            yield _of(event, source, "process_creation", record, "EXECVE")
        for at, (kind, found) in enumerate(fields):
            if kind == "PATH" and call.get("success") != "no":
                what = CHANGES.get(found.get("nametype", ""))
                if what:
                    path = _joined(cwd, str(found.get("name", "")))
                    yield _of(event, source, what, {**actor, "TargetFilename": path}, at)
            elif kind == "SOCKADDR" and _connects(call) and (peer := _peer(found.get("saddr", ""))):
                # A connection that is still being made counts as refused by the kernel.
                yield _of(event, source, "network_connection", {**actor, **peer}, at)

    def _process(
        self,
        host: str,
        call: Mapping[str, str],
        cwd: str,
        actor: Mapping[str, str],
        fields: list[tuple[str, audit.Record]],
    ) -> dict[str, Any]:
        """The record of a process that began; its parent's, where that began before our eyes."""
        command = " ".join(
            str(one) for kind, found in fields if kind == "EXECVE" for one in found.get("argv", ())
        )[:MOST_TEXT]
        record = {**actor, "CommandLine": command, "CurrentDirectory": cwd}
        record = {name: text for name, text in record.items() if text}
        parent = self._processes.get(f"{host} {call.get('ppid', '')}")
        if call.get("ppid"):
            record["ParentProcessId"] = call["ppid"]
        if parent:
            record["ParentImage"], record["ParentCommandLine"] = parent
        if call.get("pid"):
            key = f"{host} {call['pid']}"
            self._processes.pop(key, None)
            self._processes[key] = (actor.get("Image", ""), command[:4096])
            if len(self._processes) > MOST_PROCESSES:
                self._processes.popitem(last=False)
        return record

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "open": [[list(key), one.time_ns, one.lines] for key, one in self._open.items()],
            "processes": [[key, *one] for key, one in self._processes.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `save` gave."""
        for key, time_ns, lines in state["open"]:
            known = [tuple(line) for line in lines]
            self._open[tuple(key)] = _Event(time_ns, known, [None] * len(known))
        for key, image, command in state["processes"]:
            self._processes[key] = (image, command)


def _leads(line: bytes, head: re.Match[bytes]) -> bool:
    """Whether a head that does not begin its line is the line's own, behind that of syslog."""
    named = head["type"].decode()
    return audit.kind(line) == (NUMBERS.get(named, named), head["serial"].decode())


def _of(
    event: _Event, source: str, what: str, record: dict[str, Any], deciding: str | int
) -> Built:
    places = [place for _, _, place in event.lines]
    if isinstance(deciding, str):
        deciding = next(at for at, (kind, _, _) in enumerate(event.lines) if kind == deciding)
    places.insert(0, places.pop(deciding))
    line = b"\n".join(line for _, line, _ in event.lines)
    return Built(what, record, source, event.time_ns, line, places[:10])


def _actor(call: Mapping[str, Any]) -> dict[str, str]:
    """Who did it, under Sigma's names."""
    uid = str(call.get("uid", ""))
    found = {
        "Image": str(call.get("exe", "")),
        "ProcessId": str(call.get("pid", "")),
        "User": str(call.get("UID", "")) or ("root" if uid == "0" else uid),
        "LogonId": uid,
    }
    return {name: text for name, text in found.items() if text}


def _connects(call: Mapping[str, Any]) -> bool:
    return call.get("SYSCALL") == "connect" or call.get("syscall") in CONNECT


def _peer(saddr: str) -> dict[str, str] | None:
    """Address and port of a socket address in hexadecimal digits; None: of another family."""
    try:
        raw = bytes.fromhex(saddr)
    except ValueError:
        return None
    family = int.from_bytes(raw[:2], "little")
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    if family == 2 and len(raw) >= 8:
        address = ipaddress.IPv4Address(raw[4:8])
    elif family == 10 and len(raw) >= 24:
        whole = ipaddress.IPv6Address(raw[8:24])
        address = whole.ipv4_mapped or whole
    else:
        return None
    port = str(int.from_bytes(raw[2:4], "big"))
    return {"DestinationIp": str(address), "DestinationPort": port, "Initiated": "true"}


def _joined(cwd: str, name: str) -> str:
    return name if name.startswith("/") or not cwd else f"{cwd.rstrip('/')}/{name}"
