"""Which contacts are worth a closer look: those of sources that failed before.

A source's first failure is kept in a table (`singles`); with the next one it is followed exactly.
Answers matter only for sources that have failed by then, where they contradict a failure, or are
the first of their (host, port) in an hour, which the slow rule weighs. All of this is done on whole
columns, so that what is ordinary never becomes a Python object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlids.capture.mixing import endpoint
from mlids.scans.contacts import (
    NEW_DAY,
    NEW_HOUR,
    Contact,
    Kind,
    contacts,
    groups,
    joined,
    taken,
)
from mlids.scans.findings import DAY_NS, EXACT, NS, SUBNET, WIDE, Source
from mlids.scans.singles import Singles
from mlids.scans.traces import Traces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.batches import PacketBatch
    from mlids.capture.addresses import Networks
    from mlids.scans.contacts import Records
    from mlids.scans.sources import Scans

    Rows = NDArray[Any]
    Words = NDArray[np.uint64]

SLOTS_BITS, FAILED_BITS, NOVEL_BITS = 18, 20, 18
FORGET_NS = 7 * DAY_NS
NEVER = 1 << 62
HOUR_NS = 3600 * NS


class Counted(NamedTuple):
    """By what records are counted: an outside IPv6 address by three networks, any other by itself.

    The narrowest comes first.
    """

    row: Rows  # of the records
    hi: Words
    lo: Words
    bits: NDArray[np.uint8]
    key: Words  # well mixed, never 0

    def take(self, chosen: Any) -> Counted:
        """Some of them."""
        return Counted(*(column[chosen] for column in self))


def counted(hi: Words, lo: Words, home: Networks) -> Counted:
    """The sources that these addresses belong to."""
    row, bits = np.arange(len(hi)), np.full(len(hi), EXACT, np.uint8)
    six = np.flatnonzero(hi)
    if len(six):
        six = six[~home.among(hi[six], lo[six])]
    if len(six):
        lo = lo.copy()
        lo[six], bits[six] = 0, SUBNET
        row, bits = [row], [bits]  # type: ignore[assignment]
        highs, lows = [hi], [lo]
        for wide in WIDE[::-1]:
            shift = np.uint64(SUBNET - wide)
            row.append(six)  # type: ignore[attr-defined]
            bits.append(np.full(len(six), wide, np.uint8))  # type: ignore[attr-defined]
            highs.append(hi[six] >> shift << shift)
            lows.append(np.zeros(len(six), np.uint64))
        row, bits = np.concatenate(row), np.concatenate(bits)
        hi, lo = np.concatenate(highs), np.concatenate(lows)
    return Counted(row, hi, lo, bits, endpoint(hi, lo, bits) | np.uint64(1))


class Suspects:
    """Chooses the contacts that `Scans` is to see."""

    def __init__(self, home: Networks, most: int) -> None:
        self._home = home
        self.singles = Singles(most, FORGET_NS)
        self.traces = Traces()
        self._watched = np.zeros(1 << SLOTS_BITS, bool)  # by source: it failed
        self._since = np.zeros(1 << SLOTS_BITS, np.int64)  # when it failed first
        self._followed = np.zeros(1 << SLOTS_BITS, bool)  # by source: it was followed some time
        self._failed = np.zeros(1 << FAILED_BITS, bool)  # by source, host and port
        self._hours = np.zeros(1 << NOVEL_BITS, np.uint64)  # answers seen in an hour, on a day
        self._days = np.zeros(1 << NOVEL_BITS, np.uint64)
        self._any = self._any_udp = False

    def __bool__(self) -> bool:
        """Whether anything has failed at all."""
        return self._any

    def answers(self, batch: PacketBatch, rows: Rows, capture: int, kind: Kind) -> Records:
        """Contacts of the answers (rows) that are of interest, as of those who are answered."""
        if kind == Kind.UDP_ANSWERED and not self._any_udp:
            return contacts(batch, rows[:0], capture, kind)
        sources = counted(batch.dst_hi[rows], batch.dst_lo[rows], self._home)
        slots = (sources.key >> np.uint64(64 - SLOTS_BITS)).view(np.int64)
        watched = np.flatnonzero(np.take(self._watched, slots))
        sources, since = sources.take(watched), self._since[slots[watched]]
        sources = sources.take(batch.time[rows[sources.row]] > since)
        if not len(sources.row):
            return contacts(batch, sources.row, capture, kind)
        row = rows[sources.row]
        port = batch.sport[row] if kind == Kind.OPENED else np.zeros(len(row), np.uint16)
        item = sources.key + endpoint(batch.src_hi[row], batch.src_lo[row], port)
        of_interest = self._failed[item >> np.uint64(64 - FAILED_BITS)]
        news = np.zeros(len(row), np.uint8)
        if kind == Kind.OPENED and len(row):
            news = self._news(item, batch.time[row])
            of_interest = of_interest | (news > 0)
        row, news = row[of_interest], news[of_interest]
        row, first = np.unique(row, return_index=True)
        made = contacts(batch, row, capture, kind)
        made["src_hi"], made["dst_hi"] = batch.dst_hi[row], batch.src_hi[row]
        made["src_lo"], made["dst_lo"] = batch.dst_lo[row], batch.src_lo[row]
        made["port"], made["socket"] = batch.sport[row], news[first]
        return made

    def _news(self, item: Words, time: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Which answers are the first of their kind in this hour, and on this day."""
        news = np.zeros(len(item), np.uint8)
        rows = np.arange(len(item))
        spans = ((HOUR_NS, self._hours, NEW_HOUR), (DAY_NS, self._days, NEW_DAY))
        for span, table, mark in spans:
            turn = (time[rows] // span).astype(np.uint64)
            key = endpoint(item[rows], turn, np.zeros(len(rows), np.uint16)) | np.uint64(1)
            _, first = np.unique(key, return_index=True)
            slots = key[first] >> np.uint64(64 - NOVEL_BITS)
            first = first[table[slots] != key[first]]
            table[key[first] >> np.uint64(64 - NOVEL_BITS)] = key[first]
            rows = rows[np.sort(first)]
            news[rows] |= mark
        return news

    def note(self, made: Records) -> None:
        """Take note of failures, before the answers of the same time are looked at."""
        sources = counted(made["src_hi"], made["src_lo"], self._home)
        slots = sources.key >> np.uint64(64 - SLOTS_BITS)
        self._any = True
        self._since[slots[~self._watched[slots]]] = NEVER
        np.minimum.at(self._since, slots, made["time"][sources.row])
        self._watched[slots] = True
        dst_hi, dst_lo = made["dst_hi"][sources.row], made["dst_lo"][sources.row]
        kind = made["kind"][sources.row]
        udp = (kind == Kind.UDP_UNANSWERED) | (kind == Kind.UDP_REFUSED)
        self._any_udp |= bool(udp.any())
        port = np.where(udp, 0, made["port"][sources.row]).astype(np.uint16)
        item = sources.key + endpoint(dst_hi, dst_lo, port)
        self._failed[item >> np.uint64(64 - FAILED_BITS)] = True

    def chosen(self, made: Records, scans: Scans) -> Iterator[tuple[Source, Contact, int]]:
        """Sources that are followed, their contacts, and how often they failed before, in order.

        A source with its first contact is entered among the singles; one that only had ports
        answer, and showed nothing else, is of no interest.
        """
        sources = counted(made["src_hi"], made["src_lo"], self._home)
        shows = made["kind"][sources.row] < Kind.OPENED
        first, inverse, every = groups(sources.key)
        unique = sources.key[first]
        shown = np.bincount(inverse, shows, len(unique)) > 0
        now = int(made["time"].max())
        places = self.singles.place(unique, now)
        known = (places >= 0) | self._among(scans, sources.take(first))
        net = np.zeros(len(unique), np.int64)
        fresh = np.flatnonzero(~known & shown)
        net[fresh] = self.traces.take(unique[fresh], now)
        known |= (every > 1) & shown | (net > 0)
        before, again = self.singles.take(places[places >= 0]), first[places >= 0]
        alone = ~known & shown
        lost = self.singles.put(unique[alone], taken(made, sources.row[first[alone]]))
        weak = lost[lost["contact"]["kind"] <= Kind.REFUSED]
        self.traces.put(weak["key"], weak["contact"]["time"], np.ones(len(weak), np.int64))
        self._followed[unique[known] >> np.uint64(64 - SLOTS_BITS)] = True
        some = np.flatnonzero(known[inverse])
        rows = np.concatenate((again, some))
        records = joined([before, taken(made, sources.row[some])])
        net = np.concatenate((np.zeros(len(again), np.int64), net[inverse[some]]))
        return _in_order(records, sources.take(rows), net)

    def _among(self, scans: Scans, sources: Counted) -> NDArray[np.bool_]:
        """Which of these sources are followed already."""
        found = np.take(self._followed, (sources.key >> np.uint64(64 - SLOTS_BITS)).view(np.int64))
        rows = np.flatnonzero(found)
        some = sources.take(rows)
        each = zip(some.hi.tolist(), some.lo.tolist(), some.bits.tolist(), strict=True)
        found[rows] = np.fromiter((source in scans for source in each), bool, len(rows))
        return found

    def remember(self, lost: list[tuple[Source, int, int]]) -> None:
        """Keep a trace of sources that are followed no longer: net failures, and when."""
        columns = [
            np.array(column) for column in zip(*[(*s, n, t) for s, n, t in lost], strict=True)
        ]
        hi, lo = columns[0].astype(np.uint64), columns[1].astype(np.uint64)
        key = endpoint(hi, lo, columns[2].astype(np.uint8)) | np.uint64(1)
        self.traces.put(key, columns[4].astype(np.int64), columns[3].astype(np.int64))

    def save(self) -> list[Any]:
        """The state, as plain data."""
        used = np.flatnonzero(self._watched)
        return [
            self.singles.save(),
            self.traces.save(),
            np.flatnonzero(self._followed).tobytes(),
            used.tobytes(),
            self._since[used].tobytes(),
            np.packbits(self._failed).tobytes() if len(used) else b"",
            self._hours[self._hours > 0].tobytes(),
            self._days[self._days > 0].tobytes(),
            self._any_udp,
        ]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self.singles.restore(state[0])
        self.traces.restore(state[1])
        self._followed[np.frombuffer(state[2], np.int64)] = True
        used = np.frombuffer(state[3], np.int64)
        self._watched[used], self._since[used] = True, np.frombuffer(state[4], np.int64)
        self._any, self._any_udp = len(used) > 0, state[8]
        if state[5]:
            self._failed[:] = np.unpackbits(np.frombuffer(state[5], np.uint8)).astype(bool)
        for table, saved in ((self._hours, state[6]), (self._days, state[7])):
            keys = np.frombuffer(saved, np.uint64)
            table[keys >> np.uint64(64 - NOVEL_BITS)] = keys


def _in_order(
    records: Records, sources: Counted, net: NDArray[np.int64]
) -> Iterator[tuple[Source, Contact, int]]:
    """By time; of one moment silence last, since it is known only when that moment has passed."""
    kind = records["kind"]
    waited = (kind == Kind.UNANSWERED) | (kind == Kind.UDP_UNANSWERED) | (kind == Kind.ARP)
    waited |= ((kind == Kind.ACK) | (kind == Kind.MAIMON)) & (records["socket"] == 0)
    wide = EXACT - sources.bits
    order = np.lexsort((wide, records["order"], waited, records["time"]))
    columns = (sources.hi, sources.lo, sources.bits)
    each = zip(*(column[order].tolist() for column in columns), strict=True)
    values = taken(records, order).tolist()
    made = map(Contact._make, values)
    return zip(each, made, net[order].tolist(), strict=True)
