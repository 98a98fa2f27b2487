"""Scanners: the contacts of each source in sliding windows, and when they are enough."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from mlids.scans import slow
from mlids.scans.contacts import BY_SYSTEM, CLIENTLIKE, Contact, Kind
from mlids.scans.decoys import Decoys
from mlids.scans.findings import (
    EXACT,
    NOBODY,
    PARTS,
    QUIET_NS,
    SUBNET,
    SWEEP_NS,
    WIDE,
    Address,
    Finding,
    Key,
    Limits,
    Source,
    Window,
    parts,
    plain,
    restored,
)
from mlids.scans.rules import RULES, Rule

MOST_WINDOWS = 64  # per source
LEAST_ITEMS = 64  # in a window that does not trigger
MANY = 4  # contacts from which on a source is evicted later than the others
SOURCE_UNITS = 5  # memory of a source, in units of about half a kB; a window or a contact takes one
MOST_UNITS = 10  # for each source that may be followed
RECKON = 64  # after so many contacts what a source takes is reckoned anew
AGES = 1 << 62
SLOW_KINDS = (Kind.UNANSWERED, Kind.REFUSED, Kind.UDP_REFUSED)
PROBES = (*range(Kind.UNANSWERED, Kind.ACK + 1),)  # kinds of contacts with a port of a target


class Known(msgspec.Struct):
    """What is known of one source."""

    hits: int = 0
    windows: dict[Key, Window] = {}
    pace: slow.Pace = msgspec.field(default_factory=slow.Pace)
    units: int = SOURCE_UNITS

    def reckon(self) -> int:
        """How much memory it takes."""
        things = sum(len(w.items) + len(w.seen) // 8 for w in self.windows.values())
        things += len(self.pace.walk) + len(self.pace.day)
        return SOURCE_UNITS + len(self.windows) + things


class Scans:
    """Follows sources exactly, at most `limits.sources`; the least active are evicted first.

    What all of them take is bounded, too, so that fewer are followed where each does much.

    ended: findings whose episode is over, and what it counted in all; lost: evicted sources that
    had failures, and how many net. Both are for the caller to take away.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.evicted = 0
        self._units = 0
        self.ended: list[tuple[Key, int]] = []
        self.lost: list[tuple[Source, int, int]] = []
        self.decoys = Decoys(limits.decoys, limits.grace_ns)
        counts = (limits.ports, limits.echo_hosts, limits.port_hosts, limits.contacts)
        self._most = LEAST_ITEMS + 4 * max(counts)
        # Sources with few contacts apart, so that a flood of them cannot push out a scanner.
        self._few: dict[Source, Known] = {}
        self._many: dict[Source, Known] = {}
        self._going: dict[Key, Window] = {}  # windows that triggered, by finding

    def __contains__(self, source: Source) -> bool:
        return source in self._few or source in self._many

    def __len__(self) -> int:
        return len(self._few) + len(self._many)

    def total(self, key: Key) -> int | None:
        """What the window of a finding has counted by now; None where it is over."""
        window = self._going.get(key)
        return None if window is None else window.total + len(window.items)

    def observe(self, source: Source, contact: Contact, net: int = 0) -> list[Finding]:
        """Count one contact, in order of time; what it completes.

        net: failures of a source before it was followed.
        """
        kind = contact.kind
        if kind >= Kind.OPENED:
            self._take_back(source, contact)
            return []
        if kind <= Kind.REFUSED and source in self._many:
            window = self._many[source].windows.get(("syn", contact.dst_hi, contact.dst_lo))
            if window is not None and window.going_on(contact.time):
                return self._goes_on(source, window, contact)
        known = self._touch(source)
        known.pace.net = max(known.pace.net, net)
        found = []
        if kind <= Kind.HALF_OPEN:
            found += self._tcp(source, known, contact)
        else:
            found += self._by_rule(RULES[kind], source, known, contact)
            if kind in (Kind.UDP_UNANSWERED, Kind.UDP_REFUSED):
                found += self._udp_sweep(source, known, contact)
        if kind in SLOW_KINDS and not contact.socket & CLIENTLIKE:
            finding = known.pace.fails(source, contact, self.limits)
            if finding is not None:
                found.append(finding)
        return found

    def _goes_on(self, source: Source, window: Window, contact: Contact) -> list[Finding]:
        """One more port of a scan that was told: the short way that most contacts of it take."""
        key: Key = ("syn", contact.dst_hi, contact.dst_lo)
        known = self._many[source]
        known.pace.last = max(known.pace.last, contact.time)
        if source[2] < EXACT and self._elsewhere(source, contact, key, window):
            return []
        window.add(contact.port, contact, AGES)
        if len(window.items) < self.limits.ports:
            return []
        self._touch(source)
        return self._triggered(source, known, window, contact)

    def _touch(self, source: Source) -> Known:
        """The source, moved to the end of those that wait for eviction."""
        known = self._many.pop(source, None) or self._few.pop(source, None)
        if known is None:
            known = Known()
            self._units += known.units
        known.hits += 1
        (self._many if known.hits >= MANY else self._few)[source] = known
        units = known.units + 2 if known.hits % RECKON else known.reckon()
        self._units += units - known.units
        known.units = units
        most = self.limits.sources
        while len(self._few) + len(self._many) > most or self._units > MOST_UNITS * most:
            if not self._evict():
                break
        return known

    def _evict(self) -> bool:
        """Give up the source that is the least loss, the one touched last aside."""
        crowd = self._few if len(self._few) > 1 else self._many
        if len(crowd) < 2:
            return False
        oldest = next(iter(crowd))
        evicted = crowd.pop(oldest)
        self.evicted += 1
        self._units -= evicted.units
        if evicted.pace.net:
            self.lost.append((oldest, evicted.pace.net, evicted.pace.last))
        for window in evicted.windows.values():
            self._end(window)
        return True

    def _end(self, window: Window) -> None:
        """Note that the episode of a window is over, where it has one."""
        if window.total and self._going.get(window.key) is window:
            del self._going[window.key]
            key = window.key
            self.ended.append((key, window.begin_again()))

    def _window(self, known: Known, time: int, rule: str, target: Address = NOBODY) -> Window:
        key = (rule, *target)
        window = known.windows.pop(key, None) or Window()
        known.windows[key] = window
        if window.total and not window.going_on(time):
            self._end(window)
        if len(known.windows) > MOST_WINDOWS:
            self._end(known.windows.pop(next(iter(known.windows))))
        return window

    def _elsewhere(self, source: Source, contact: Contact, key: Key, mine: Window) -> bool:
        """Whether this contact already counts for a narrower or wider network than the source."""
        if source[2] == EXACT:
            return False
        for bits in (SUBNET, *WIDE):
            if bits == source[2] or (bits < source[2] and mine.going_on(contact.time)):
                continue
            other = network(contact, bits)
            known = self._many.get(other) or self._few.get(other)
            window = known.windows.get(key) if known else None
            if window is not None and window.going_on(contact.time):
                return True
        return False

    def _found(self, window: Window, technique: str, key: Key, contact: Contact) -> Finding:
        found = window.trigger(technique, key, contact.time)
        self._going[key] = window
        if contact.kind in PROBES and key[4:] != NOBODY:
            return self.decoys.folded(key[1:4], found)
        return found

    def _decoy(self, source: Source, window: Window, contact: Contact) -> list[Finding]:
        """Whether others probe the same ports just now."""
        if source[2] < SUBNET or contact.kind not in PROBES:
            return []
        found = self.decoys.observe(source, contact, window)
        return [] if found is None else [found]

    def _enough_parts(self, source: Source, found: Iterable[Contact]) -> bool:
        return source[2] >= SUBNET or parts(source, list(found)) >= PARTS

    def _by_rule(self, rule: Rule, source: Source, known: Known, contact: Contact) -> list[Finding]:
        target = contact.target if rule.one_target else NOBODY
        window = self._window(known, contact.time, rule.name, target)
        if self._elsewhere(source, contact, (rule.name, *target), window):
            return []
        window.add(rule.item(contact), contact, rule.window(self.limits))
        found = self._decoy(source, window, contact)
        if rule.enough(self.limits, window, contact.time) and self._enough_parts(
            source, window.items.values()
        ):
            key = (rule.name, *source, *target)
            found.append(self._found(window, rule.technique, key, contact))
        window.cap(self._most)
        return found

    def _tcp(self, source: Source, known: Known, contact: Contact) -> list[Finding]:
        limits, time = self.limits, contact.time
        pair = self._window(known, time, "syn", contact.target)
        if self._elsewhere(source, contact, ("syn", *contact.target), pair):
            return []
        pair.add(contact.port, contact, limits.window_ns)
        decoys = self._decoy(source, pair, contact)
        if len(pair.items) >= limits.ports:
            if found := self._triggered(source, known, pair, contact):
                return decoys + found
            pair.cap(self._most)
        some = contact.kind <= Kind.REFUSED and not contact.socket & CLIENTLIKE
        if some and not pair.going_on(time):
            return decoys + self._spread(source, known, contact)
        return decoys

    def _triggered(
        self, source: Source, known: Known, pair: Window, contact: Contact
    ) -> list[Finding]:
        """Enough ports of one target; they count no longer for what is spread over several."""
        items = pair.items
        if not self._enough_parts(source, items.values()):
            return []
        technique = by_connections(items.values())
        spread = known.windows.get(("spread", *NOBODY))
        if spread is not None:
            for each in items.values():
                spread.items.pop((*each.target, each.port), None)
        return [self._found(pair, technique, ("syn", *source, *contact.target), contact)]

    def _spread(self, source: Source, known: Known, contact: Contact) -> list[Finding]:
        """Contacts with several hosts, none of which sees enough of them."""
        limits, time = self.limits, contact.time
        spread = self._window(known, time, "spread")
        if self._elsewhere(source, contact, ("spread", *NOBODY), spread):
            return []
        item = (*contact.target, contact.port)
        if item not in spread.items and time - spread.newest > QUIET_NS:
            spread.items = {}
        if not spread.add(item, contact, AGES):
            return []
        if len(spread.items) >= limits.port_hosts:
            found = self._sweep(source, spread, contact)
            if found:
                return found
        # Few failures among many contacts that succeed are what busy hosts have.
        if len(spread.items) >= limits.contacts and known.pace.ordinary(time) < len(spread.items):
            items = list(spread.items.values())
            if self._enough_parts(source, items):
                targets = {each.target for each in items}
                target = contact.target if len(targets) == 1 else NOBODY
                key = ("syn", *source, *target)
                return [self._found(spread, by_connections(items), key, contact)]
        spread.cap(self._most)
        return []

    def _sweep(self, source: Source, window: Window, contact: Contact) -> list[Finding]:
        """One port of many hosts."""
        since = contact.time - SWEEP_NS
        same = [c for c in window.items.values() if c.port == contact.port and c.time >= since]
        if len(same) < self.limits.port_hosts or not self._enough_parts(source, same):
            return []
        return [self._found(window, "sweep", ("sweep", *source, *NOBODY), contact)]

    def _udp_sweep(self, source: Source, known: Known, contact: Contact) -> list[Finding]:
        """One UDP port of many hosts."""
        pair = known.windows.get(("udp", *contact.target))
        if contact.socket & CLIENTLIKE or (pair is not None and pair.going_on(contact.time)):
            return []
        window = self._window(known, contact.time, "udp-sweep")
        if self._elsewhere(source, contact, ("udp-sweep", *NOBODY), window):
            return []
        if not window.add((*contact.target, contact.port), contact, SWEEP_NS):
            return []
        found = []
        if len(window.items) >= self.limits.port_hosts:
            found = self._sweep(source, window, contact)
        window.cap(self._most)
        return found

    def _take_back(self, source: Source, contact: Contact) -> None:
        """A port answered: what it counted for is no evidence."""
        known = self._few.get(source) or self._many.get(source)
        if known is None:
            return
        if contact.kind == Kind.OPENED:
            known.pace.succeeds(contact)
        if contact.kind == Kind.UDP_ANSWERED:
            window = known.windows.get(("udp", *contact.target))
            if window is not None:
                window.answered = contact.time
        for key, item in _answered(contact):
            window = known.windows.get(key)
            if window and item in window.items and window.items[item].kind in _MISTAKEN:
                del window.items[item]

    def save(self) -> list[Any]:
        """The state, as plain data."""
        sources = [
            [
                *source,
                known.hits,
                [[list(key), *plain(w)] for key, w in known.windows.items()],
                slow.plain(known.pace),
            ]
            for crowd in (self._few, self._many)
            for source, known in crowd.items()
        ]
        return [sources, self.decoys.save()]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        for *source, hits, windows, pace in state[0]:
            some = {tuple(key): restored(*rest) for key, *rest in windows}
            known = Known(hits, some, slow.restored(pace))
            known.units = known.reckon()
            self._units += known.units
            (self._many if hits >= MANY else self._few)[tuple(source)] = known
            self._going |= {window.key: window for window in some.values() if window.total}
        self.decoys.restore(state[1])


_MISTAKEN = (Kind.UNANSWERED, Kind.REFUSED, Kind.UDP_UNANSWERED, Kind.PROTOCOL)


def _answered(contact: Contact) -> tuple[tuple[Key, Any], ...]:
    """The windows and things that an answer takes back."""
    whole = (*contact.target, contact.port)
    if contact.kind == Kind.OPENED:
        return (("syn", *contact.target), contact.port), (("spread", *NOBODY), whole)
    if contact.kind == Kind.UDP_ANSWERED:
        return ((("udp-sweep", *NOBODY), whole),)
    return ((("protocol", *contact.target), contact.port),)


def network(contact: Contact, bits: int) -> Source:
    """The IPv6 network of so many bits that a contact came from."""
    shift = SUBNET - bits
    return contact.src_hi >> shift << shift, 0, bits


def by_connections(found: Iterable[Contact]) -> str:
    """`connect` where handshakes completed, or an operating system made every SYN; else `syn`."""
    found = list(found)
    connected = any(each.kind == Kind.CONNECTED for each in found)
    probes = [each for each in found if each.kind <= Kind.REFUSED]
    return (
        "connect" if connected or (probes and all(p.socket & BY_SYSTEM for p in probes)) else "syn"
    )
