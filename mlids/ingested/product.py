"""What a product's records are turned into findings by: one of these for each product.

A product says which lines are worth decoding, and what a record tells. Those with rules as data
(`RuleProduct`) only say beside what fields rules may ask for, and whom an event is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from mlids.batches import LineBatch
from mlids.ingested.conditions import Lists
from mlids.ingested.engine import Engine, Hit
from mlids.ingested.findings import Finding, Place
from mlids.ingested.rules import shipped
from mlids.layouts.literals import Literals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Record = Mapping[str, Any]
Told = tuple[Finding, Place]


class Product:
    """One product whose alerts or records are taken in."""

    name: ClassVar[str]
    """Of its log format."""
    literals: tuple[bytes, ...] = ()
    """Lines that hold none of them tell nothing."""

    @cached_property
    def _marks(self) -> Literals:
        return Literals(self.literals)

    def rows(self, batch: LineBatch) -> NDArray[np.intp]:
        """The rows of lines that are worth decoding."""
        return self._marks.rows(batch)

    def told(self, record: Record, place: Place) -> Iterable[Told]:
        """What a record tells."""
        raise NotImplementedError  # abstract

    def due(self, now_ns: int) -> Iterable[Told]:
        """What was waiting for more, and waits no longer at this time."""
        return ()

    def flush(self) -> Iterable[Told]:
        """What is still waiting at the end."""
        return ()

    @property
    def evicted(self) -> int:
        """What was forgotten before its time."""
        return 0

    def save(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `save` gave."""


class RuleProduct(Product):
    """A product of which rules tell what matters."""

    def __init__(self, lists: Lists | None = None, keys: int = 1000) -> None:
        file = shipped(self.name)
        self.lists: Lists = lists or {}
        self.literals = tuple(each.encode() for each in file.literals)
        self.engine = Engine(file, self.lists, keys)

    def told(self, record: Record, place: Place) -> Iterator[Told]:
        """The rules that a record completes, as findings."""
        for event in self.events(record):
            prepared = self.prepared(event)
            if not prepared:
                continue
            if event is not record:
                place = place._replace(time_ns=self.moment(event) or place.time_ns)
            for hit in self.engine.judge(prepared, place):
                yield self.finding(hit, prepared), place

    def events(self, record: Record) -> Iterable[Record]:
        """The events of a record, which may be a list of them."""
        return (record,)

    def moment(self, event: Record) -> int:
        """When an event happened that is one of several in a record; 0 unknown."""
        return 0

    def prepared(self, event: Record) -> dict[str, Any]:
        """An event with the fields that rules may ask for beside its own; {}: not of interest."""
        raise NotImplementedError  # abstract

    def finding(self, hit: Hit, event: Record) -> Finding:
        """What is told of an event that completes a rule."""
        rule = hit.rule.rule
        details, metadata = self.about(event)
        who = details.get("user") or details.get("ip") or details.get("process") or "somebody"
        what = details.get("target") or details.get("path") or ""
        text = f"{rule.title}: {who}" + (f", {what}" if what else "")
        if hit.key:
            metadata |= {"key": hit.key, "observed": hit.observed}
            over = rule.burst or rule.sequence
            metadata |= {"window_s": over.within_s if over else 0}
            metadata |= {"threshold": rule.burst.count if rule.burst else len(hit.rule.steps)}
        return Finding(
            severity=rule.severity,
            source=self.source,
            rule=hit.rule.name,
            description=text,
            explanation=hit.explanation(),
            details=details,
            metadata={**metadata, "title": rule.title},
            techniques=tuple(rule.techniques),
            tags=(self.name, *rule.tags),
            key=(hit.rule.name, hit.key) if hit.key else (),
            evidence=hit.evidence(),
        )

    source: ClassVar[str] = "application"

    def about(self, event: Record) -> tuple[dict[str, Any], dict[str, Any]]:
        """Details of an event that is told, and its metadata."""
        raise NotImplementedError  # abstract

    @property
    def evicted(self) -> int:
        """Keys of bursts and sequences that were forgotten before their time."""
        return self.engine.evicted

    def save(self) -> dict[str, Any]:
        """What the rules remember."""
        return self.engine.save()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `save` gave."""
        self.engine.restore(state)
