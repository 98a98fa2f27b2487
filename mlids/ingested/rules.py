"""Rules over the records of other products as data: ``rules/ingested/<product>.yaml``.

A file names the product (the name of its log format), lists that conditions may refer to, and
literals: only lines that hold one of them are decoded. A rule has::

    id: privileged-pod          # Event.rule is ingested/<product>-<id>
    title: …                    # in one line, begins the description
    severity: HIGH
    techniques: [T1611]         # ATT&CK
    tags: [escape]
    when: {…}                   # see `conditions`
    unless: {…}                 # likewise; holds nothing back where it is left out
    needs: [known_users]        # lists without which the rule sleeps
    fallback: yes               # only told of a record of which no other rule tells
    match: [{…}, …]             # records that it must find, two at least
    no_match: [{…}, …]          # records that it must leave alone, two at least

Rules over several records have one of these beside, and tell by the volume law::

    burst: {by: [ppid], of: pid, count: 8, within_s: 10}     # different values of `of`, of one key
    sequence: {by: [ppid], within_s: 300, ordered: yes, steps: [{…}, {…}]}   # one after the other

Their examples are lists of records a tenth of a second apart; ``{times: 9, vary: pid, record: …}``
stands for nine records that differ in a field (with ``values:``, which values it has).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec

from mlids.errors import MLIDSError
from mlids.ingested.conditions import Holds, Lists, Path, compiled, path

Severity = Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"]
Example = dict[str, Any] | list[dict[str, Any]]
Examples = Annotated[list[Example], msgspec.Meta(min_length=2)]


class Burst(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """So many records of one key, with different values of a field."""

    by: list[str]
    of: str
    count: Annotated[int, msgspec.Meta(ge=2, le=200)]
    within_s: Annotated[float, msgspec.Meta(gt=0, le=86400)]


class Sequence(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Records of one key, each step of which is met; in their order if `ordered`."""

    by: list[str]
    within_s: Annotated[float, msgspec.Meta(gt=0, le=86400)]
    steps: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=2, max_length=8)]
    ordered: bool = True


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One rule of a file (see the module)."""

    id: str
    title: str
    severity: Severity
    techniques: list[str] = []
    tags: list[str] = []
    when: dict[str, Any]
    unless: dict[str, Any] = {}
    needs: list[str] = []
    fallback: bool = False
    burst: Burst | None = None
    sequence: Sequence | None = None
    match: Examples
    no_match: Examples


class RuleFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The rules of one product."""

    product: str
    literals: list[str]
    lists: dict[str, list[Any]] = {}
    rules: list[Rule]


class Compiled:
    """A rule that is ready to judge records."""

    def __init__(self, product: str, rule: Rule, lists: Lists) -> None:
        self.rule = rule
        self.name = f"{product}-{rule.id}"
        try:
            self._when = compiled(rule.when, lists)
            self._unless: Holds | None = compiled(rule.unless, lists) if rule.unless else None
            steps = rule.sequence.steps if rule.sequence else []
            self.steps = [compiled(step, lists) for step in steps]
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        over = rule.burst or rule.sequence
        self.by: list[Path] = [path(each) for each in over.by] if over else []
        self.of: Path = path(rule.burst.of) if rule.burst else ()

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is what the rule is about."""
        return self._when(record) and not (self._unless is not None and self._unless(record))


def records(example: Example) -> list[dict[str, Any]]:
    """The records that an example stands for, in their order."""
    found: list[dict[str, Any]] = []
    for each in example if isinstance(example, list) else [example]:
        if "times" not in each:
            found.append(each)
            continue
        chosen = each.get("values") or [f"v{number}" for number in range(each["times"])]
        found += [_varied(each["record"], path(each["vary"]), value) for value in chosen]
    return found


def _varied(record: dict[str, Any], steps: Path, value: Any) -> dict[str, Any]:
    """A copy of a record with another value at a path."""
    step, *rest = steps
    inner = _varied(record.get(step) or {}, tuple(rest), value) if rest else value
    return {**record, step: inner}


def build(file: RuleFile, lists: Lists) -> list[Compiled]:
    """The rules of a file that can work with these lists beside those of the file."""
    known = {**file.lists, **lists}
    return [
        Compiled(file.product, rule, known)
        for rule in file.rules
        if all(known.get(name) for name in rule.needs)
    ]


@cache
def shipped(product: str) -> RuleFile:
    """The rules that MLIDS ships for a product. Raises `MLIDSError` E107 for a broken file."""
    folder = resources.files("mlids") / "rules" / "ingested"
    return load((folder / f"{product}.yaml").read_bytes(), f"{product}.yaml")


def load(text: bytes, name: str = "rules") -> RuleFile:
    """The rules of one file. Raises `MLIDSError` E107 that names the file and what is wrong."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(text, Loader=loader)  # noqa: S506 (a safe loader, in C where there is one)
        return msgspec.convert(data, RuleFile)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, AttributeError) as error:
        # PyYAML asks a time that is none for its parts, which is an AttributeError.
        raise MLIDSError("E107", f"{name}: {error}") from None
