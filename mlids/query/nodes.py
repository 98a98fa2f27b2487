"""What a query is made of. Each node judges one event, and says the same as a condition in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol

from mlids.events import Event, Severity, parse_time
from mlids.moments import LAST_NS
from mlids.query import conditions
from mlids.query.conditions import ANY, FALSE, TRUE, Condition
from mlids.query.fields import Field, address_key, number_of, text_of, texts
from mlids.query.patterns import Pattern

SEPARATOR = "\x1f"  # around each tag and technique in its column
Number = int | float


class Node(Protocol):
    """One part of a query."""

    def matches(self, event: Mapping[str, Any]) -> bool:
        """True where the event is meant."""

    def sql(self) -> Condition:
        """The same, over columns."""

    def possible(self, types: Collection[str], severities: Collection[str]) -> bool:
        """False where no event of these types and severities can be meant."""


class Sure:
    """Parts of a query that types and severities say nothing about."""

    def possible(self, types: Collection[str], severities: Collection[str]) -> bool:
        """Always possible."""
        return True


class Everything(Sure):
    """The empty query."""

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Every event is meant."""
        return True

    def sql(self) -> Condition:
        """Every row."""
        return TRUE


class All(NamedTuple):
    """AND."""

    parts: list[Node]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """All parts match."""
        return all(part.matches(event) for part in self.parts)

    def sql(self) -> Condition:
        """All parts."""
        return conditions.all_of(part.sql() for part in self.parts)

    def possible(self, types: Collection[str], severities: Collection[str]) -> bool:
        """All parts are possible."""
        return all(part.possible(types, severities) for part in self.parts)


class Some(NamedTuple):
    """OR."""

    parts: list[Node]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """One of the parts matches."""
        return any(part.matches(event) for part in self.parts)

    def sql(self) -> Condition:
        """One of the parts."""
        return conditions.any_of(part.sql() for part in self.parts)

    def possible(self, types: Collection[str], severities: Collection[str]) -> bool:
        """One of the parts is possible."""
        return any(part.possible(types, severities) for part in self.parts)


class Not(Sure):
    """NOT."""

    def __init__(self, part: Node) -> None:
        self.part = part

    def matches(self, event: Mapping[str, Any]) -> bool:
        """The part does not match."""
        return not self.part.matches(event)

    def sql(self) -> Condition:
        """Not the part."""
        return conditions.negated(self.part.sql())


class Words(Sure):
    """A text that any value of the event holds."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern

    def matches(self, event: Mapping[str, Any]) -> bool:
        """A value holds it."""
        return any(map(self.pattern.within, texts(event)))

    def sql(self) -> Condition:
        """Its literal parts stand somewhere in the event's JSON."""
        return conditions.in_text(self.pattern.literals)


class Text(NamedTuple):
    """A field that is a text as a whole, or a number."""

    field: Field
    pattern: Pattern
    number: Number | None = None

    def matches(self, event: Mapping[str, Any]) -> bool:
        """A value there is this one."""
        return any(
            (self.number is not None and number_of(value) == self.number)
            or self.pattern.equals(text_of(value).casefold())
            for value in self.field.values(event)
        )

    def sql(self) -> Condition:
        """By the column, or, where there is none, by key and text somewhere in the JSON."""
        if not all(map(str.isascii, self.pattern.literals)):
            return FALSE
        if self.field.kind == "list":
            return self._in_list()
        if self.field.kind == "number":
            return FALSE if self.number is None and not self.pattern.wild else self._as_number()
        column = f'lower("{self.field.column}")'
        if self.field.column and self.pattern.wild:
            return Condition(f"regexp_full_match({column}, ?, 's')", [self.pattern.expression()])
        if self.field.column:
            return Condition(f"{column} = ?", [self.pattern.literal])
        keys = conditions.with_keys(self.field.path)
        if self.number is not None:  # 22.0 is 22, and is written otherwise
            return keys
        return conditions.all_of([keys, conditions.in_text(self.pattern.literals)])

    def _as_number(self) -> Condition:
        if self.number is None:
            return ANY
        return Condition(f'"{self.field.column}" = ?', [float(self.number)])

    def _in_list(self) -> Condition:
        column = f'lower("{self.field.column}")'
        if any(SEPARATOR in literal for literal in self.pattern.literals):
            return FALSE
        if not self.pattern.wild:
            return Condition(
                f"contains({column}, ?)", [f"{SEPARATOR}{self.pattern.literal}{SEPARATOR}"]
            )
        other = f"[^{SEPARATOR}]"
        expression = self.pattern.expression(f"{other}*", other)
        return Condition(
            f"regexp_matches({column}, ?, 's')", [f"{SEPARATOR}{expression}{SEPARATOR}"]
        )

    def possible(self, types: Collection[str], severities: Collection[str]) -> bool:
        """False where it asks for a type that none of these is."""
        return self.field.column != "type" or any(
            self.pattern.equals(type.casefold()) for type in types
        )


class Order(Sure):
    """A field that is a number above or below another one."""

    def __init__(self, field: Field, operator: str, number: Number) -> None:
        self.field, self.operator, self.number = field, operator, number

    def matches(self, event: Mapping[str, Any]) -> bool:
        """A number there stands in this order."""
        return any(
            number is not None and _holds(number, self.operator, self.number)
            for number in map(number_of, self.field.values(event))
        )

    def sql(self) -> Condition:
        """By the column; columns of texts hold no numbers."""
        if self.field.kind == "number":
            sql = f'"{self.field.column}" {self.operator} ?'
            return Condition(sql, [float(self.number)])
        return FALSE if self.field.column else conditions.with_keys(self.field.path)


class Addresses(Sure):
    """A field that is an address of a network; first, last: see `fields.address_key`."""

    def __init__(self, field: Field, first: str, last: str) -> None:
        self.field, self.first, self.last = field, first, last

    def matches(self, event: Mapping[str, Any]) -> bool:
        """An address there is one of them."""
        return any(
            isinstance(value, str) and self.first <= address_key(value) <= self.last
            for value in self.field.values(event)
        )

    def sql(self) -> Condition:
        """By the column of keys."""
        return Condition(f'"{self.field.column}_key" BETWEEN ? AND ?', [self.first, self.last])


class Severities(NamedTuple):
    """Events of some severities."""

    names: frozenset[str]

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Its severity is one of them."""
        try:
            return Severity(str(event.get("severity"))).value in self.names
        except ValueError:
            return False

    def sql(self) -> Condition:
        """By the column of ranks."""
        ranks = [severity.rank for severity in Severity if severity in self.names]
        return Condition(f"severity IN ({', '.join(map(str, ranks))})") if ranks else FALSE

    def possible(self, types: Collection[str], severities: Collection[str]) -> bool:
        """One of them came."""
        return not self.names.isdisjoint(severities)


class Period(Sure):
    """Events of a time; first is within, last is not."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, min(last, LAST_NS)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """It happened then."""
        try:
            moment = event.time_ns if isinstance(event, Event) else parse_time(event["timestamp"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return False
        return self.first <= moment < self.last

    def sql(self) -> Condition:
        """By the column of times."""
        first = max(0, self.first)
        if self.last <= first:
            return FALSE
        return Condition(f"(time >= {first} AND time < {self.last})")


def _holds(number: Number, operator: str, other: Number) -> bool:
    if operator[0] == ">":
        return number > other or (operator == ">=" and number == other)
    return number < other or (operator == "<=" and number == other)
