"""Scans that are spread over many sources, none of which does enough to be noticed.

Contacts are held until the second that they belong to is over, so that floods can be told from
scans: a second in which a target got `FLOOD` first contacts from as many sources is a flood, as are
more than `MOST` in the whole second. Only TCP counts: datagrams that nobody asked for, such as late
answers of name servers, come from many and go to many ports. IPv6 sources outside count by /48, so
that one attacker who has so many addresses is no crowd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlids.capture.mixing import endpoint, pair_key
from mlids.scans.contacts import Contact, Kind, contact, groups, taken
from mlids.scans.findings import (
    MOST_SEEN,
    NS,
    Address,
    Finding,
    Limits,
    Window,
    hashable,
    plain,
    restored,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.scans.contacts import Records

WINDOW_NS = 600 * NS
FEW = 5  # contacts from which on a source is no member of a crowd
FLOOD = 200  # first contacts to one target in a second
MOST = 2000  # in a second, to all targets
MOST_ITEMS = 256
MOST_TARGETS = 5000
SITE = 16  # bits of the upper word of an IPv6 address that a site numbers itself


class Crowds:
    """Follows the targets of failed TCP contacts.

    low: by which lower word a source is counted, 0 for one of a network.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.evicted = 0
        self._most = min(MOST_ITEMS, 4 * limits.crowd_ports)  # contacts held of one target
        self._held: Records = np.zeros(0, contact())
        self._low = np.zeros(0, np.uint64)
        self._targets: dict[Address, Window] = {}

    def inspect(self, made: Records, low: NDArray[np.uint64], now: int) -> list[Finding]:
        """Hold failed contacts; what those of the seconds that are over complete."""
        failed = made["kind"] <= Kind.REFUSED
        if failed.any():
            self._held = np.concatenate((self._held, taken(made, failed)))
            self._low = np.concatenate((self._low, low[failed]))
        if not len(self._held):
            return []
        over = self._held["time"] < now // NS * NS
        return self._count(over) if over.any() else []

    def flush(self) -> list[Finding]:
        """The input pauses or ends: count what is held."""
        return self._count(np.ones(len(self._held), bool)) if len(self._held) else []

    def _count(self, over: NDArray[np.bool_]) -> list[Finding]:
        made, low = taken(self._held, over), self._low[over]
        self._held, self._low = taken(self._held, ~over), self._low[~over]
        silent = made["kind"] == Kind.UNANSWERED
        order = np.lexsort((made["order"], silent, made["time"]))
        made, low = taken(made, order), low[order]
        kept = _scattered(made, low)
        made, low = taken(made, kept), low[kept]
        found = []
        for values, last in zip(made.tolist(), low.tolist(), strict=True):
            each = Contact(*values)
            source = (each.src_hi if last else each.src_hi >> SITE << SITE), last
            if (finding := self._observe(source, each)) is not None:
                found.append(finding)
        return found

    def _observe(self, source: Address, contact: Contact) -> Finding | None:
        target, time = contact.target, contact.time
        window = self._targets.pop(target, None)
        if window is None or (window.total and not window.going_on(time)):
            window = Window()
        self._targets[target] = window
        if len(self._targets) > MOST_TARGETS:
            del self._targets[next(iter(self._targets))]
            self.evicted += 1
        window.expire(time, WINDOW_NS)
        window.items.pop((*source, contact.port), None)
        window.items[*source, contact.port] = contact
        window.cap(self._most)
        # A port that was told cannot make it more ports, and to look costs more than to wait.
        if len(window.items) < self.limits.crowd_ports or contact.port in window.seen:
            return None
        return self._decide(target, window, time)

    def _decide(self, target: Address, window: Window, time: int) -> Finding | None:
        """Those count who made few contacts; their ports only once."""
        by_source: dict[Address, list[Any]] = {}
        for item in window.items:
            by_source.setdefault(item[:2], []).append(item)
        few = {source: items for source, items in by_source.items() if len(items) < FEW}
        ports = {item[2] for items in few.values() for item in items} - window.seen
        if len(few) < self.limits.crowd or len(ports) < self.limits.crowd_ports:
            return None
        chosen = {item for items in few.values() for item in items}
        found = [each for item, each in window.items.items() if item in chosen]
        room = max(0, MOST_SEEN - len(window.seen))
        window.seen.update(sorted(ports)[:room])
        window.total += len(ports)
        window.last, window.key = time, ("distributed", 0, 0, 128, *target)
        window.items = {item: each for item, each in window.items.items() if item not in chosen}
        return Finding("distributed", window.key, found, window.total, tuple(few))

    def save(self) -> list[Any]:
        """The state, as plain data."""
        targets = [[list(target), *plain(window)] for target, window in self._targets.items()]
        return [self._held.tobytes(), self._low.tobytes(), targets]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._held = np.frombuffer(state[0], contact()).copy()
        self._low = np.frombuffer(state[1], np.uint64).copy()
        self._targets = {hashable(target): restored(*rest) for target, *rest in state[2]}


def _scattered(made: Records, low: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The contacts that are neither part of a flood nor of one source's scan, second by second."""
    second: NDArray[np.uint64] = (made["time"] // NS).astype(np.uint64)
    nobody = np.zeros(len(made), np.uint16)
    target = pair_key(second, endpoint(made["dst_hi"], made["dst_lo"], nobody))
    pair = pair_key(target, endpoint(made["src_hi"], low, nobody))
    kept = np.flatnonzero(_counts(pair) < FEW)
    kept = kept[_counts(target[kept]) < FLOOD]
    seconds = endpoint(second[kept], second[kept], nobody[kept])
    return kept[_counts(seconds) <= MOST] if len(kept) > MOST else kept


def _counts(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each key how often it is there."""
    found = groups(keys)
    counts: NDArray[np.int64] = found.size[found.number]
    return counts
