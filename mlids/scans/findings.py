"""Scanners: the contacts of each source in sliding windows, and when they are enough.

Windows belong to a source and a rule, most of them to a target too. A window counts distinct things
(ports, hosts); when they are enough it *triggers*, begins again, and from then on counts only what
it did not count before, until nothing triggered for `QUIET_NS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from mlids.scans.contacts import Contact, Kind

NS = 1_000_000_000
QUIET_NS = 900 * NS  # an episode ends when nothing triggered for so long; also the gap of `spread`
SWEEP_NS = 300 * NS
MOST_SEEN = 4096  # things remembered of a scan that goes on
MOST_WINDOWS = 64  # per source
REFUSALS = 5  # port unreachables that make a UDP scan
MANY = 4  # contacts from which on a source is evicted later than the others

FLAG_RULES = {
    Kind.FIN: "fin",
    Kind.NULL: "null",
    Kind.XMAS: "xmas",
    Kind.SYNFIN: "synfin",
    Kind.FULL_XMAS: "full-xmas",
}
FLAG_PACKETS, FLAG_PORTS = 3, 2

Address = tuple[int, int]
NOBODY: Address = (0, 0)


class Limits(NamedTuple):
    """When contacts are a scan."""

    ports: int  # distinct ports of one target within window_ns
    window_ns: int
    contacts: int  # distinct (host, port) of one source without a gap of QUIET_NS
    port_hosts: int  # hosts on one port within SWEEP_NS
    echo_hosts: int  # hosts by ICMP echo within window_ns
    sources: int  # followed exactly


class Finding(NamedTuple):
    """A window that triggered: technique, the contacts of this round, distinct things so far.

    One without contacts only says a new total of a finding that goes on.
    """

    technique: str
    key: tuple[Any, ...]
    contacts: list[Contact]
    total: int


class Window(msgspec.Struct):
    """Distinct things of one rule, ordered by when they were last seen."""

    items: dict[Any, Contact] = {}
    seen: set[Any] = set()
    total: int = 0  # distinct things of the episode that have triggered
    last: int = 0  # when it triggered last
    newest: int = 0  # when something new came last
    answered: int = 0  # when the target last answered a datagram
    key: tuple[Any, ...] = ()  # of the finding that triggered last

    def going_on(self, time: int) -> bool:
        """Whether it has triggered, and lately."""
        return self.total > 0 and time - self.last <= QUIET_NS

    def add(self, item: Any, contact: Contact, window_ns: int) -> bool:
        """Count a thing; False where this episode has counted it before."""
        time = contact.time
        if not self.going_on(time):
            self._begin(time, window_ns)
        if item in self.seen:
            return False
        if item not in self.items:
            self.newest = time
        self.items.pop(item, None)
        self.items[item] = contact
        return True

    def _begin(self, time: int, window_ns: int) -> None:
        if self.total:
            self.items, self.seen, self.total, self.key = {}, set(), 0, ()
        while self.items:
            item = next(iter(self.items))
            if self.items[item].time >= time - window_ns:
                break
            del self.items[item]

    def trigger(self, technique: str, key: tuple[Any, ...], time: int) -> Finding:
        """Take what is enough; the next round begins."""
        taken = list(self.items.values())
        room = MOST_SEEN - len(self.seen)
        self.seen.update(list(self.items)[:room])
        self.total += len(taken)
        self.last, self.items, self.key = time, {}, key
        return Finding(technique, key, taken, self.total)

    def more(self, time: int) -> Iterator[Finding]:
        """The total of an episode that goes on, with what has not triggered yet."""
        if self.going_on(time):
            yield Finding("", self.key, [], self.total + len(self.items))

    def cap(self, most: int) -> None:
        """Drop the things longest unseen."""
        while len(self.items) > most:
            del self.items[next(iter(self.items))]


class Source(msgspec.Struct):
    """What is known of one source."""

    hits: int = 0
    windows: dict[tuple[Any, ...], Window] = {}


class Scans:
    """Follows sources exactly, at most `limits.sources`; the least active are evicted first."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.evicted = 0
        # Sources with few contacts apart, so that a flood of them cannot push out a scanner.
        self._few: dict[Address, Source] = {}
        self._many: dict[Address, Source] = {}

    def __contains__(self, source: Address) -> bool:
        return source in self._few or source in self._many

    def __len__(self) -> int:
        return len(self._few) + len(self._many)

    def observe(self, source: Address, contact: Contact) -> Iterator[Finding]:
        """Count one contact, in order of time; yields what it completes."""
        kind = contact.kind
        if kind in (Kind.OPENED, Kind.UDP_ANSWERED):
            yield from self._take_back(source, contact)
            return
        known = self._touch(source)
        if kind <= Kind.HALF_OPEN:
            yield from self._tcp(source, known, contact)
        elif kind <= Kind.UDP_REFUSED:
            yield from self._udp(source, known, contact)
        elif kind == Kind.ECHO:
            yield from self._echo(source, known, contact)
        else:
            yield from self._flags(source, known, contact)

    def _touch(self, source: Address) -> Source:
        """The source, moved to the end of those that wait for eviction."""
        known = self._many.pop(source, None) or self._few.pop(source, None) or Source()
        known.hits += 1
        (self._many if known.hits >= MANY else self._few)[source] = known
        if len(self) > self.limits.sources:
            crowd = self._few if len(self._few) > 1 else self._many
            del crowd[next(iter(crowd))]
            self.evicted += 1
        return known

    def _window(self, known: Source, rule: str, target: Address = NOBODY) -> Window:
        key = (rule, *target)
        window = known.windows.pop(key, None) or Window()
        known.windows[key] = window
        if len(known.windows) > MOST_WINDOWS:
            del known.windows[next(iter(known.windows))]
        return window

    def _take_back(self, source: Address, contact: Contact) -> Iterator[Finding]:
        """A port answered: what it counted for is no evidence."""
        known = self._few.get(source) or self._many.get(source)
        if known is None:
            return
        if contact.kind == Kind.UDP_ANSWERED:
            window = known.windows.get(("udp", *contact.target))
            if window is not None:
                window.answered = contact.time
            return
        for key, item in (
            (("syn", *contact.target), contact.port),
            (("spread", *NOBODY), (*contact.target, contact.port)),
        ):
            window = known.windows.get(key)
            if window and item in window.items and window.items[item].kind <= Kind.REFUSED:
                del window.items[item]
                yield from window.more(contact.time)

    def _tcp(self, source: Address, known: Source, contact: Contact) -> Iterator[Finding]:
        pair = self._window(known, "syn", contact.target)
        pair.add(contact.port, contact, self.limits.window_ns)
        if len(pair.items) >= self.limits.ports:
            key = ("syn", *source, *contact.target)
            found = pair.trigger(_by_connections(pair.items.values()), key, contact.time)
            spread = known.windows.get(("spread", *NOBODY))
            for each in found.contacts if spread else ():
                spread.items.pop((*each.target, each.port), None)  # type: ignore[union-attr]
            yield found
            return
        yield from pair.more(contact.time)
        if not pair.going_on(contact.time) and contact.kind <= Kind.REFUSED:
            yield from self._spread(source, known, contact)

    def _spread(self, source: Address, known: Source, contact: Contact) -> Iterator[Finding]:
        """Contacts with several hosts, none of which sees enough of them."""
        spread = self._window(known, "spread")
        item = (*contact.target, contact.port)
        if item not in spread.items and contact.time - spread.newest > QUIET_NS:
            spread.items = {}
        if not spread.add(item, contact, 1 << 62):
            return
        since = contact.time - SWEEP_NS
        if len(spread.items) >= self.limits.port_hosts:
            same = [c for c in spread.items.values() if c.port == contact.port]
            if sum(c.time >= since for c in same) >= self.limits.port_hosts:
                yield spread.trigger("sweep", ("sweep", *source, *NOBODY), contact.time)
                return
        if len(spread.items) >= self.limits.contacts:
            targets = {each.target for each in spread.items.values()}
            key = ("syn", *source, *(contact.target if len(targets) == 1 else NOBODY))
            yield spread.trigger(_by_connections(spread.items.values()), key, contact.time)
            return
        yield from spread.more(contact.time)

    def _udp(self, source: Address, known: Source, contact: Contact) -> Iterator[Finding]:
        window = self._window(known, "udp", contact.target)
        window.add(contact.port, contact, self.limits.window_ns)
        yield from window.more(contact.time)
        if len(window.items) < self.limits.ports:
            return
        refused = sum(each.kind == Kind.UDP_REFUSED for each in window.items.values())
        silent = not window.answered or contact.time - window.answered > self.limits.window_ns
        if silent or refused >= REFUSALS:
            yield window.trigger("udp", ("udp", *source, *contact.target), contact.time)
        window.cap(self.limits.ports * 4)

    def _echo(self, source: Address, known: Source, contact: Contact) -> Iterator[Finding]:
        window = self._window(known, "echo")
        window.add(contact.target, contact, self.limits.window_ns)
        if len(window.items) >= self.limits.echo_hosts:
            yield window.trigger("sweep", ("echo", *source, *NOBODY), contact.time)
            return
        yield from window.more(contact.time)

    def _flags(self, source: Address, known: Source, contact: Contact) -> Iterator[Finding]:
        rule = FLAG_RULES[Kind(contact.kind)]
        window = self._window(known, rule, contact.target)
        window.add((contact.capture, contact.frame), contact, self.limits.window_ns)
        ports = {each.port for each in window.items.values()}
        if len(window.items) >= FLAG_PACKETS and len(ports) >= FLAG_PORTS:
            yield window.trigger(rule, (rule, *source, *contact.target), contact.time)
        window.cap(MOST_WINDOWS)
        yield from window.more(contact.time)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [
            [*source, known.hits, [[list(key), *_plain(w)] for key, w in known.windows.items()]]
            for crowd in (self._few, self._many)
            for source, known in crowd.items()
        ]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        for hi, lo, hits, windows in state:
            known = Source(hits, {tuple(key): _window(*rest) for key, *rest in windows})
            (self._many if hits >= MANY else self._few)[hi, lo] = known


def _by_connections(found: Iterable[Contact]) -> str:
    """`connect` where handshakes completed, or an operating system made every SYN; else `syn`."""
    found = list(found)
    connected = any(each.kind == Kind.CONNECTED for each in found)
    probes = [each for each in found if each.kind <= Kind.REFUSED]
    return "connect" if connected or (probes and all(p.socket for p in probes)) else "syn"


def _plain(window: Window) -> list[Any]:
    items = [[item, list(contact)] for item, contact in window.items.items()]
    numbers = [window.total, window.last, window.newest, window.answered]
    return [items, sorted(window.seen), numbers, list(window.key)]


def _window(items: list[Any], seen: list[Any], numbers: list[int], key: list[Any]) -> Window:
    known = {_hashable(item): Contact(*contact) for item, contact in items}
    total, last, newest, answered = numbers
    return Window(known, set(map(_hashable, seen)), total, last, newest, answered, tuple(key))


def _hashable(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item
