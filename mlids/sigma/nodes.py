"""The compiled condition of a rule: a tree that is held against one record at a time.

`Node.test` is the whole evaluator. `Node.literals` says what the line of any matching record must
hold, and `Node.fate` whether it can match at all where only some fields exist.
"""

# ruff: noqa: D102, SIM110 - what the methods do is told at `Node`; a loop takes half of any()'s time

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Protocol

from mlids.sigma import folding
from mlids.sigma.predicates import Predicate, Text, both, either

REMEMBERED = 2048  # texts of which a slow question remembers its answer
REMEMBERED_LENGTH = 256

Literals = frozenset[bytes] | None


class Record(Protocol):
    """What a tree asks of a record (`views.View` is one)."""

    def values(self, field: str) -> Sequence[object]:
        """What it has under a name; empty: no such field."""

    def texts(self, field: str) -> Sequence[Text]:
        """The same as texts, without nulls."""

    def keywords(self) -> Sequence[Text]:
        """The texts that keywords are searched in."""


class Fate(Enum):
    """Whether something can hold: never, always, or by what the record has."""

    NEVER = 0
    ALWAYS = 1
    OPEN = 2


class Shape(Protocol):
    """What is known of the records before any is seen."""

    def provides(self, field: str) -> bool:
        """Whether records can have the field."""

    def verbatim(self, field: str) -> bool:
        """Whether its value stands in the line as it is."""

    @property
    def structured(self) -> bool:
        """Whether lines are records that may spell a value in several ways."""

    @property
    def common(self) -> Mapping[bytes, int]:
        """How many rules ask for a literal."""


class Node:
    """A part of a condition."""

    def test(self, record: Record) -> bool:
        """Whether it holds for the record."""
        raise NotImplementedError  # abstract

    def literals(self, shape: Shape) -> Literals:
        """Bytes of which the line of each matching record holds one (lower case); None: unknown."""
        return None

    def fate(self, shape: Shape) -> Fate:
        """Whether it can hold."""
        return Fate.OPEN

    def fields(self) -> Iterator[str]:
        """The fields it asks for."""
        yield from ()

    def matched(self, record: Record) -> Iterator[tuple[str, str]]:
        """The fields by which it holds, and their values; a keyword has the field ""."""
        yield from ()

    def leaves(self) -> Iterator[Node]:
        """The questions at the ends of the tree."""
        yield self


class Ask(Node):
    """A field has a value that the predicate takes."""

    def __init__(self, field: str, predicate: Predicate) -> None:
        self.field = field
        self.predicate = predicate
        self._holds = self._remembered if predicate.slow else predicate.holds
        self._known: dict[str, bool] = {}

    def test(self, record: Record) -> bool:
        holds = self._holds
        for text in record.texts(self.field):
            if holds(text):
                return True
        return False

    def _remembered(self, text: Text) -> bool:
        """What was found of the same text lately: agents, paths and commands come again."""
        known = self._known.get(text[0])
        if known is None:
            known = self.predicate.holds(text)
            if len(text[0]) <= REMEMBERED_LENGTH:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                self._known[text[0]] = known
        return known

    def literals(self, shape: Shape) -> Literals:
        known = shape.verbatim(self.field)
        return self.predicate.literals(shape.structured) if known else None

    def fate(self, shape: Shape) -> Fate:
        return Fate.OPEN if shape.provides(self.field) else Fate.NEVER

    def fields(self) -> Iterator[str]:
        yield self.field

    def matched(self, record: Record) -> Iterator[tuple[str, str]]:
        found = (text[0] for text in record.texts(self.field) if self._holds(text))
        yield from ((self.field, text) for text in found)


class Empty(Node):
    """A field that is not there, or null."""

    def __init__(self, field: str) -> None:
        self.field = field

    def test(self, record: Record) -> bool:
        return not record.texts(self.field)

    def fate(self, shape: Shape) -> Fate:
        return Fate.OPEN if shape.provides(self.field) else Fate.ALWAYS

    def fields(self) -> Iterator[str]:
        yield self.field


class Exists(Node):
    """A field that is there, be it null."""

    def __init__(self, field: str) -> None:
        self.field = field

    def test(self, record: Record) -> bool:
        return bool(record.values(self.field))

    def fate(self, shape: Shape) -> Fate:
        return Fate.OPEN if shape.provides(self.field) else Fate.NEVER

    def fields(self) -> Iterator[str]:
        yield self.field


