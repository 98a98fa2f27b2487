"""Terms of a query: a field, an operator and a value become the node that compares them."""

from __future__ import annotations

import ipaddress
import re

from mlids.events import Severity
from mlids.moments import LAST_NS
from mlids.query import moments
from mlids.query.fields import Field, address_key
from mlids.query.nodes import Addresses, Node, Not, Number, Order, Period, Severities, Text
from mlids.query.patterns import Pattern

_NUMBER = re.compile(r"[+-]?\d{1,300}(\.\d{1,300})?", re.ASCII)
_SEVERITIES = ", ".join(Severity)


def term(field: Field, operator: str, value: Pattern, text: str, now_ns: int | None) -> Node:
    """The node of ``field operator value``.

    operator: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``; value: with its wildcards; text: as it
    was written; now_ns: what ``now`` is. Raises ValueError, saying what was expected.
    """
    if operator == "!=":
        return Not(term(field, "=", value, text, now_ns))
    if field.kind == "severity":
        return Severities(_severities(operator, value))
    if field.kind == "time":
        return _period(operator, text, now_ns)
    number = _number(text) if not value.wild else None
    if operator != "=":
        if number is None or field.kind == "address":
            raise ValueError(f"a number is expected behind {operator}")
        return Order(field, operator, number)
    if field.kind == "address" and not value.wild and (node := _addresses(field, text)):
        return node
    return Text(field, value, number)


def _number(text: str) -> Number | None:
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    # Beyond 15 digits a float is not the number that was written, and columns hold floats.
    return int(text) if not match[1] and len(text) <= 15 else float(text)


def _severities(operator: str, value: Pattern) -> frozenset[str]:
    if value.wild and operator == "=":
        return frozenset(name.value for name in Severity if value.equals(name.casefold()))
    try:
        rank = Severity(value.literal).rank
    except ValueError:
        raise ValueError(f"one of {_SEVERITIES} is expected") from None
    kept = {
        "=": [rank],
        "<": range(rank),
        "<=": range(rank + 1),
        ">": range(rank + 1, len(Severity)),
        ">=": range(rank, len(Severity)),
    }[operator]
    return frozenset(name.value for name in Severity if name.rank in kept)


def _period(operator: str, text: str, now_ns: int | None) -> Period:
    try:
        first, last = moments.span(text, now_ns)
    except (ValueError, OverflowError):
        example = "2025-01-13, 2025-01-13T10:30 or now-2h"
        raise ValueError(f"a time is expected, such as {example}") from None
    return {
        "=": Period(first, last),
        "<": Period(-LAST_NS, first),
        "<=": Period(-LAST_NS, last),
        ">": Period(last, LAST_NS),
        ">=": Period(first, LAST_NS),
    }[operator]


def _addresses(field: Field, text: str) -> Addresses | None:
    """The node of an address or a network; None where it is the name of a host."""
    if "/" in text:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError("a network is expected, such as 10.0.0.0/8 or 2001:db8::/32") from None
        first, last = network.network_address, network.broadcast_address
        return Addresses(field, address_key(str(first)), address_key(str(last)))
    key = address_key(text)
    return Addresses(field, key, key) if key else None
