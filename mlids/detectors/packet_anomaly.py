"""Packets that no honest host sends, and headers that contradict themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture.addresses import address
from mlids.capture.crafting import FLAGS
from mlids.capture.decoding import Fault
from mlids.capture.exemptions import Exempt
from mlids.capture.mixing import endpoint
from mlids.events import Event, detection_id
from mlids.oddities.fragments import Cuts
from mlids.oddities.headers import oddities
from mlids.oddities.senders import Senders
from mlids.volume import NS, Repeats, Telling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]

QUIET_S = 900  # an episode ends after so many seconds without a further packet of its kind
ROOM = 64  # of these most sources are told apart by name, beyond them together
PROTOCOLS = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 58: "ICMPv6", 132: "SCTP"}


class Kind(NamedTuple):
    """One kind of anomaly: how it is told."""

    severity: str
    what: str
    techniques: tuple[str, ...] = ()


KINDS = {
    "flags": Kind("MEDIUM", "TCP flags that no stack sends together", ("T1046",)),
    "port-zero": Kind("LOW", "port 0, which is reserved", ("T1046",)),
    "bad-length": Kind("LOW", "lengths that contradict each other"),
    "truncated": Kind("LOW", "ends inside a header"),
    "extensions": Kind("MEDIUM", "IPv6 extension headers that are cut or too many"),
    "bad-tunnel": Kind("LOW", "a tunnel whose content cannot be read"),
    "nested-tunnel": Kind("LOW", "a tunnel within a tunnel, which hides what it carries"),
    "bad-checksum": Kind("LOW", "a checksum that is wrong, though its sender's others are right"),
    "tiny-fragment": Kind("MEDIUM", "a fragment so small that headers come apart"),
    "fragment-overlap": Kind("MEDIUM", "a fragment that lies over another of its datagram"),
    "same-address": Kind("MEDIUM", "source and target are the same"),
    "impossible-source": Kind("MEDIUM", "a source address that no host can have"),
    "impossible-target": Kind("LOW", "a target address that no host can have"),
    "mapped-address": Kind("MEDIUM", "an IPv4 address inside an IPv6 one"),
    "source-route": Kind("MEDIUM", "a way that the sender prescribes", ("T1599",)),
}


class PacketAnomalySettings(Exempt, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What is left out, and how much is remembered."""

    checksums: Annotated[bool, msgspec.Meta(description="also judge checksums")] = True
    max_sources: Annotated[
        int, msgspec.Meta(ge=1, le=10_000, description="sources told apart, of each kind")
    ] = ROOM
    max_fragments: Annotated[
        int, msgspec.Meta(ge=16, le=10_000_000, description="fragments remembered for 30 s")
    ] = 16_384
    max_senders: Annotated[
        int, msgspec.Meta(ge=16, le=10_000_000, description="senders whose checksums are counted")
    ] = 16_384


class Seen(msgspec.Struct, array_like=True):
    """One odd packet, as it is told."""

    kind: str
    ip: str
    target: str
    protocol: str
    port: int
    note: str  # flags, or the fault
    evidence: dict[str, Any]
    several: bool = False  # further sources, beyond those told apart


