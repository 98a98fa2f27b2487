"""Binds rules to the records of entries of the mapping: their fields are looked up once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlids.sigma import nodes
from mlids.sigma.nodes import REMEMBERED, REMEMBERED_LENGTH, Fate, Node
from mlids.sigma.predicates import Equal
from mlids.sigma.rules import Rule
from mlids.sigma.sources import RAW, Entry, Service
from mlids.sigma.views import Reader, View


class Shape:
    """What an entry tells of its records (see `nodes.Shape`)."""

    def __init__(self, entry: Entry, common: Mapping[bytes, int] | None = None) -> None:
        self.entry = entry
        self.structured = entry.structured
        self.common = common or {}

    def provides(self, field: str) -> bool:
        """Whether records can have the field."""
        return bool(self.entry.places(field))

    def verbatim(self, field: str) -> bool:
        """Whether its value stands in the line as it is."""
        places = self.entry.places(field)
        return all(place.verbatim for place in places)


class Bound(NamedTuple):
    """A rule as it is held against the records of one entry."""

    rule: Rule
    reader: Reader
    gate: Node | None  # what its records must hold to be of the log source
    literals: frozenset[bytes] | None
    only: str  # the one field that it asks for, "" where there are more
    known: dict[str, bool]  # by the text of that field, what came of it lately

    @property
    def entry(self) -> Entry:
        """The entry of the mapping."""
        return self.reader.entry

    def test(self, view: View) -> bool:
        """Whether the rule matches; agents, paths and commands come again and again."""
        test = self.rule.node.test
        if not self.only:
            return test(view)
        texts = view.texts(self.only)
        if len(texts) != 1 or len(text := texts[0][0]) > REMEMBERED_LENGTH:
            return test(view)
        known = self.known.get(text)
        if known is None:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            known = self.known[text] = test(view)
        return known


class Binder:
    """Binds rules to entries; what rules of one entry have in common, they share."""

    def __init__(self) -> None:
        self._readers: dict[int, Reader] = {}
        self._gates: dict[tuple[int, str], Node | None] = {}

    def bind(self, rule: Rule, entry: Entry, common: Mapping[bytes, int]) -> Bound | None:
        """The rule bound to an entry that is for it; None where it can never match its records.

        common: how many rules ask for a literal.
        """
        shape = Shape(entry, common)
        if rule.node.fate(shape) is Fate.NEVER:
            return None
        key = (id(entry), rule.service)
        if key not in self._gates:
            self._gates[key] = _gate(entry.conditions(rule.service))
        gate = self._gates[key]
        wanted = rule.node.literals(shape)
        if wanted is None and gate is not None:
            wanted = gate.literals(shape)
        reader = self._readers.setdefault(id(entry), Reader(entry))
        fields = set(rule.node.fields())
        alone = len(fields) == 1 and not any(
            isinstance(leaf, nodes.Keyword) for leaf in rule.node.leaves()
        )
        return Bound(rule, reader, gate, wanted, fields.pop() if alone else "", {})


def _gate(conditions: Sequence[Service]) -> Node | None:
    """What a record must hold to be of the services; None where any is."""
    asked = [
        nodes.Some([nodes.Ask(f"{RAW}{name}", Equal(one.values)) for name in one.names])
        for one in conditions
    ]
    return nodes.Every(asked) if asked else None


def bound_all(pairs: Sequence[tuple[Rule, Entry]]) -> list[Bound]:
    """Rules bound to entries that are for them, as far as they can match."""
    common: Counter[bytes] = Counter()
    for rule, entry in pairs:
        shape = Shape(entry)
        sets = (leaf.literals(shape) for leaf in rule.node.leaves())
        common.update({literal for one in sets if one for literal in one})
    binder = Binder()
    found = [binder.bind(rule, entry, common) for rule, entry in pairs]
    return [one for one in found if one is not None]
