"""The stage of the rail at which events are kept back: the book, the thresholds, the account."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mlids.atomic import write_atomically
from mlids.errors import MLIDSError
from mlids.events import Event, detection_id
from mlids.metrics import Metrics
from mlids.suppression.account import Account
from mlids.suppression.book import Book
from mlids.suppression.entries import Suppression, Suppressions
from mlids.suppression.thresholding import Counters, Thresholding

_log = logging.getLogger(__name__)
TELL_NS = 3600 * 1_000_000_000
STATE = "suppression.msgpack"
WORDS = {"active": "added", "removed": "removed", "expired": "expired"}


class Hits(msgspec.Struct, array_like=True):
    """How often a suppression was used, and when last (ns since 1970, the clock's time)."""

    count: int = 0
    last_ns: int = 0


class State(msgspec.Struct):
    """What outlives a restart. known: entries as last read, states: what was recorded of each."""

    known: list[Suppression] = []
    states: dict[str, str] = {}
    hits: dict[str, Hits] = {}
    told_ns: int = 0
    account: Any = []
    thresholds: dict[str, Any] = {}


class Suppressing:
    """Decides which events are stored; not thread-safe, the logger sees to that.

    folder: of the event store; clock: ns since 1970, by which suppressions expire; tell: called
    with an error that the operator should see.
    """

    def __init__(
        self,
        folder: Path,
        *,
        metrics: Metrics | None = None,
        clock: Callable[[], int] = time.time_ns,
        tell: Callable[[MLIDSError], None] = lambda error: _log.error("%s", error),
    ) -> None:
        self.book = Book(folder)
        self.metrics = metrics or Metrics()
        self.clock = clock
        self.tell = tell
        self.counters = Counters()
        self._path = folder / "state" / STATE
        self._state = State()
        self._account = Account()
        self._active: Suppressions | None = None  # None: there is none to ask
        self._stamp: Any = None

    def equip(self, thresholds: Sequence[Thresholding]) -> None:
        """Go on with other thresholds; those that stay keep their windows."""
        known, self.counters = self.counters.save(), Counters(thresholds)
        self.counters.restore(known)

    def keeps_back(self, event: Event) -> bool:
        """Whether an event is counted instead of stored."""
        if self._active and (entry := self._active.of(event, now := self.clock())):
            hits = self._state.hits.setdefault(entry.id, Hits())
            hits.count, hits.last_ns = hits.count + 1, now
            self._count(entry.id, event, f"suppressed{{suppression={entry.id}}}")
            return True
        if self.counters.counters and (rule := self.counters.holds_back(event)):
            self._count(rule.text, event, f"suppressed{{threshold={rule.kind}}}")
            return True
        return False

    def _count(self, by: str, event: Event, metric: str) -> None:
        self._account.add(by, event)
        self.metrics.add("suppressed_total")
        self.metrics.add(metric)

    # -- the book

    def refresh(self) -> list[Event]:
        """Read the book again if it changed; the events that record what changed, by whom."""
        now, stamp = self.clock(), self.book.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._state.known = self.book.read()
            except MLIDSError as error:
                error.hint = f"the last good list holds; {error.hint}"
                self.tell(error)
            self._arm(now)
        return [self._record(*change, now) for change in self._changes(now)]

    def _arm(self, now: int) -> None:
        active = [entry for entry in self._state.known if entry.state(now) == "active"]
        self._active = Suppressions(active) if active else None

    def _changes(self, now: int) -> list[tuple[Suppression, str]]:
        """What was added, removed or expired since it was last recorded."""
        before, changed = self._state.states, []
        states = {entry.id: entry.state(now) for entry in self._state.known}
        for entry in self._state.known:
            state = states[entry.id]
            if before.get(entry.id) == state:
                continue
            if entry.id not in before and state != "active":
                changed.append((entry, "active"))  # it came and went unseen
            changed.append((entry, state))
        self._state.hits = {id: hits for id, hits in self._state.hits.items() if id in states}
        self._state.states = states
        if changed:
            self._arm(now)
        return changed

    def _record(self, entry: Suppression, state: str, now: int) -> Event:
        who = entry.removed_by if state == "removed" else entry.by
        verb = WORDS[state]
        by = "" if state == "expired" else f" by {who}"
        details = {
            "user": who,
            "path": str(self.book.path),
            "description": f"suppression {entry.id} {verb}{by}: {entry.text}; {entry.reason}",
            "metadata": {
                "suppression": entry.id,
                "change": verb,
                "conditions": entry.conditions,
                "critical": entry.critical,
                "until": entry.until,
                "reason": entry.reason,
                "hits": self._state.hits.get(entry.id, Hits()).count,
            },
        }
        return Event.new(
            "Configuration Changed",
            "LOW",
            "system",
            details,
            time_ns=now,
            rule="suppression",
            tags=["suppression", verb],
            explanation=f"{self.book.path} says so since this change",
            correlation_id=detection_id("suppression", entry.id),
        )

    # -- the account

    def account(self, ending: bool = False) -> list[Event]:
        """The event that tells what was kept back: once an hour, and where MLIDS stops."""
        now = self.clock()
        if not ending and 0 <= now - self._state.told_ns < TELL_NS:
            return []
        names = {entry.id: f"{entry.text}; {entry.reason}" for entry in self._state.known}
        told = self._account.told(now, names)
        if told:
            self._state.told_ns = now
        return told

    # -- what survives a restart

    def saved(self) -> bytes:
        """The state, for `write`."""
        self._state.account = self._account.save()
        if self.counters.counters:  # a command that only records has none
            self._state.thresholds = self.counters.save()
        return msgspec.msgpack.encode(self._state)

    def write(self, state: bytes) -> None:
        """Keep a state, once the events behind it are on the disk."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, state, sync=False)
        except (OSError, MLIDSError) as error:
            _log.warning("the state of suppressions was not saved: %s", error)

    def restore(self) -> None:
        """Take up what was saved; what is broken is begun anew, with a word."""
        self._state = read(self._path)
        try:
            self._account.restore(self._state.account)
            self.counters.restore(self._state.thresholds)
        except Exception as error:
            _log.warning("%s is not readable, so thresholds begin anew: %s", self._path, error)
        self._arm(self.clock())


def read(path: Path) -> State:
    """The state that was saved there, an empty one where there is none."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except (OSError, msgspec.DecodeError, ValueError) as error:
        _log.warning("%s is not readable, so suppressions are counted anew: %s", path, error)
        return State()


def hits(folder: Path) -> dict[str, Hits]:
    """How often each suppression was used, as of the last time that a process saved it."""
    return read(folder / "state" / STATE).hits
