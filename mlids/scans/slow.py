"""Scanners that take their time: a random walk over first contacts, and what failed in a day.

The walk is "threshold random walk" (Jung, Paxson, Berger, Balakrishnan: Fast Portscan Detection
Using Sequential Hypothesis Testing, 2004): every failed first contact multiplies the odds of a
scanner by (1 - 0.2) / (1 - 0.8) = 4, every one that succeeds divides them by 4; odds of 99 decide,
so four net failures do. There is no window. What comes within `APART_NS` of the contact before is
left out, since one action may make several contacts and the other rules look at what is fast.

An ordinary host makes a scanner's mistakes as well, only among many contacts that succeed. So a
success takes back a failure, once an hour and (host, port), and the count over a day needs more
failures than one in five (the 0.8 above) of all first contacts.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mlids.scans.contacts import NEW_DAY, NEW_HOUR, Contact
from mlids.scans.findings import (
    DAY_NS,
    NOBODY,
    NS,
    PARTS,
    SUBNET,
    Finding,
    Limits,
    Source,
    hashable,
    parts,
)

APART_NS = 6 * NS
REMEMBERED = 64  # (host, port) that failed, that succeeded, and contacts kept for evidence
BENIGN = 4  # successes for each failure that an ordinary host has

Item = tuple[int, int, int]  # host, port


class Pace(msgspec.Struct, array_like=True):
    """What a source did slowly."""

    net: int = 0  # failures less successes
    last: int = 0  # latest first contact
    walk: list[Contact] = []  # that failed since `net` was 0
    day: list[Contact] = []  # that failed in the last 24 h and were not told yet
    failed: dict[Item, int] = {}  # by when it was last tried
    good: dict[Item, int] = {}
    today: int = 0  # number of the day on which it last succeeded
    successes: int = 0  # distinct ones on that day
    yesterday: int = 0  # and on the one before
    total: int = 0  # failures of the episode
    told: int = 0  # when it was last told

    def fails(self, source: Source, contact: Contact, limits: Limits) -> Finding | None:
        """A contact failed; what that completes."""
        item, time = (contact.dst_hi, contact.dst_lo, contact.port), contact.time
        if item in self.good or item in self.failed:
            if item in self.failed:
                _remember(self.failed, item, time)
            return None
        apart, self.last = time - self.last, max(time, self.last)
        _remember(self.failed, item, time)
        if apart < APART_NS:
            return None
        if self.told and time - self.told > DAY_NS:
            self.total = self.told = 0
        self.net += 1
        self.total += 1
        self.walk.append(contact)
        self.day.append(contact)
        del self.walk[:-REMEMBERED]
        del self.day[:-REMEMBERED]
        while self.day[0].time <= time - DAY_NS:
            del self.day[0]
        return self._decide(source, time, limits)

    def _decide(self, source: Source, time: int, limits: Limits) -> Finding | None:
        wide = source[2] < SUBNET
        if self.net >= limits.failures and not (wide and parts(source, self.walk) < PARTS):
            found = self.walk
        elif len(self.day) >= limits.closed and self.ordinary(time) < len(self.day):
            if wide and parts(source, self.day) < PARTS:
                return None
            found = self.day
        else:
            return None
        self.net, self.walk, self.day, self.told = 0, [], [], time
        return Finding("slow", ("slow", *source, *NOBODY), list(found), self.total)

    def ordinary(self, time: int) -> int:
        """Failures that an ordinary host with so many successes may have in a day."""
        day = time // DAY_NS
        lately = (self.successes if self.today >= day - 1 else 0) + (
            self.yesterday if self.today >= day else 0
        )
        return lately // BENIGN

    def succeeds(self, contact: Contact) -> None:
        """A port answered: it was no failure, and takes another one back."""
        item, time = (contact.dst_hi, contact.dst_lo, contact.port), contact.time
        if self.failed.pop(item, None) is not None:
            self.walk = [c for c in self.walk if (c.dst_hi, c.dst_lo, c.port) != item]
            self.day = [c for c in self.day if (c.dst_hi, c.dst_lo, c.port) != item]
            self.net = min(self.net, len(self.walk))
        _remember(self.good, item, time)
        if contact.socket & NEW_DAY:
            day = time // DAY_NS
            if day != self.today:
                self.yesterday = self.successes if day == self.today + 1 else 0
                self.today, self.successes = day, 0
            self.successes += 1
        if contact.socket & NEW_HOUR:
            self.last = max(time, self.last)
            self.net = max(0, self.net - 1)
            if not self.net:
                self.walk = []


def _remember(items: dict[Item, int], item: Item, time: int) -> None:
    items.pop(item, None)
    items[item] = time
    if len(items) > REMEMBERED:
        del items[next(iter(items))]


def plain(pace: Pace) -> list[Any]:
    """A pace as plain data."""
    memories = [
        [[*item, when] for item, when in known.items()] for known in (pace.failed, pace.good)
    ]
    contacts = [[list(each) for each in known] for known in (pace.walk, pace.day)]
    numbers = [
        pace.net,
        pace.last,
        pace.today,
        pace.successes,
        pace.yesterday,
        pace.total,
        pace.told,
    ]
    return [*memories, *contacts, numbers]


def restored(state: list[Any]) -> Pace:
    """The pace that `plain` gave."""
    failed, good = ({(hi, lo, port): when for hi, lo, port, when in known} for known in state[:2])
    walk, day = ([Contact(*hashable(each)) for each in known] for known in state[2:4])
    net, last, today, successes, yesterday, total, told = state[4]
    return Pace(net, last, walk, day, failed, good, today, successes, yesterday, total, told)
