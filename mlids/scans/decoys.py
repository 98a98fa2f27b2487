"""Many sources that probe the same ports of one target at once: one scanner behind decoys.

nmap -D sends each probe once with every decoy's address and once with its own, all by the same
hand, so nothing in the packets tells which one is real. Nobody is blamed, and what the sources do
afterwards to that target is counted here rather than as a scan of each.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mlids.scans.contacts import Contact, Kind
from mlids.scans.findings import NS, QUIET_NS, Address, Finding, Source, Window, hashable

WINDOW_NS = 2 * NS
LEAST_PORTS = 4  # fewer are asked for by several at once where a service has gone away
LEAST_ODD = 2  # by packets with odd flags, which nobody sends by mistake
ALIKE = 0.8  # share of ports in common (Jaccard), from which on two sets are the same
SILENT = (Kind.UNANSWERED, Kind.UDP_UNANSWERED)
MOST_PORTS = 1024  # per source and target
MOST_TARGETS = 1000
MOST_SOURCES = 512  # per target


class _Group(msgspec.Struct, array_like=True):
    """Sources that were told as one; `last`: when one of them was active."""

    sources: list[list[int]] = []
    last: int = 0


class Decoys:
    """Follows what sources probed within two seconds, by target.

    The time of a probe counts, not when it was found to be unanswered, `grace_ns` later: decoys
    that do not exist may be the ones that the target finds no way to answer.
    """

    def __init__(self, least: int, grace_ns: int) -> None:
        self.least = least
        self.grace_ns = grace_ns
        self._recent: dict[Address, dict[Source, dict[int, Contact]]] = {}
        self._groups: dict[Address, _Group] = {}

    def observe(self, source: Source, contact: Contact, window: Window) -> Finding | None:
        """Count a probe; a finding where its ports are those of enough others.

        window: what its rule counted of the source and target, this contact included. Sources that
        asked for fewer ports than matter are not kept in mind here.
        """
        odd = contact.kind >= Kind.FIN
        if not window.total and len(window.items) < (LEAST_ODD if odd else LEAST_PORTS):
            return None
        target, time = contact.target, self._asked(contact)
        sources = self._recent.pop(target, None)
        if sources is None:
            sources = {}
            if len(self._recent) >= MOST_TARGETS:
                del self._recent[next(iter(self._recent))]
        self._recent[target] = sources
        ports = sources.pop(source, None)
        if ports is None:
            ports = {each.port: each for each in window.items.values()}
            ports.pop(contact.port, None)
        sources[source] = ports
        if ports and time - self._asked(next(reversed(ports.values()))) > WINDOW_NS:
            ports.clear()
        if contact.port in ports or len(ports) >= MOST_PORTS:
            return None
        ports[contact.port] = contact
        self._forget(sources, contact.time)
        if len(sources) < self.least or not _is_step(len(ports), odd):
            return None
        return self._compare(source, contact, sources)

    def _asked(self, contact: Contact) -> int:
        return contact.time - (self.grace_ns if contact.kind in SILENT else 0)

    def _forget(self, sources: dict[Source, dict[int, Contact]], time: int) -> None:
        """Drop the sources that are no longer active, the longest inactive first."""
        while sources:
            first = next(iter(sources))
            ports = sources[first]
            since = time - next(reversed(ports.values())).time if ports else WINDOW_NS
            if since <= WINDOW_NS + self.grace_ns and len(sources) <= MOST_SOURCES:
                return
            del sources[first]

    def _compare(
        self, source: Source, contact: Contact, sources: dict[Source, dict[int, Contact]]
    ) -> Finding | None:
        target, time = contact.target, self._asked(contact)
        mine, alike = self._within(sources[source], time), {}
        if len(mine) < (LEAST_ODD if contact.kind >= Kind.FIN else LEAST_PORTS):
            return None
        for other, ports in sources.items():
            theirs = self._within(ports, time)
            if len(mine & theirs) >= ALIKE * len(mine | theirs) > 0:
                alike[other] = ports
        if len(alike) < self.least:
            return None
        known = self.group_of(target, contact.time)
        new = [list(other) for other in alike if list(other) not in known.sources]
        known.last = contact.time
        if not new:
            return None
        known.sources += new
        found = sorted((next(reversed(ports.values())) for ports in alike.values()), key=_moment)
        return self.finding(target, found)

    def _within(self, ports: dict[int, Contact], time: int) -> set[int]:
        """The ports that were probed in the two seconds until this time."""
        since = time - WINDOW_NS
        return {port for port, each in ports.items() if since < self._asked(each) <= time}

    def group_of(self, target: Address, time: int) -> _Group:
        """The group of a target; a new one where there is none that is still active."""
        known = self._groups.pop(target, None)
        if known is None or time - known.last > QUIET_NS:
            known = _Group()
        self._groups[target] = known
        if len(self._groups) > MOST_TARGETS:
            del self._groups[next(iter(self._groups))]
        return known

    def group(self, source: Source, target: Address, time: int) -> _Group | None:
        """The group that this source belongs to."""
        known = self._groups.get(target)
        if known is None or time - known.last > QUIET_NS or list(source) not in known.sources:
            return None
        return known

    def finding(self, target: Address, contacts: list[Contact]) -> Finding:
        """What is told of the group of a target."""
        sources = [(hi, lo) for hi, lo, _ in self._groups[target].sources]
        key = ("decoy", 0, 0, 128, *target)
        return Finding("decoy", key, contacts, len(sources), tuple(sources))

    def folded(self, source: Source, found: Finding) -> Finding:
        """A finding of one source, as one of its group where it belongs to one."""
        contact = found.contacts[-1]
        known = self.group(source, contact.target, contact.time)
        if known is None:
            return found
        known.last = contact.time
        return self.finding(contact.target, found.contacts)

    def save(self) -> list[Any]:
        """The state, as plain data."""
        recent = [
            [
                list(target),
                [[list(s), [list(c) for c in ports.values()]] for s, ports in some.items()],
            ]
            for target, some in self._recent.items()
        ]
        groups = [[list(t), known.sources, known.last] for t, known in self._groups.items()]
        return [recent, groups]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._recent = {
            hashable(target): {
                hashable(source): {c[7]: Contact(*c) for c in contacts} for source, contacts in some
            }
            for target, some in state[0]
        }
        self._groups = {hashable(t): _Group(sources, last) for t, sources, last in state[1]}


def _is_step(count: int, odd: bool) -> bool:
    """Whether to compare at so many ports: each time a fifth more than before."""
    step = LEAST_ODD if odd else LEAST_PORTS
    while step < count:
        step += max(1, step // 5)
    return step == count


def _moment(contact: Contact) -> tuple[int, int]:
    return contact.time, contact.order
