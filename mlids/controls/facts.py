"""What controls are judged by: the stored events of a period, and how this host is set up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import NamedTuple

import msgspec

from mlids.coverage import Coverage, Stored
from mlids.events import Event, Severity, format_time
from mlids.tally import Tally
from mlids.verification import Verification

NAMED = 10  # events named as evidence
READ = 10_000  # events of one type that are looked into, at most


class Status(StrEnum):
    """PASS needs evidence; NOT ASSESSED: the log of an intrusion detection system does not tell."""

    PASS = "PASS"  # noqa: S105 (no password)
    WARN = "WARN"
    FAIL = "FAIL"
    NOT_ASSESSED = "NOT ASSESSED"


class Evidence(msgspec.Struct, frozen=True):
    """Stored events behind a judgement: how many of what type, the first and the last, some ids.

    Where there are more events than ids, `last` is the begin of the hour of the last one.
    """

    count: int = 0
    by_type: dict[str, int] = {}
    first: str = ""
    last: str = ""
    events: list[str] = []


class Finding(NamedTuple):
    """What one check says: a status, the reason in a sentence with figures, and its evidence."""

    status: Status
    reason: str
    evidence: Evidence = Evidence()


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration of this host says, as far as controls are judged by it.

    retention_days: 0 keeps for ever; inputs: what is to be watched, as `Service Started` names it
    ("network eth0", "files /etc", "logs /var/log/auth.log"); told: sinks and notifiers that carry
    events to somebody, the console apart; copies: those of them that lead to another machine.
    """

    retention_days: int = 0
    inputs: list[str] = []
    told: list[str] = []
    copies: list[str] = []


class Facts:
    """The stored events of a period, asked once and for few events each time.

    verification: of the log, None where nobody verified it; left_out: what could not be read.
    """

    def __init__(
        self,
        stored: Stored,
        since_ns: int,
        until_ns: int,
        now_ns: int,
        *,
        coverage: Coverage,
        circumstances: Circumstances,
        verification: Verification | None = None,
        left_out: Sequence[str] = (),
    ) -> None:
        self.stored = stored
        self.since_ns, self.until_ns, self.now_ns = since_ns, until_ns, now_ns
        self.coverage = coverage
        self.circumstances = circumstances
        self.verification = verification
        self.left_out = list(left_out)
        self._evidence: dict[tuple[str, ...], Evidence] = {}
        self._read: dict[tuple[str, str], list[Event]] = {}

    @cached_property
    def tally(self) -> Tally:
        """Counts of all events of the period."""
        return self.stored.tally("", self.since_ns, self.until_ns)

    def inputs(self, kind: str) -> list[str]:
        """The inputs of a kind that were watched; where the log names none at all, those that the
        configuration names.
        """
        known = self.coverage.inputs or self.circumstances.inputs
        return [name for name in known if name.split(" ", 1)[0] == kind]

    @cached_property
    def _cells(self) -> dict[tuple[str, str], tuple[int, int]]:
        """By type and severity: how many, and the last hour with any (seconds since 1970)."""
        found: dict[tuple[str, str], tuple[int, int]] = {}
        for (hour, type, severity, _), count in self.tally.cells.items():
            known, last = found.get((type, severity), (0, 0))
            found[type, severity] = known + count, max(last, hour)
        return found

    def _chosen(self, types: Sequence[str], least: str) -> Iterator[tuple[str, int, int]]:
        floor = Severity(least).rank
        for (type, severity), (count, last) in self._cells.items():
            if (not types or type in types) and Severity(severity).rank >= floor:
                yield type, count, last

    def by_type(self, types: Sequence[str] = (), least: str = "LOW") -> dict[str, int]:
        """How many events of these types (all: none named) of a severity and above there were."""
        counts: dict[str, int] = {}
        for type, count, _ in self._chosen(types, least):
            counts[type] = counts.get(type, 0) + count
        return counts

    def count(self, types: Sequence[str] = (), least: str = "LOW") -> int:
        """Their number."""
        return sum(self.by_type(types, least).values())

    def evidence(self, types: Sequence[str], least: str = "LOW") -> Evidence:
        """The events of these types of a severity and above."""
        key = (least, *types)
        if key not in self._evidence:
            counts = self.by_type(types, least)
            last = max((hour for _, _, hour in self._chosen(types, least)), default=0)
            self._evidence[key] = self._found(query(types, least), counts, last)
        return self._evidence[key]

    def by_rule(self, globs: Sequence[str]) -> Evidence:
        """The events of rules whose names fit one of the globs."""
        counts = {
            name: count
            for name, count in self.tally.values.get("rule", {}).items()
            if any(fnmatchcase(name, glob) for glob in globs)
        }
        plain = [name for name in counts if '"' not in name and "\\" not in name]
        rules = " OR ".join(f'rule:"{name}"' for name in plain[:NAMED])
        return self._found(f"({rules})" if rules else "", counts)

    def _found(self, asked: str, counts: dict[str, int], last_s: int = 0) -> Evidence:
        """last_s: the begin of the last hour with such an event, where it is known."""
        total = sum(counts.values())
        if not total or (counts and not asked and total != self.tally.total):
            return Evidence(total, counts)
        span = self.since_ns, self.until_ns
        some = list(self.stored.search(asked, *span, min(NAMED, total)))  # and no further
        stamps = [event.timestamp for event in some]
        if total > len(some) and last_s:
            stamps.append(max(max(stamps, default=""), format_time(last_s * 10**9)))
        ids = [str(event.get("id", "")) for event in some]
        return Evidence(total, counts, min(stamps, default=""), max(stamps, default=""), ids)

    def events(self, type: str = "", least: str = "LOW") -> list[Event]:
        """The events of one type, or of all, of a severity and above; of very many the first
        `READ`.
        """
        key = type, least
        if key not in self._read:
            types = [type] if type else []
            span = self.since_ns, self.until_ns
            known = self.count(types, least)
            found = self.stored.search(query(types, least), *span, READ) if known else ()
            self._read[key] = list(found)
        return self._read[key]

    @cached_property
    def ahead(self) -> Event | None:
        """An event from more than a minute ahead of now: some clock was wrong."""
        return next(self.stored.search("", self.now_ns + 60 * 10**9, None, 1), None)


def query(types: Sequence[str], least: str) -> str:
    """Events of these types (all: none named) of a severity and above, in the query language."""
    named = " OR ".join(f'type:"{type}"' for type in types)
    parts = [f"({named})"] if named else []
    return " AND ".join(parts + ([f"severity>={least}"] if least != "LOW" else []))
