"""Condition: a query as a where-clause over the columns that stand beside a sealed segment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec


class Condition(NamedTuple):
    """A where-clause with its parameters.

    exact: it chooses just the rows whose events match. Where False it may choose more, never fewer.
    It speaks of ordinary rows (see `mlids.columns.rows`) only.
    """

    sql: str
    parameters: Sequence[Any] = ()
    exact: bool = True


TRUE = Condition("true")
FALSE = Condition("false")
ANY = Condition("true", exact=False)


def all_of(conditions: Iterable[Condition]) -> Condition:
    """Rows that every condition chooses."""
    return _joined(list(conditions), " AND ")


def any_of(conditions: Iterable[Condition]) -> Condition:
    """Rows that one of the conditions chooses."""
    return _joined(list(conditions), " OR ")


def _joined(parts: list[Condition], word: str) -> Condition:
    if len(parts) == 1:
        return parts[0]
    parameters = [value for part in parts for value in part.parameters]
    sql = "(" + word.join(part.sql for part in parts) + ")"
    return Condition(sql, parameters, all(part.exact for part in parts))


def negated(condition: Condition) -> Condition:
    """Rows that it does not choose; one that may choose too many says nothing about the others."""
    if not condition.exact:
        return ANY
    return Condition(f"NOT coalesce({condition.sql}, false)", condition.parameters)


def in_text(literals: Iterable[str]) -> Condition:
    """Rows whose event has each of these (casefolded) texts somewhere: in a value or around it."""
    return _contains("lower(event)", [_escaped(literal) for literal in literals])


def with_keys(keys: Iterable[str]) -> Condition:
    """Rows whose event has each of these keys somewhere."""
    return _contains("event", [f'"{_escaped(key)}":' for key in keys])


def _contains(text: str, needles: list[str]) -> Condition:
    if not all(map(str.isascii, needles)):
        return FALSE  # ordinary rows are ASCII
    found = [Condition(f"contains({text}, ?)", [needle], False) for needle in needles if needle]
    return all_of(found) if found else ANY


def _escaped(text: str) -> str:
    """How a text stands in JSON, without the quotes."""
    return msgspec.json.encode(text)[1:-1].decode()
