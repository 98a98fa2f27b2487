"""Lines that rules match: one pass over a whole chunk for all literals, then few lines one by one.

A line that is looked at is first narrowed to the rules one of whose literals it holds; the message,
the record or the request of it is only taken apart where such a rule asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.layouts import keyvalue
from mlids.layouts.json_records import decode
from mlids.layouts.syslog import SyslogLayout
from mlids.signatures.compiled import Compiled, Values
from mlids.signatures.library import Library, library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import LineBatch

BLANK, QUOTE = 32, 34
WRAPPED = b'{"log":"'
REPEATED = b"message repeated "
MOST_REPEATS = 1000  # a larger number is not believed
_REPEATS = re.compile(rb"message repeated (\d{1,9}) times: \[ ?(.*)\]", re.DOTALL)


class Hit(NamedTuple):
    """A line that a rule matches. src: the address that the format itself tells, or None.

    times: how many lines it stands for ("message repeated … times").
    """

    row: int
    time_ns: int
    rule: Compiled
    values: Values
    times: int
    host: bytes | None
    pid: bytes | None
    src: bytes | None


def hits(batch: LineBatch, folders: tuple[str, ...] = ()) -> list[Hit]:
    """The lines of a batch that rules match, in their order, of each kind one a line.

    Kept in the batch's memo. folders: of further rules, see `library`.
    """
    key = f"signatures {folders}" if folders else "signatures"
    if key not in batch.memo:
        batch.memo[key] = find(batch, library(folders))
    found: list[Hit] = batch.memo[key]
    return found


def find(batch: LineBatch, rules: Library) -> list[Hit]:
    """The same by rules of one's own; lines without a format have no meaning to any."""
    return list(_hits(batch, rules)) if batch.format and len(batch) else []


def candidates(batch: LineBatch, rules: Library) -> dict[int, list[int]]:
    """By row: numbers of the rules one of whose literals its line holds."""
    text, offset = batch.span()
    found = rules.find(text)
    if not found:
        return {}
    places = np.array(found, dtype=np.int64)
    literal, begin, end = places[:, 0], places[:, 1] + offset, places[:, 2] + offset
    rows = np.searchsorted(batch.starts, begin, side="right") - 1
    inside = (rows >= 0) & (end <= batch.ends[rows])
    inside &= _beginning(batch, rules, literal, begin, rows)
    by_row: dict[int, list[int]] = {}
    for row, number in zip(rows[inside].tolist(), literal[inside].tolist(), strict=True):
        known = by_row.get(row)
        if known is None:
            by_row[row] = rules.rules_of[number]
        else:
            by_row[row] = sorted({*known, *rules.rules_of[number]})
    return by_row