class PacketAnomaly(Detector[PacketBatch]):
    """Finds impossible flags, lengths, addresses and checksums, and fragments cut to confuse."""

    Settings = PacketAnomalySettings
    kind = PacketBatch
    settings: PacketAnomalySettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        self._cuts = Cuts(s.max_fragments)
        self._senders = Senders(s.max_senders)
        self._repeats = Repeats(QUIET_S, len(KINDS) * (s.max_sources + 1))
        self._latest: dict[tuple[str, int], Seen] = {}  # of each episode
        self._sources: dict[str, list[int]] = {}  # told apart, by kind
        self._when: dict[str, int] = {}  # the last packet of each kind
        self._sources_ignored, self._targets_ignored = s.sources(), s.targets()

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """What is odd in this batch, by the volume law, and what ended episodes held back."""
        events: list[Event] = []
        for name, rows in self._odd(batch) if len(batch) else ():
            if len(rows) and len(rows := self._of_interest(batch, rows)):
                events += self._told(name, batch, rows)
        events += [self._rest(telling) for telling in self._repeats.close(batch.now)]
        if len(self._latest) > self._repeats.keys:
            going_on = self._repeats.first_seen
            self._latest = {k: v for k, v in self._latest.items() if going_on(k) is not None}
        return events

    def _odd(self, batch: PacketBatch) -> Iterator[tuple[str, Rows]]:
        tiny, over = self._cuts.inspect(batch)
        yield from oddities(batch)
        yield from (("tiny-fragment", tiny), ("fragment-overlap", over))
        if self.settings.checksums:
            yield "bad-checksum", self._senders.inspect(batch)

    def flush(self) -> Iterable[Event]:
        """What was held back."""
        return [self._rest(telling) for telling in self._repeats.flush()]

    def counts(self) -> dict[str, int]:
        """Fragments and senders given up for lack of room."""
        return {
            "evicted_fragments": self._cuts.evicted,
            "evicted_senders": self._senders.evicted,
        }

    def _of_interest(self, batch: PacketBatch, rows: Rows) -> Rows:
        if self._sources_ignored:
            rows = rows[~self._sources_ignored.among(batch.src_hi[rows], batch.src_lo[rows])]
        if self._targets_ignored:
            rows = rows[~self._targets_ignored.among(batch.dst_hi[rows], batch.dst_lo[rows])]
        return rows

    def _told(self, name: str, batch: PacketBatch, rows: Rows) -> Iterator[Event]:
        """Tell the packets of one kind, source by source."""
        times = batch.time[rows]
        before = np.concatenate(([self._when.get(name, int(times[0]))], times[:-1]))
        self._when[name] = int(times[-1])
        pauses = np.flatnonzero(times - before > QUIET_S * NS)
        for part in np.split(rows, pauses):
            if len(part):
                if part[0] in rows[pauses]:
                    self._sources.pop(name, None)  # a new episode: others may be told apart
                yield from self._by_source(name, batch, part)

    def _by_source(self, name: str, batch: PacketBatch, rows: Rows) -> Iterator[Event]:
        key = endpoint(batch.src_hi[rows], batch.src_lo[rows], np.zeros(len(rows), np.uint16))
        known = self._sources.setdefault(name, [])
        new = np.flatnonzero(~np.isin(key, np.array(known, np.uint64)))
        _, first = np.unique(key[new], return_index=True)
        room = self.settings.max_sources - len(known)
        known += key[new[np.sort(first)[:room]]].tolist()
        apart = np.isin(key, np.array(known, np.uint64))
        for source in np.unique(key[apart]).tolist():
            yield from self._one(name, source, batch, rows[key == np.uint64(source)])
        if not apart.all():
            yield from self._one(name, 0, batch, rows[~apart])

    def _one(self, name: str, source: int, batch: PacketBatch, rows: Rows) -> Iterator[Event]:
        """Count the packets of one source; `source` 0 stands for all beyond those told apart."""
        key = name, source
        for n, telling in self._repeats.trigger_each(key, batch.time[rows].tolist()):
            # What an episode before held back is told with the packet before this one.
            of = n if telling.last_ns == int(batch.time[rows[n]]) else n - 1
            seen = self._latest[key] if of < 0 else _seen(name, source, batch, rows[of])
            yield _event(seen, telling)
        self._latest[key] = _seen(name, source, batch, rows[-1])

    def _rest(self, telling: Telling) -> Event:
        return _event(self._latest[telling.key], telling)  # type: ignore[index]

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "cuts": self._cuts.save(),
            "senders": self._senders.save(),
            "repeats": self._repeats.save(),
            "latest": [[list(k), msgspec.to_builtins(v)] for k, v in self._latest.items()],
            "sources": self._sources,
            "when": self._when,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._cuts.restore(state["cuts"])
        self._senders.restore(state["senders"])
        self._repeats.restore(state["repeats"])
        self._latest = {tuple(k): msgspec.convert(v, Seen) for k, v in state["latest"]}
        self._sources = {name: list(keys) for name, keys in state["sources"].items()}
        self._when = dict(state["when"])


def _seen(name: str, source: int, batch: PacketBatch, row: int) -> Seen:
    number = int(batch.protocol[row])
    addressed = bool(batch.dst_lo[row] or batch.dst_hi[row])
    fault = int(batch.fault[row])
    note = Fault(fault).name.lower().replace("_", " ") if fault else ""
    if name == "flags":
        bits = int(batch.flags[row])
        note = "".join(f for n, f in enumerate(FLAGS) if bits >> n & 1) or "none"
    return Seen(
        name,
        address(int(batch.src_hi[row]), int(batch.src_lo[row])) if addressed and source else "",
        address(int(batch.dst_hi[row]), int(batch.dst_lo[row])) if addressed else "",
        PROTOCOLS.get(number, str(number)) if addressed else "",
        int(batch.dport[row]) if batch.transport[row] else 0,
        note,
        batch.evidence(int(row)),
        source == 0,
    )


def _event(seen: Seen, telling: Telling) -> Event:
    kind = KINDS[seen.kind]
    who = "many sources" if seen.several else seen.ip or "a host without an address"
    whom = f" to {seen.target}" if seen.target else ""
    note = f" ({seen.note})" if seen.note else ""
    details: dict[str, Any] = {
        "ip": seen.ip,
        "target": seen.target,
        "protocol": seen.protocol,
        "description": f"{who}{whom}: {kind.what}{note}",
        "metadata": {"technique": seen.kind, "observed": seen.note, "triggers": telling.total},
        "suppressed": telling.suppressed,
    }
    if seen.port:
        details["port"] = seen.port
    return Event.new(
        "Packet Anomaly",
        kind.severity,
        "network",
        {name: value for name, value in details.items() if value != ""},
        time_ns=telling.last_ns,
        rule=f"packet_anomaly/{seen.kind}",
        tags=["protocol", seen.kind],
        techniques=kind.techniques,
        confidence=0.8,
        evidence=[seen.evidence],
        explanation=(
            f"{kind.what}{note}; {telling.total} such packets so far, one is enough; "
            f"counted anew after {QUIET_S} s without one"
        ),
        correlation_id=detection_id("packet_anomaly", telling.key, telling.first_ns),
    )
