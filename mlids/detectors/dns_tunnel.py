"""DNS tunnels and exfiltration: names that carry data, by client and registered domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from mlids.batches import Detector, PacketBatch
from mlids.capture import dns
from mlids.capture.addresses import Networks, address
from mlids.capture.mixing import endpoint, pair_key
from mlids.episodes import Episodes
from mlids.events import Event
from mlids.lookups.events import account
from mlids.lookups.ignored import KNOWN, Ignored
from mlids.lookups.sightings import Sightings, sighting
from mlids.lookups.watch import Limits, Seen, Watch

if TYPE_CHECKING:
    from numpy.typing import NDArray

NS = 1_000_000_000
QUIET_S = 900.0
LEAST_SIZE, LEAST_LABEL = 16, 12  # letters; names below carry too little to be counted
NO_SUCH_NAME = 0xD1B54A32D192ED03
# CNAME, NULL, MX, TXT, KEY and the private types that tunnels use.
ODD = (5, 10, 15, 16, 25, 65399, 65432)


class DnsTunnelSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """When names carry data; distinct names of one client below one registered domain."""

    window_s: Annotated[
        float, msgspec.Meta(gt=0, le=3600, description="names count for so many s")
    ] = 300.0
    label_names: Annotated[
        int, msgspec.Meta(ge=2, le=2000, description="names whose labels are long")
    ] = 20
    label_size: Annotated[
        float, msgspec.Meta(ge=12, le=63, description="mean letters of the longest label")
    ] = 42.0
    long_names: Annotated[int, msgspec.Meta(ge=2, le=2000, description="names that are long")] = 15
    long_size: Annotated[
        float, msgspec.Meta(ge=16, le=250, description="mean letters of such a name")
    ] = 100.0
    odd_names: Annotated[
        int, msgspec.Meta(ge=2, le=2000, description="names, mostly by TXT, NULL, CNAME, MX")
    ] = 30
    odd_share: Annotated[
        float, msgspec.Meta(gt=0, le=1, description="share of such questions among them")
    ] = 0.5
    many_names: Annotated[
        int, msgspec.Meta(ge=2, le=2000, description="names of any kind with long labels")
    ] = 300
    many_bytes: Annotated[
        int, msgspec.Meta(ge=100, description="bytes that these carry in all")
    ] = 12_000
    least_label: Annotated[
        float, msgspec.Meta(ge=12, le=63, description="the same, for the last two")
    ] = 18.0
    ignore_domains: Annotated[
        list[str], msgspec.Meta(description="domains left out, and all below them")
    ] = msgspec.field(default_factory=lambda: list(KNOWN))
    exclude_ips: Annotated[
        list[str],
        msgspec.Meta(description="clients left out", extra={"key": "network.exclude_ips"}),
    ] = []
    max_names: Annotated[
        int, msgspec.Meta(ge=1000, le=10_000_000, description="distinct names remembered")
    ] = 131_072
    max_watched: Annotated[
        int, msgspec.Meta(ge=10, le=10_000, description="clients and domains followed closely")
    ] = 256


class DnsTunnel(Detector[PacketBatch]):
    """Says which client sends data through which domain, in the names that it asks for.

    Techniques: long-names, long-labels, odd-records, many-names. Counted are distinct names below
    one registered domain, whatever their entropy.
    """

    Settings = DnsTunnelSettings
    kind = PacketBatch
    settings: DnsTunnelSettings

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        s = self.settings
        self._limits = Limits(
            int(s.window_s * NS),
            s.label_names,
            s.label_size,
            s.long_names,
            s.long_size,
            s.odd_names,
            s.odd_share,
            s.many_names,
            s.many_bytes,
            s.least_label,
        )
        self._sightings = Sightings(s.max_names, self._limits.window_ns)
        self._watched: dict[int, Watch] = {}  # by pair, ordered by latest name
        self._given_up = 0
        self._episodes = Episodes(QUIET_S)
        self._excluded = Networks(s.exclude_ips)
        self._ignored = Ignored(s.ignore_domains)
        self._captures: list[str] = []

    def inspect(self, batch: PacketBatch) -> Iterable[Event]:
        """The tunnels that this batch shows, and what ended episodes held back."""
        events = list(self._inspect(batch)) if len(batch) else []
        self._forget(batch.now - self._limits.window_ns)
        return events + self._episodes.close(batch.now)

    def flush(self) -> Iterable[Event]:
        """What was held back."""
        return self._episodes.flush()

    def counts(self) -> dict[str, int]:
        """Names, watched clients and episodes given up for lack of room."""
        return {
            "evicted_names": self._sightings.evicted,
            "evicted_watches": self._given_up,
            "evicted_episodes": self._episodes.evicted,
        }

    def _inspect(self, batch: PacketBatch) -> Iterator[Event]:
        asked = dns.questions(batch, LEAST_LABEL)
        asked = asked.taken(np.flatnonzero(asked.domain_at - asked.at > LEAST_SIZE))
        label = dns.longest(batch.data, asked.at, asked.domain_at)
        chosen = np.flatnonzero(label >= LEAST_LABEL)
        if not len(chosen):
            return
        asked, label = asked.taken(chosen), label[chosen]
        domains = dns.name_key(batch.data, asked.domain_at, asked.end)
        wanted = ~self._ignored.among(batch.data, asked, domains)
        client_hi = np.where(asked.query, batch.src_hi[asked.row], batch.dst_hi[asked.row])
        client_lo = np.where(asked.query, batch.src_lo[asked.row], batch.dst_lo[asked.row])
        if self._excluded:
            wanted &= ~self._excluded.among(client_hi, client_lo)
        clients = endpoint(client_hi, client_lo, np.zeros(len(client_lo), np.uint16))
        pairs = endpoint(clients, domains, np.zeros(len(domains), np.uint16)) | np.uint64(1)
        names = dns.name_key(batch.data, asked.at, asked.domain_at)
        names = pair_key(names, pairs) ^ np.where(
            asked.query, np.uint64(0), np.uint64(NO_SUCH_NAME)
        )
        left = np.flatnonzero(wanted)
        keys = endpoint(names[left], pairs[left], np.zeros(len(left), np.uint16)) | np.uint64(1)
        left = left[self._sightings.distinct(keys, batch.time[asked.row[left]])]
        if not len(left):
            return
        records = self._records(batch, asked, (pairs, label), left)
        self._sightings.add(records)
        clients_of = [client_hi, client_lo]
        yield from self._followed(batch, asked, left, records, clients_of)

    def _records(
        self,
        batch: PacketBatch,
        asked: dns.Questions,
        pairs_and_labels: tuple[NDArray[np.uint64], NDArray[np.uint8]],
        left: NDArray[np.intp],
    ) -> NDArray[Any]:
        made = np.zeros(len(left), sighting())
        rows = asked.row[left]
        made["pair"], made["label"] = (column[left] for column in pairs_and_labels)
        made["time"], made["frame"] = batch.time[rows], batch.frame[rows]
        made["capture"] = self._capture(batch.source)
        made["size"] = (asked.domain_at - asked.at - asked.labels)[left]  # without the dots
        made["odd"] = np.isin(asked.kind[left], ODD)
        made["refused"] = ~asked.query[left]
        return made

    def _followed(
        self,
        batch: PacketBatch,
        asked: dns.Questions,
        left: NDArray[np.intp],
        records: NDArray[Any],
        clients: list[NDArray[np.uint64]],
    ) -> Iterator[Event]:
        """Hand sightings to the pairs that are watched; those with many are watched from now on."""
        pairs, total = self._sightings.counted(records)
        many = pairs[total / batch.sampled >= self._limits.fewest].tolist()
        fresh = [pair for pair in many if pair not in self._watched]
        if fresh:
            old = self._sightings.of(np.array(fresh, np.uint64))
            for pair in fresh:
                self._watched[pair] = Watch()
            this = np.isin(records["pair"], np.array(fresh, np.uint64))
            before = old[: len(old) - int(np.count_nonzero(this))]
            for record in before.tolist():
                self._watched[record[0]].observe(Seen(*record[1:]), self._limits, batch.sampled)
        known = np.array(list(self._watched), np.uint64)
        for index in np.flatnonzero(np.isin(records["pair"], known)).tolist():
            pair, *values = records[index].tolist()
            watch = self._watched.pop(pair)
            self._watched[pair] = watch
            finding = watch.observe(Seen(*values), self._limits, batch.sampled)
            if finding is not None:
                place = int(left[index])
                client = address(int(clients[0][place]), int(clients[1][place]))
                told = account(
                    finding, batch, asked, place, client, self._captures, self.settings.window_s
                )
                domain = told.details["domain"]
                yield from self._episodes.trigger(("tunnel", client, domain), values[0], told)
        while len(self._watched) > self.settings.max_watched:
            del self._watched[next(iter(self._watched))]
            self._given_up += 1

    def _forget(self, horizon: int) -> None:
        while self._watched:
            pair = next(iter(self._watched))
            if self._watched[pair].last > horizon:
                return
            del self._watched[pair]

    def _capture(self, source: str) -> int:
        if source not in self._captures:
            self._captures.append(source)
        return min(self._captures.index(source), 65_535)

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {
            "sightings": self._sightings.save(),
            "watched": [[pair, watch.save()] for pair, watch in self._watched.items()],
            "given_up": self._given_up,
            "episodes": self._episodes.save(),
            "captures": self._captures,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self._sightings.restore(state["sightings"])
        self._watched = {pair: Watch.restored(values) for pair, values in state["watched"]}
        self._given_up = state["given_up"]
        self._episodes.restore(state["episodes"])
        self._captures = list(state["captures"])
