"""Port scans and sweeps: failed first contacts, counted per source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture.addresses import HOME, Networks
from mlids.capture.quotes import quotes
from mlids.events import Event
from mlids.scans.contacts import Contact, Kind, contacts, endpoint, taken
from mlids.scans.events import Summary, event, summarise
from mlids.scans.findings import QUIET_NS, Finding, Limits, Scans
from mlids.scans.singles import Singles
from mlids.scans.tcp import TcpContacts
from mlids.scans.udp import UdpContacts
from mlids.volume import NS, Repeats, Telling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mlids.scans.contacts import Records

Addresses = Annotated[list[str], msgspec.Meta(description="addresses or networks")]
EPISODES = 10_000
WATCHED_BITS = 18
MOST_ROWS = 65_536


class PortScanSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """When contacts are a scan, and whose are none."""

    threshold: Annotated[
        int,
        msgspec.Meta(
            ge=2,
            description="distinct closed or unanswered ports of one target",
            extra={"key": "thresholds.port_scan_threshold"},
        ),
    ] = 10
    window_s: Annotated[float, msgspec.Meta(gt=0, le=3600, description="within so many s")] = 60.0
    contacts: Annotated[
        int, msgspec.Meta(ge=2, description="distinct failed (host, port), gaps below 15 min")
    ] = 25
    sweep_hosts: Annotated[
        int, msgspec.Meta(ge=2, description="hosts on one port within 5 min")
    ] = 25
    echo_hosts: Annotated[
        int, msgspec.Meta(ge=2, description="hosts by ICMP echo within window_s")
    ] = 10
    grace_s: Annotated[
        float, msgspec.Meta(gt=0, le=60, description="an answer may take so many s")
    ] = 3.0
    ignore_sources: Addresses = []
    ignore_targets: Addresses = []
    exclude_ips: Addresses = []
    home_networks: Addresses = msgspec.field(default_factory=lambda: list(HOME))
    max_keys: Annotated[
        int, msgspec.Meta(ge=100, le=10_000_000, description="sources followed exactly")
    ] = 20_000
    max_sources: Annotated[
        int, msgspec.Meta(ge=100, le=50_000_000, description="sources with one contact held")
    ] = 524_288
    max_pending: Annotated[
        int, msgspec.Meta(ge=100, le=10_000_000, description="contacts waiting for an answer")
    ] = 131_072


class PortScan(Detector[PacketBatch]):
    """Says who scans whom: syn, connect, fin, null, xmas, synfin, full-xmas, udp and sweep.

    Thresholds are those of the common detectors (Snort's sfportscan, Zeek's scan policy), counted
    over failed contacts only: a port that answers is no evidence.
    """

    Settings = PortScanSettings
    kind = PacketBatch
    settings: PortScanSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        self._limits = Limits(
            ports=s.threshold,
            window_ns=int(s.window_s * NS),
            contacts=s.contacts,
            port_hosts=s.sweep_hosts,
            echo_hosts=s.echo_hosts,
            sources=s.max_keys,
        )
        self._tcp = TcpContacts(int(s.grace_s * NS), s.max_pending)
        self._udp = UdpContacts(int(s.grace_s * NS), s.max_pending)
        self._watched = np.zeros(1 << WATCHED_BITS, bool)  # by key: maybe something is known
        self._singles = Singles(s.max_sources, QUIET_NS)
        self._scans = Scans(self._limits)
        self._repeats = Repeats(QUIET_NS / NS, EPISODES)
        self._summaries: dict[Any, Summary] = {}
        self._captures: list[str] = []
        self._home = Networks(s.home_networks)
        self._ignored_sources = Networks([*s.ignore_sources, *s.exclude_ips])
        self._ignored_targets = Networks([*s.ignore_targets, *s.exclude_ips])

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """The scans that this batch completes, and what ended episodes held back."""
        events: list[Event] = []
        # What is made on the way needs room for each row, so large batches come in parts.
        for begin in range(0, len(batch) - MOST_ROWS, MOST_ROWS):
            part = batch.take(np.arange(begin, begin + MOST_ROWS))
            events += self._inspect(replace(part, now=int(part.time[-1])))
        done = max(0, -(-len(batch) // MOST_ROWS) - 1) * MOST_ROWS
        return events + self._inspect(batch.take(np.arange(done, len(batch))) if done else batch)

    def _inspect(self, batch: PacketBatch) -> list[Event]:
        capture = self._capture(batch.source)
        quoted, found = None, []
        rows = np.flatnonzero((batch.protocol == 1) | (batch.protocol == 58))
        if len(rows):
            kinds, six = batch.icmp_type[rows], batch.protocol[rows] == 58
            echoes = rows[(kinds == 8) & ~six | (kinds == 128) & six]
            lost = rows[(kinds == 3) & ~six | (kinds == 1) & six]
            if len(echoes):
                found.append(contacts(batch, echoes, capture, Kind.ECHO))
            if len(lost):
                quoted = quotes(batch, lost)
        found += self._tcp.inspect(batch, quoted, capture)
        found += self._udp.inspect(batch, quoted, capture)
        events = list(self._follow(found)) if found else []
        return events + [self._event(telling) for telling in self._ended(batch.now)]

    def flush(self) -> Iterable[Event]:
        """Contacts still unanswered at the end, and what was held back."""
        left = self._tcp.flush() + self._udp.flush()
        events = list(self._follow(left)) if left else []
        return events + [self._event(telling) for telling in self._repeats.flush()]

    def counts(self) -> dict[str, int]:
        """Contacts and sources given up for lack of room."""
        return {
            "evicted_contacts": self._tcp.attempts.evicted + self._udp.attempts.evicted,
            "evicted_sources": self._singles.evicted + self._scans.evicted,
            "evicted_episodes": self._repeats.evicted,
        }

    def _capture(self, source: str) -> int:
        if source not in self._captures:
            if len(self._captures) >= 65_535:  # a contact holds 16 bits of it
                self._captures[-1] = source
            else:
                self._captures.append(source)
        return self._captures.index(source)

    def _follow(self, found: list[Records]) -> Iterator[Event]:
        """Hand contacts to where their sources are followed."""
        made = self._of_interest(np.concatenate(found))
        low, keys = self._sources(made)
        slots = keys >> np.uint64(64 - WATCHED_BITS)
        shows = made["kind"] < Kind.OPENED
        self._watched[slots[shows]] = True
        wanted = shows | self._watched[slots]
        if not wanted.any():
            return
        made, low, keys = taken(made, wanted), low[wanted], keys[wanted]
        chosen = self._chosen(made, keys, low)
        made, low = (
            np.append(chosen[0], taken(made, chosen[2])),
            np.append(chosen[1], low[chosen[2]]),
        )
        silent = (made["kind"] == Kind.UNANSWERED) | (made["kind"] == Kind.UDP_UNANSWERED)
        order = np.lexsort((made["order"], silent, made["time"]))
        for values, last in zip(taken(made, order).tolist(), low[order].tolist(), strict=True):
            contact = Contact(*values)
            source = contact.src_hi, last
            for finding in self._scans.observe(source, contact):
                yield from self._told(finding, source, contact.time)

    def _sources(self, made: Records) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The low words of those who are counted, and their keys: outside, a /64 is one source."""
        high, low = made["src_hi"], made["src_lo"].copy()
        six = np.flatnonzero(high)
        low[six[~self._home.among(high[six], low[six])]] = 0
        return low, endpoint(high, low, np.zeros(len(made), np.uint16)) | np.uint64(1)

    def _of_interest(self, made: Records) -> Records:
        if self._ignored_sources:
            made = made[~self._ignored_sources.among(made["src_hi"], made["src_lo"])]
        if self._ignored_targets:
            made = made[~self._ignored_targets.among(made["dst_hi"], made["dst_lo"])]
        return made

    def _chosen(
        self, made: Records, keys: NDArray[np.uint64], low: NDArray[np.uint64]
    ) -> tuple[Records, NDArray[np.uint64], NDArray[np.bool_]]:
        """Which contacts are of sources to be followed exactly, and what these showed before.

        A source with its first contact is entered among the singles; one that only had ports
        answer, and showed nothing else, is of no interest.
        """
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        shown = np.bincount(inverse, made["kind"] < Kind.OPENED, len(unique))
        every = np.bincount(inverse, minlength=len(unique))
        places = self._singles.place(unique, int(made["time"].max()))
        followed = (places >= 0) | ((every > 1) & (shown > 0)) | self._known(made, low, first)
        alone = ~followed & (shown > 0)
        before = self._singles.take(places[places >= 0])
        self._singles.put(unique[alone], taken(made, first[alone]))
        return before, low[first[places >= 0]], followed[inverse]

    def _known(
        self, made: Records, low: NDArray[np.uint64], first: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        if not len(self._scans):
            return np.zeros(len(first), bool)
        sources = zip(made["src_hi"][first].tolist(), low[first].tolist(), strict=True)
        return np.fromiter((source in self._scans for source in sources), bool, len(first))

    def _told(self, finding: Finding, source: tuple[int, int], time: int) -> Iterator[Event]:
        """Count a finding by the volume law; yields what is to be told now."""
        if not finding.contacts:
            if (known := self._summaries.get(finding.key)) is not None:
                known.total = finding.total
            return
        summary = summarise(finding, source, self._home, self._captures, self._limits)
        for telling in self._repeats.trigger(finding.key, time):
            if telling.key == finding.key and telling.last_ns == time:
                yield event(summary, telling)
            else:
                yield self._event(telling)
        self._summaries[finding.key] = summary
        if len(self._summaries) > 2 * EPISODES:
            kept = {k: v for k, v in self._summaries.items() if self._repeats.first_seen(k)}
            self._summaries = kept

    def _ended(self, now: int) -> list[Telling]:
        return list(self._repeats.close(now))

    def _event(self, telling: Telling) -> Event:
        return event(self._summaries[telling.key], telling)

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "tcp": self._tcp.save(),
            "udp": self._udp.save(),
            "singles": self._singles.save(),
            "scans": self._scans.save(),
            "repeats": self._repeats.save(),
            "summaries": [[list(k), msgspec.to_builtins(v)] for k, v in self._summaries.items()],
            "captures": self._captures,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._tcp.restore(state["tcp"])
        self._udp.restore(state["udp"])
        self._singles.restore(state["singles"])
        self._scans.restore(state["scans"])
        self._watched[:] = bool(state["scans"] or state["singles"])
        self._repeats.restore(state["repeats"])
        self._captures = list(state["captures"])
        self._summaries = {
            tuple(key): msgspec.convert(values, Summary) for key, values in state["summaries"]
        }