def _beginning(
    batch: LineBatch,
    rules: Library,
    literal: NDArray[np.int64],
    begin: NDArray[np.int64],
    rows: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Whether a literal that messages begin with can stand at the beginning of one."""
    before = np.frombuffer(batch.data, dtype=np.uint8)[np.maximum(begin - 1, 0)]
    free: NDArray[np.bool_] = ~np.array(rules.beginning, dtype=np.bool_)[literal]
    free |= (before == BLANK) | (before == QUOTE) | (begin == batch.starts[rows])
    return free


def _hits(batch: LineBatch, rules: Library) -> Iterator[Hit]:
    by_row = candidates(batch, rules)
    if not by_row:
        return
    rows = np.fromiter(by_row, dtype=np.intp, count=len(by_row))
    lines = _Lines(batch.take(rows))
    known, format = rules.rules, lines.format
    for at, (row, numbers) in enumerate(by_row.items()):
        told, read = "", None
        for number in numbers:
            rule = known[number]
            if rule.kind == told or (rule.formats and format not in rule.formats):
                continue
            read = read or lines.read(at)
            if rule.by_message:
                values = rule.match(read[1]) if rule.of_program(read[0]) else None
                if values is None and rule.rule.whole and read[0] is not None:
                    values = rule.match(lines.batch.line(at).rstrip())
            else:
                values = lines.match(at, rule)
            if values is not None:
                yield Hit(row, lines.times[at], rule, values, read[2], *lines.places[at])
                if told:
                    break  # one of each kind
                told = rule.kind


class _Lines:
    """Candidate lines, taken apart in the ways that their format allows."""

    def __init__(self, batch: LineBatch) -> None:
        assert batch.format
        self.batch = batch
        self.format = batch.format.name
        programs, messages = self._column("program"), self._column("message")
        none: list[bytes | None] = [None] * len(batch)
        self._programs = none if programs is None or messages is None else programs
        self._messages = messages
        # A message tells its address itself, by a rule; only other formats have it in a place.
        placed = programs is None or self._column("target") is not None
        sources = self._column("src") if placed else none
        columns = (self._column("host"), self._column("pid"), sources)
        self.places = list(zip(*(column or none for column in columns), strict=True))
        times = self._column("time")
        stamps: list[int] = [0] * len(batch) if times is None else times.tolist()
        self.times = [stamp or batch.written for stamp in stamps]  # ns since 1970
        self._syslog = isinstance(batch.format, SyslogLayout)

    def _column(self, name: str) -> Any:
        """A column, None where the format has none."""
        try:
            return self.batch.column(name)
        except KeyError:
            return None

    def read(self, at: int) -> tuple[bytes | None, bytes, int]:
        """Program, message and how often it came; of lines without one of them the line."""
        program = self._programs[at]
        message = self._messages[at] if program is not None else None
        if message is None:
            return None, _unwrapped(self.batch.line(at).rstrip()), 1
        message = message.rstrip()
        if message.startswith(REPEATED):
            return program, *_repeated(message)
        return program, message, 1

    def match(self, at: int, rule: Compiled) -> Values | None:
        """What a rule about records or requests gets out of a line."""
        if rule.by_record:
            return rule.match_record(self._record(at, rule))
        requests = self._requests()
        return rule.match_request(*requests[at]) if requests else None

    def _requests(self) -> list[tuple[bytes | None, ...]]:
        """Method, target, status and user of each line; nothing where the format has none."""
        if "requests" not in self.batch.memo:
            found = []
            # Logs of logins make their other columns of the very hits that are looked for here.
            if self._column("target") is not None and self._column("status") is not None:
                none: list[bytes | None] = [None] * len(self.batch)
                columns = (self._column(name) for name in ("method", "target", "status", "user"))
                found = list(zip(*(column or none for column in columns), strict=True))
            self.batch.memo["requests"] = found
        known: list[tuple[bytes | None, ...]] = self.batch.memo["requests"]
        return known

    def _record(self, at: int, rule: Compiled) -> Mapping[str, Any]:
        """The record of a line; of syslog the one that a message of the rule's programs is."""
        if self._syslog and (message := self._messages[at]):
            return _inner(message) if rule.of_program(self._programs[at]) else {}
        return self.batch.records()[at]


def _unwrapped(line: bytes) -> bytes:
    """A line of Docker's json-file: what the program in the container wrote."""
    if not line.startswith(WRAPPED):
        return line
    text = decode(line).get("log")
    return text.rstrip().encode("utf-8", "backslashreplace") if isinstance(text, str) else line


def _inner(message: bytes) -> Mapping[str, Any]:
    """The object, or the pairs of key and value, that a message is."""
    if message.startswith(b"{"):
        return decode(message)
    found: dict[str, str] = {}
    for key, value in keyvalue.pairs(message.decode("utf-8", "replace")):
        found.setdefault(key, value)
    return found


def _repeated(text: bytes) -> tuple[bytes, int]:
    """What was repeated, and how often; a text that no rule knows where it makes no sense."""
    found = _REPEATS.fullmatch(text)
    return (found[2], min(int(found[1]), MOST_REPEATS)) if found else (b"", 1)