class Reference(Node):
    """A field is like another one of the record: equal, or has its value somewhere in it."""

    def __init__(self, field: str, other: str, where: str = "equal") -> None:
        self.field = field
        self.other = other
        self.like = _LIKE[where]

    def test(self, record: Record) -> bool:
        others = record.texts(self.other)
        return any(self.like(a, b) for _, a in record.texts(self.field) for _, b in others)

    def fate(self, shape: Shape) -> Fate:
        both_there = shape.provides(self.field) and shape.provides(self.other)
        return Fate.OPEN if both_there else Fate.NEVER

    def fields(self) -> Iterator[str]:
        yield from (self.field, self.other)

    def matched(self, record: Record) -> Iterator[tuple[str, str]]:
        yield from ((self.field, text[0]) for text in record.texts(self.field))


_LIKE: dict[str, Callable[[str, str], bool]] = {
    "equal": str.__eq__,
    "contains": str.__contains__,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


class Keyword(Node):
    """A text somewhere in the line or in one of its values."""

    def __init__(self, predicate: Predicate) -> None:
        self.predicate = predicate

    def test(self, record: Record) -> bool:
        return any(map(self.predicate.holds, record.keywords()))

    def literals(self, shape: Shape) -> Literals:
        return self.predicate.literals(shape.structured)

    def matched(self, record: Record) -> Iterator[tuple[str, str]]:
        wanted = getattr(self.predicate, "wanted", ())
        texts = record.keywords()
        yield from (("", one) for one in wanted if any(folding.fold(one) in t for _, t in texts))


class Every(Node):
    """All of several hold."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)

    def test(self, record: Record) -> bool:
        for node in self.nodes:
            if not node.test(record):
                return False
        return True

    def literals(self, shape: Shape) -> Literals:
        return both([node.literals(shape) for node in self.nodes], shape.common)

    def fate(self, shape: Shape) -> Fate:
        fates = {node.fate(shape) for node in self.nodes}
        if Fate.NEVER in fates:
            return Fate.NEVER
        return Fate.OPEN if Fate.OPEN in fates else Fate.ALWAYS

    def fields(self) -> Iterator[str]:
        for node in self.nodes:
            yield from node.fields()

    def leaves(self) -> Iterator[Node]:
        for node in self.nodes:
            yield from node.leaves()

    def matched(self, record: Record) -> Iterator[tuple[str, str]]:
        for node in self.nodes:
            yield from node.matched(record)


class Some(Node):
    """At least so many of several hold (1 unless said otherwise)."""

    def __init__(self, nodes: Sequence[Node], least: int = 1) -> None:
        self.nodes = tuple(nodes)
        self.least = least

    def test(self, record: Record) -> bool:
        if self.least > 1:
            return sum(node.test(record) for node in self.nodes) >= self.least
        for node in self.nodes:
            if node.test(record):
                return True
        return False

    def literals(self, shape: Shape) -> Literals:
        open_ones = [node for node in self.nodes if node.fate(shape) is not Fate.NEVER]
        return either([node.literals(shape) for node in open_ones])

    def fate(self, shape: Shape) -> Fate:
        fates = [node.fate(shape) for node in self.nodes]
        if fates.count(Fate.ALWAYS) >= self.least:
            return Fate.ALWAYS
        return Fate.OPEN if len(fates) - fates.count(Fate.NEVER) >= self.least else Fate.NEVER

    def fields(self) -> Iterator[str]:
        for node in self.nodes:
            yield from node.fields()

    def leaves(self) -> Iterator[Node]:
        for node in self.nodes:
            yield from node.leaves()

    def matched(self, record: Record) -> Iterator[tuple[str, str]]:
        for node in self.nodes:
            if node.test(record):
                yield from node.matched(record)


class Not(Node):
    """It does not hold."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def test(self, record: Record) -> bool:
        return not self.node.test(record)

    def fate(self, shape: Shape) -> Fate:
        fate = self.node.fate(shape)
        turned = {Fate.NEVER: Fate.ALWAYS, Fate.ALWAYS: Fate.NEVER}
        return turned.get(fate, fate)

    def leaves(self) -> Iterator[Node]:
        yield from self.node.leaves()

    def fields(self) -> Iterator[str]:
        yield from self.node.fields()
