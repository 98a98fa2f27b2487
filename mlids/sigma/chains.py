"""Correlations of rules, as they are written down: what is counted, by what, over what time."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mlids.sigma.documents import RuleError
from mlids.volume import NS

if TYPE_CHECKING:
    from mlids.sigma.rules import Meta

Group = tuple[str, ...]
TEMPORAL = ("temporal", "temporal_ordered")
VALUES = ("value_count", "value_sum", "value_avg", "value_percentile", "value_median")
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}
WORDS = {
    "lt": "fewer than",
    "lte": "at most",
    "gt": "more than",
    "gte": "at least",
    "eq": "exactly",
    "neq": "other than",
}
RISING = ("gt", "gte")  # what they ask for is known as soon as it is reached
MOST_COUNT = 10_000


class Texts(Protocol):
    """What a correlation asks of a match: the texts of its fields."""

    def __call__(self, field: str) -> Sequence[str]:
        """The values of a field, none where it has no such field."""


LONGEST_S = 366 * 86_400


class Chain:
    """A correlation. kind: event_count, value_count, temporal … as Sigma calls it.

    rules: what it names; members: their ids, in the same order, once `resolve` found them.
    expression: for an extended temporal condition, a function of the members that were seen.
    """

    told = True

    def __init__(self, meta: Meta, kind: str, rules: Sequence[str], span_s: int) -> None:
        self.meta = meta
        self.kind = kind
        self.rules = list(rules)
        self.members = list(rules)
        self.span_ns = span_s * NS
        self.group_by: list[str] = []
        self.aliases: dict[str, dict[str, str]] = {}
        self.comparison = "gte"
        self.count = 1
        self.fields: list[str] = []
        self.percentile = 50
        self.generate = False
        self.expression: Callable[[Collection[str]], bool] | None = None
        self.wanted = ""  # the expression in words

    def resolve(self, names: Mapping[str, str]) -> set[str]:
        """Find the ids of what it names; gives them, and the unknown names themselves."""
        self.members = [names.get(one, one) for one in self.rules]
        return set(self.members)

    @property
    def rising(self) -> bool:
        """Whether it is met by a match; otherwise at the end of a window that a match opened."""
        return self.kind in TEMPORAL or self.comparison in RISING

    def holds(self, observed: float) -> bool:
        """Whether a figure is what the condition asks for."""
        return COMPARISONS[self.comparison](observed, self.count)

    def group(self, member: str, texts: Texts) -> Group | None:
        """The values by which a match of a member is grouped; None: it lacks one of the fields."""
        found = []
        for name in self.group_by:
            values = texts(self._field(name, member))
            if not values:
                return None
            found.append(values[0])
        return tuple(found)

    def values(self, texts: Texts) -> tuple[str, ...] | None:
        """The values that are counted or added up; None: the match lacks one of the fields."""
        found = [texts(field) for field in self.fields]
        return tuple(one[0] for one in found) if all(found) else None

    def _field(self, name: str, member: str) -> str:
        alias = self.aliases.get(name)
        if alias is None:
            return name
        named = dict(zip(self.members, self.rules, strict=True)).get(member, member)
        return alias.get(named, alias.get(member, name))

    @property
    def asked(self) -> str:
        """The condition in words."""
        if self.wanted:
            return self.wanted
        return f"{WORDS[self.comparison]} {self.count}"


def chain(meta: Meta, parsed: Any) -> Chain:
    """The correlation that pySigma parsed. Raises `RuleError`."""
    from sigma.correlations import SigmaExtendedCorrelationCondition

    kind = parsed.type.name.lower()
    condition = parsed.condition
    extended = isinstance(condition, SigmaExtendedCorrelationCondition)
    rules = [one.reference for one in parsed.rules or ()]
    if not rules and extended:
        rules = condition.get_referenced_rules()
    if not rules or not all(isinstance(one, str) for one in rules):
        raise RuleError("a correlation names rules", "rules")
    if not 0 < parsed.timespan.seconds <= LONGEST_S:
        raise RuleError("time spans are of a second to a year", "timespan")
    made = Chain(meta, kind, rules, parsed.timespan.seconds)
    made.group_by = list(parsed.group_by or ())
    made.generate = bool(parsed.generate)
    made.aliases = {
        one.alias: {reference.reference: field for reference, field in one.mapping.items()}
        for one in parsed.aliases
    }
    if extended:
        tree = condition.parsed
        made.expression = lambda seen: _true(tree, seen)
        made.wanted = condition.expression
        return made
    fields = condition.fieldref
    made.fields = [fields] if isinstance(fields, str) else list(fields or ())
    made.comparison = condition.op.name.lower()
    made.count = condition.count
    made.percentile = 50 if condition.percentile is None else condition.percentile
    return _checked(made)


def _checked(made: Chain) -> Chain:
    if made.count > MOST_COUNT:
        raise RuleError(f"counts of more than {MOST_COUNT:,} are not kept", "condition")
    if not 0 <= made.percentile <= 100:
        raise RuleError("a percentile lies between 0 and 100", "condition")
    if made.kind in VALUES and not made.fields:
        raise RuleError("a correlation of values names their field", "condition")
    if made.kind in TEMPORAL and made.comparison not in RISING:
        raise RuleError("a temporal correlation asks for gt or gte", "condition")
    if made.comparison == "lt" and made.count <= 0:
        raise RuleError("nothing is fewer than none", "condition")
    return made


def _true(tree: Any, seen: Collection[str]) -> bool:
    """Whether an extended condition holds where these rules (as it names them) were seen."""
    from sigma import correlations

    if isinstance(tree, correlations.SigmaRuleReference):
        return tree.reference in seen
    if isinstance(tree, correlations.CorrelationConditionNOT):
        return not _true(tree.args[0], seen)
    every = isinstance(tree, correlations.CorrelationConditionAND)
    return (all if every else any)(_true(one, seen) for one in tree.args)
