"""Takes in what other products found: Falco, Gatekeeper, Suricata, Zeek, and the audit logs of
Kubernetes, AWS and Linux.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import msgspec

from mlids.batches import Detector, LineBatch
from mlids.episodes import Episodes
from mlids.events import Event
from mlids.ingested.cloud import Cloud
from mlids.ingested.cluster import Cluster
from mlids.ingested.falco import Falco
from mlids.ingested.findings import Place, account, event
from mlids.ingested.gatekeeper import Gatekeeper
from mlids.ingested.hosts import Hosts
from mlids.ingested.product import Product, Told
from mlids.ingested.suricata import Suricata
from mlids.ingested.zeek import Zeek

QUIET_S = 900.0
Names = Annotated[list[str], msgspec.Meta(description="names, or beginnings of images")]


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Settings of what is taken in from others."""

    trusted_users: Annotated[
        list[str],
        msgspec.Meta(description="Kubernetes users who change things by hand, which is not told"),
    ] = []
    trusted_images: Annotated[
        list[str],
        msgspec.Meta(description="beginnings of images that may be privileged or on the host"),
    ] = []
    known_users: Annotated[
        list[str],
        msgspec.Meta(description="Kubernetes users; changes of others are told; empty: nobody's"),
    ] = []
    known_images: Annotated[
        list[str],
        msgspec.Meta(description="beginnings of images; others are told; empty: none are"),
    ] = []
    known_namespaces: Annotated[
        list[str],
        msgspec.Meta(description="namespaces that may be made; others are told; empty: none are"),
    ] = []
    max_keys: Annotated[
        int, msgspec.Meta(ge=10, le=1_000_000, description="users or processes followed, a rule")
    ] = 1000


class Ingested(Detector[LineBatch]):
    """Tells what other products found, and what their audit logs show, with its own rule and time.

    Alerts of Falco, Gatekeeper, Suricata and Zeek keep their priority. Events of the audit logs of
    Kubernetes, AWS CloudTrail and Linux are judged by rules (see `mlids.ingested.rules`).
    """

    Settings = Settings
    kind = LineBatch

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        chosen = self.settings
        lists = {
            name: getattr(chosen, name)
            for name in (
                "trusted_users",
                "trusted_images",
                "known_users",
                "known_images",
                "known_namespaces",
            )
        }
        made: list[Product] = [
            Falco(),
            Gatekeeper(),
            Suricata(),
            Zeek(),
            Cluster(lists, chosen.max_keys),
            Cloud(lists, chosen.max_keys),
            Hosts(lists, chosen.max_keys),
        ]
        self._products = {product.name: product for product in made}
        self._episodes = Episodes(QUIET_S)

    def inspect(self, batch: LineBatch) -> Iterable[Event]:
        """One event for each alert, and for each record that a rule tells of."""
        if not len(batch):
            yield from self._heartbeat(batch.now)
            return
        product = self._products.get(batch.format.name) if batch.format else None
        if product is None:
            return
        narrow = batch.take(product.rows(batch))
        if not len(narrow):
            return
        times, records = narrow.column("time").tolist(), narrow.records()
        numbers, starts = narrow.numbers.tolist(), (narrow.starts + batch.base).tolist()
        for row, record in enumerate(records):
            time_ns = times[row] or batch.written
            place = Place(time_ns, batch.source, numbers[row], starts[row])
            yield from self._told(product.told(record, place))

    def _heartbeat(self, now: int) -> Iterator[Event]:
        if now:
            for product in self._products.values():
                yield from self._told(product.due(now))
            yield from map(_of_host, self._episodes.close(now))

    def _told(self, found: Iterable[Told]) -> Iterator[Event]:
        several: dict[tuple[str, Place], int] = {}
        for finding, place in found:
            if not finding.key:
                number = several.get((finding.rule, place), 0)
                several[finding.rule, place] = number + 1
                yield event(finding, place, number)
                continue
            yield from map(_of_host, self._episodes.close(place.time_ns))
            said = self._episodes.trigger(finding.key, place.time_ns, account(finding, place))
            yield from map(_of_host, said)

    def flush(self) -> Iterable[Event]:
        """What still waited for more, and what was held back."""
        for product in self._products.values():
            yield from self._told(product.flush())
        yield from map(_of_host, self._episodes.flush())

    def counts(self) -> dict[str, int]:
        """What was forgotten before its time."""
        lost = sum(product.evicted for product in self._products.values())
        return {"evicted": lost, "evicted_episodes": self._episodes.evicted}

    def save(self) -> dict[str, Any]:
        """What is remembered of bursts and sequences, and what waits."""
        products = {name: product.save() for name, product in self._products.items()}
        return {"products": products, "episodes": self._episodes.save()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a state that `save` gave."""
        for name, kept in state["products"].items():
            if name in self._products and kept:
                self._products[name].restore(kept)
        self._episodes.restore(state["episodes"])


def _of_host(event: Event) -> Event:
    """What goes on is not of the network here."""
    source = "host" if "auditd" in event.get("tags", ()) else "application"
    return event.replace(source=source)
