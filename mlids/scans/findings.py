"""Windows of distinct things (ports, hosts), and what is found when they are enough.

A window counts distinct things; when they are enough it *triggers*, begins again, and from then on
counts only what it did not count before, until nothing triggered for `QUIET_NS`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from mlids.scans.contacts import Contact

NS = 1_000_000_000
QUIET_NS = 900 * NS  # an episode ends when nothing triggered for so long; also the gap of `spread`
SWEEP_NS = 300 * NS
DAY_NS = 86_400 * NS
MOST_SEEN = 4096  # things remembered of a scan that goes on

Address = tuple[int, int]
Source = tuple[int, int, int]  # an address and how many bits of it are counted as one
Key = tuple[Any, ...]  # rule, source, target
NOBODY: Address = (0, 0)
EXACT, SUBNET = 128, 64  # bits: one address, an IPv6 network as one host gets it
WIDE = (48, 56)  # bits: networks of which three or more parts must take part
PARTS = 3


class Limits(NamedTuple):
    """When contacts are a scan."""

    ports: int  # distinct ports of one target within window_ns
    window_ns: int
    contacts: int  # distinct (host, port) of one source without a gap of QUIET_NS
    port_hosts: int  # hosts on one port within SWEEP_NS
    echo_hosts: int  # hosts by ICMP echo within window_ns
    sources: int  # followed exactly
    grace_ns: int = 3 * NS
    flag_packets: int = 3
    protocols: int = 5
    probes: int = 3
    arp_hosts: int = 5
    arp_ns: int = 30 * NS
    failures: int = 4
    closed: int = 30
    decoys: int = 5
    crowd: int = 10
    crowd_ports: int = 25


class Finding(NamedTuple):
    """A window that triggered: technique, the contacts of this round, distinct things so far.

    sources: those who took part, where it is not one alone.
    """

    technique: str
    key: Key
    contacts: list[Contact]
    total: int
    sources: tuple[Address, ...] = ()


class Window(msgspec.Struct):
    """Distinct things of one rule, ordered by when they were last seen."""

    items: dict[Any, Contact] = {}
    seen: set[Any] = set()
    total: int = 0  # distinct things of the episode that have triggered
    last: int = 0  # when it triggered last
    newest: int = 0  # when something new came last
    answered: int = 0  # when the target last answered a datagram
    key: Key = ()  # of the finding that triggered last

    def going_on(self, time: int) -> bool:
        """Whether it has triggered, and lately."""
        return self.total > 0 and time - self.last <= QUIET_NS

    def add(self, item: Any, contact: Contact, window_ns: int) -> bool:
        """Count a thing; False where this episode has counted it before."""
        if not self.total:  # else what was counted before counts until the next round
            self.expire(contact.time, window_ns)
        if item in self.seen:
            return False
        if item not in self.items:
            self.newest = contact.time
        else:
            del self.items[item]
        self.items[item] = contact
        return True

    def begin_again(self) -> int:
        """Forget an episode that is over; gives how much it counted."""
        counted = self.total + len(self.items)
        self.items, self.seen, self.total, self.key = {}, set(), 0, ()
        return counted

    def expire(self, time: int, window_ns: int) -> None:
        """Drop what is too long ago."""
        items, since = self.items, time - window_ns
        while items:
            item = next(iter(items))
            if items[item].time >= since:
                return
            del items[item]

    def trigger(self, technique: str, key: Key, time: int) -> Finding:
        """Take what is enough; the next round begins."""
        taken = list(self.items.values())
        room = MOST_SEEN - len(self.seen)
        if room > 0:
            self.seen.update(list(self.items)[:room])
        self.total += len(taken)
        self.last, self.items, self.key = time, {}, key
        return Finding(technique, key, taken, self.total)

    def cap(self, most: int) -> None:
        """Drop the things longest unseen."""
        while len(self.items) > most:
            del self.items[next(iter(self.items))]


def plain(window: Window) -> list[Any]:
    """A window as plain data."""
    items = [[item, list(contact)] for item, contact in window.items.items()]
    numbers = [window.total, window.last, window.newest, window.answered]
    return [items, sorted(window.seen), numbers, list(window.key)]


def restored(items: list[Any], seen: list[Any], numbers: list[int], key: list[Any]) -> Window:
    """The window that `plain` gave."""
    known = {hashable(item): Contact(*contact) for item, contact in items}
    total, last, newest, answered = numbers
    return Window(known, set(map(hashable, seen)), total, last, newest, answered, tuple(key))


def hashable(item: Any) -> Any:
    """Lists, as they come back from storage, as the tuples they were."""
    return tuple(item) if isinstance(item, list) else item


def parts(source: Source, contacts: list[Contact]) -> int:
    """How many networks within the source's take part: /64 of a /56, /56 of a /48."""
    shift = 0 if source[2] == WIDE[1] else 8
    return len({each.src_hi >> shift for each in contacts})
