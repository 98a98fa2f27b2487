"""How much came in sliding windows, by key, where it comes in masses.

Time is cut into slots and a window is some slots, so it slides by a slot. A slot is judged when it
is over. Slots of a key with less than half of the pace that the threshold asks for are left out, as
they cannot decide: so nothing is kept of ordinary traffic, whatever the number of keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from mlids.floods.records import addresses, grouped, taken
from mlids.floods.sketches import Sketch, merged, sketch
from mlids.volume import NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.floods.records import Records

    Words = NDArray[np.uint64]

EVIDENCE = 10
MIXER = 0x9E3779B97F4A7C15
GROUP_MIXER = 0xD6E8FEB86659FD93
BINS = 14
MOST_GROUPS = 256  # of a slot; the heaviest are looked at
MOST_HELD = 200_000  # entries of sketches: some 40 MB
FEW = 200  # packets of a slot that are held as they are


class Crowd(msgspec.Struct, array_like=True):
    """What came for one key in one slot, or in several."""

    packets: int
    size: int  # bytes of payload
    back: int  # bytes that went the other way
    first_ns: int
    last_ns: int
    states: dict[int, int]  # packets by `state`
    sources: Sketch
    flows: Sketch
    ports: Sketch
    target: tuple[int, int]
    evidence: list[tuple[int, int]]  # capture and frame, the latest first

    @property
    def port(self) -> int:
        """The port that most went to."""
        return self.ports.top()[0][1]


class Window(NamedTuple):
    """A key and slot that reach the threshold, and what came in the slots of the window."""

    tally: Tally
    key: int
    slot: int
    recent: list[Crowd]  # slots of the window
    past: list[Crowd]  # what is remembered beside
    news: int  # how many of all slots were in no finding before

    def accept(self) -> Crowd:
        """Note that this window is a finding; gives the part that was in none before.

        The next one is looked for a second later: of a flood that goes on no more is told.
        """
        self.tally.accepted(self.key, self.slot)
        return total([*self.past, *self.recent][-self.news :])

    def sum(self) -> Crowd:
        """All of the window."""
        return total(self.recent)


class Tally:
    """Slots of keys that come in masses.

    width_ns: of a slot; slots: of a window; least: what a window needs; memory: slots remembered;
    by_size: bytes are counted, not packets; keys: most keys (`evicted` counts those given up).
    """

    def __init__(
        self,
        width_ns: int,
        slots: int,
        least: float,
        *,
        memory: int = 0,
        by_size: bool = False,
        keys: int = 1024,
    ) -> None:
        self.width_ns, self.slots, self.least = width_ns, slots, least
        self.memory = max(memory, slots, NS // width_ns)
        self.by_size = by_size
        self.keys = keys
        self.evicted = 0
        self._held = 0  # entries of all sketches
        self._rings: dict[int, list[_Slot]] = {}
        self._accepted: dict[int, int] = {}  # by key of a ring: the latest slot of a finding

    def add(self, seen: Records, share: float = 1.0) -> Iterator[Window]:
        """Count records of slots that are over, in order of time; share: what part of all it is."""
        least = self.least * share
        for slot, key, rows in self._groups(seen, least / (2 * self.slots)):
            ring = self._rings.pop(key, None) or []
            self._rings[key] = ring
            ring.append(_Slot(slot, taken(seen, rows)))
            self._held += ring[-1].held
            while ring[0].at <= slot - self.memory:
                self._held -= ring.pop(0).held
            begin = self._stripped(ring, slot - self.slots)
            while len(self._rings) > self.keys or (self._held > MOST_HELD and len(self._rings) > 1):
                self._make_room(slot)
            recent, before = ring[begin:], self._accepted.get(key, -self.memory)
            if slot < before + max(1, NS // self.width_ns):
                continue
            if sum(one.size if self.by_size else one.packets for one in recent) >= least:
                past = [one.crowd() for one in ring[:begin]]
                news = sum(one.at > before for one in ring)
                yield Window(self, key, slot, [one.crowd() for one in recent], past, news)

    def accepted(self, key: int, slot: int) -> None:
        """Note a finding."""
        if key in self._rings:
            self._accepted[key] = slot

    def _stripped(self, ring: list[_Slot], until: int) -> int:
        """Where the window begins in a ring; slots before it, up to this one, are stripped."""
        begin = len(ring)
        while begin and ring[begin - 1].at > until:
            begin -= 1
        for one in reversed(ring[:begin]):
            if one.plain:
                break
            self._held -= one.held - 1
            one.strip()
        return begin

    def heavy(
        self, key: Words, time: NDArray[np.int64], size: NDArray[Any] | None, share: float
    ) -> NDArray[np.int64]:
        """Rows that may be of a slot which counts."""
        group = _group(key, time // self.width_ns)
        return np.flatnonzero(_in_masses(group, size, self.least * share / (2 * self.slots)))

    def _groups(self, seen: Records, pace: float) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
        """Keys and slots that come in masses, in order of slot, and their rows."""
        if not len(seen) or (not self.by_size and len(seen) < pace):
            return
        slot = seen["time"] // self.width_ns
        group = _group(seen["key"], slot)
        rows = np.flatnonzero(_in_masses(group, seen["size"] if self.by_size else None, pace))
        if not len(rows):
            return
        rows = rows[grouped(group[rows])]
        ordered = group[rows]
        first = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        heavy = (
            np.add.reduceat(seen["size"][rows].astype(np.int64), first)
            if self.by_size
            else np.diff(first, append=len(rows))
        )
        end = np.append(first[1:], len(rows))
        chosen = np.flatnonzero(heavy >= pace)
        begin = rows[first[chosen]]
        slots, keys = slot[begin], seen["key"][begin]
        counts: dict[int, int] = {}
        for n in np.lexsort((keys, -heavy[chosen], slots)).tolist():
            at = int(slots[n])
            counts[at] = counts.get(at, 0) + 1
            if counts[at] > MOST_GROUPS:
                self.evicted += 1
                continue
            mine = rows[first[chosen[n]] : end[chosen[n]]]
            yield int(slots[n]), int(keys[n]), mine

    def _make_room(self, slot: int) -> None:
        key = next(iter(self._rings))
        ring = self._rings.pop(key)
        self._accepted.pop(key, None)
        self._held -= sum(one.held for one in ring)
        self.evicted += ring[-1].at > slot - self.memory

    def save(self) -> list[Any]:
        """The state, as plain data."""
        return [
            [
                key,
                self._accepted.get(key),
                [[one.at, msgspec.to_builtins(one.crowd())] for one in ring],
            ]
            for key, ring in self._rings.items()
        ]

    def restore(self, state: Sequence[Any]) -> None:
        """Take up a state that `save` gave."""
        self._rings = {
            key: [_Slot(at, msgspec.convert(one, Crowd)) for at, one in ring]
            for key, _, ring in state
        }
        self._accepted = {key: slot for key, slot, _ in state if slot is not None}
        self._held = sum(one.held for ring in self._rings.values() for one in ring)


def _group(key: Words, slot: NDArray[np.int64]) -> Words:
    """A well mixed number of a key and a slot."""
    group = (key ^ (slot.astype(np.uint64) * MIXER)) * GROUP_MIXER
    return group ^ group >> np.uint64(32)


def _in_masses(group: Words, weights: NDArray[Any] | None, pace: float) -> NDArray[np.bool_]:
    """Which rows are of a group that may weigh so much; a few others are among them."""
    place = (group & np.uint64((1 << BINS) - 1)).astype(np.int64)
    found: NDArray[np.bool_] = (np.bincount(place, weights, 1 << BINS) >= pace)[place]
    return found


class _Slot:
    """A slot of a key: a few records as they are, many as a crowd. `held`: entries it takes."""

    def __init__(self, at: int, what: Records | Crowd) -> None:
        self.at = at
        self._crowd = what if isinstance(what, Crowd) else None
        self._records: Records | None = None
        self.plain = isinstance(what, Crowd) and not what.sources.seen  # numbers alone
        if isinstance(what, Crowd):
            self.packets, self.size, self.held = what.packets, what.size, _entries(what)
            return
        self.packets, self.size = len(what), int(what["size"].sum(dtype=np.int64))
        self.held = self.packets
        self._records = what
        if len(what) > FEW:
            self.held = _entries(self.crowd())

    def crowd(self) -> Crowd:
        """What its packets have in common."""
        if self._crowd is None:
            assert self._records is not None
            self._crowd, self._records = crowd(self._records), None
        return self._crowd

    def strip(self) -> None:
        """Keep the numbers alone, which is all that is asked of slots before the window."""
        self.plain = True
        if self._crowd is not None:
            plain = Sketch()
            self._crowd = msgspec.structs.replace(
                self._crowd, sources=plain, flows=plain, ports=plain
            )
        else:
            assert self._records is not None
            self._crowd, self._records = _numbers(self._records), None
        self.held = 1


def _entries(one: Crowd) -> int:
    return 1 + len(one.sources.seen) + len(one.flows.seen) + len(one.ports.seen)


def crowd(seen: Records) -> Crowd:
    """What these records, in order of time, have in common."""
    found = _numbers(seen)
    found.sources = sketch(_sources(seen["src_hi"], seen["src_lo"]), seen["src_hi"], seen["src_lo"])
    found.flows = sketch(seen["flow"])
    found.ports = sketch(seen["dport"].astype(np.uint64) * MIXER, seen["dport"])
    return found


def _numbers(seen: Records) -> Crowd:
    states = np.bincount(seen["state"]).tolist()
    latest = seen[::-1][:EVIDENCE]
    return Crowd(
        packets=len(seen),
        size=int(seen["size"].sum(dtype=np.int64)),
        back=int(seen["back"].sum(dtype=np.int64)),
        first_ns=int(seen["time"][0]),
        last_ns=int(seen["time"][-1]),
        states={n: count for n, count in enumerate(states) if count},
        sources=Sketch(),
        flows=Sketch(),
        ports=Sketch(),
        target=(int(seen["dst_hi"][0]), int(seen["dst_lo"][0])),
        evidence=list(zip(latest["capture"].tolist(), latest["frame"].tolist(), strict=True)),
    )


def _sources(hi: Words, lo: Words) -> Words:
    """What sources are counted by: of IPv6 the /64, but each address of a local network."""
    local = (hi >> np.uint64(54) == 0x3FA) | (hi >> np.uint64(57) == 0x7E)
    return addresses(hi, np.where((hi == 0) | local, lo, np.uint64(0)))


def total(crowds: Sequence[Crowd]) -> Crowd:
    """All of them as one; the latest slot's packets are the evidence."""
    if len(crowds) == 1:
        return crowds[0]
    states: dict[int, int] = {}
    for one in crowds:
        for state, count in one.states.items():
            states[state] = states.get(state, 0) + count
    return Crowd(
        packets=sum(one.packets for one in crowds),
        size=sum(one.size for one in crowds),
        back=sum(one.back for one in crowds),
        first_ns=crowds[0].first_ns,
        last_ns=max(one.last_ns for one in crowds),
        states=states,
        sources=merged(one.sources for one in crowds),
        flows=merged(one.flows for one in crowds),
        ports=merged(one.ports for one in crowds),
        target=crowds[-1].target,
        evidence=crowds[-1].evidence,
    )
