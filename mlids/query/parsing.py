"""parse: a query's text becomes a `Query`.

A grammar of four lines, read by one method each::

    either = both { OR both }
    both   = single { [AND] single }
    single = { NOT | - } ( "(" either ")" | word | field operator value )
    value  = word | "(" either of words ")"
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from mlids.query.conditions import Condition
from mlids.query.errors import QueryError
from mlids.query.fields import Field, find, nearest
from mlids.query.nodes import All, Everything, Node, Not, Some, Words
from mlids.query.patterns import Pattern
from mlids.query.terms import term
from mlids.query.tokens import Token, tokens

LONGEST = 10_000  # characters
DEEPEST = 100  # brackets in one another


class Query(NamedTuple):
    """A query that was read. `text` is how it was written."""

    text: str
    node: Node

    @property
    def empty(self) -> bool:
        """True where it asks for every event."""
        return isinstance(self.node, Everything)

    def matches(self, event: Mapping[str, Any]) -> bool:
        """True where the event is meant; never raises, whatever the event holds."""
        return self.node.matches(event)

    def sql(self) -> Condition:
        """The same as a condition over the columns of `mlids.columns`."""
        return self.node.sql()

    def possible(self, types: Collection[str], severities: Collection[str]) -> bool:
        """False where no event of these types and severities can be meant."""
        return self.node.possible(types, severities)


def parse(text: str, now_ns: int | None = None) -> Query:
    """Read a query; an empty one asks for everything.

    now_ns: the moment that ``now`` stands for in ``timestamp>=now-2h``. Raises `QueryError`.
    """
    if len(text) > LONGEST:
        raise QueryError(text, LONGEST, f"a query has at most {LONGEST:,} characters")
    if not text.strip():
        return Query(text, Everything())
    return Query(text, _Parser(text, now_ns).whole())


class _Scope(NamedTuple):
    """What words mean in ``field:( … )``: values of that field."""

    field: Field
    operator: str


class _Parser:
    def __init__(self, query: str, now_ns: int | None) -> None:
        self.query, self.now_ns = query, now_ns
        self.tokens = list(tokens(query))
        self.next = 0
        self.depth = 0

    def whole(self) -> Node:
        node = self.either(None)
        if self.token.kind == "close":
            raise self.error("no bracket is open here")
        return node

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def error(self, expected: str, at: Token | None = None) -> QueryError:
        return QueryError(self.query, (at or self.token).position, expected)

    def either(self, scope: _Scope | None) -> Node:
        parts = [self.both(scope)]
        while self.token.kind == "or":
            self.next += 1
            parts.append(self.both(scope))
        return Some(parts) if len(parts) > 1 else parts[0]

    def both(self, scope: _Scope | None) -> Node:
        parts = [self.single(scope)]
        while self.token.kind not in ("or", "close", "end"):
            self.next += self.token.kind == "and"
            parts.append(self.single(scope))
        return All(parts) if len(parts) > 1 else parts[0]

    def single(self, scope: _Scope | None) -> Node:
        negative = False
        while self.token.kind == "not":
            self.next += 1
            negative = not negative
        node = self.positive(scope)
        return Not(node) if negative else node

    def positive(self, scope: _Scope | None) -> Node:
        token = self.token
        if token.kind == "open":
            return self.brackets(scope)
        if token.kind == "word":
            self.next += 1
            return self.value(token, scope) if scope else Words(Pattern(token.pieces))
        if token.kind != "field":
            raise self.error("a word, a phrase or a field is expected here")
        if scope:
            raise self.error("only values can stand in the brackets behind a field")
        self.next += 1
        return self.compared(token)

    def brackets(self, scope: _Scope | None) -> Node:
        opened = self.token
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"brackets can stand {DEEPEST} deep at most")
        self.next += 1
        node = self.either(scope)
        if self.token.kind != "close":
            raise self.error("the bracket is never closed", opened)
        self.next += 1
        self.depth -= 1
        return node

    def compared(self, named: Token) -> Node:
        field = find(named.text)
        if not field:
            raise self.error(_unknown(named.text), named)
        operator = named.operator
        if self.token.kind == "open":
            node = self.brackets(_Scope(field, "=" if operator == "!=" else operator))
            return Not(node) if operator == "!=" else node
        if self.token.kind != "word":
            raise self.error(f"a value is expected behind {named.text}")
        self.next += 1
        return self.value(self.tokens[self.next - 1], _Scope(field, operator))

    def value(self, token: Token, scope: _Scope) -> Node:
        try:
            return term(scope.field, scope.operator, Pattern(token.pieces), token.text, self.now_ns)
        except ValueError as error:
            raise self.error(str(error), token) from None


def _unknown(name: str) -> str:
    shown = name if len(name) <= 40 else f"{name[:40]}…"
    close = nearest(name)
    return f"no field is called {shown}; " + (
        f"{close} is near" if close else "in quotes it is a text to look for"
    )
