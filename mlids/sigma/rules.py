"""Sigma rules that are ready to be held against records, and those that are refused, with why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Any

import msgspec

from mlids.events import Severity
from mlids.sigma import compiling, documents
from mlids.sigma.chains import Chain, chain
from mlids.sigma.compiling import Placeholders
from mlids.sigma.documents import Document, Problem, RuleError
from mlids.sigma.nodes import Node

SEVERITIES = {
    "INFORMATIONAL": Severity.LOW,
    "LOW": Severity.LOW,
    "MEDIUM": Severity.MEDIUM,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
}
# What pySigma finds wrong with these does not change what a rule matches: it is told, no more.
HARMLESS = frozenset(
    (
        *("Author", "Date", "Description", "FalsePositives", "Fields", "Identifier", "License"),
        *("Modified", "Name", "References", "Related", "Scope", "Status", "Tag", "Taxonomy"),
        "Value",
    )
)
PARTS = {"Logsource": "logsource", "Level": "level", "Title": "title"}


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule or a correlation says of itself."""

    id: str  # its UUID, or the name of its file
    title: str
    path: str
    line: int
    severity: Severity = Severity.MEDIUM
    name: str = ""
    level: str = ""
    status: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Rule:
    """A rule: what it says of itself, its log source ("": any), and its condition."""

    def __init__(self, meta: Meta, logsource: tuple[str, str, str], node: Node) -> None:
        self.meta = meta
        self.product, self.category, self.service = logsource
        self.node = node
        self.told = True  # whether a match is an event; not where only a correlation uses it

    @property
    def logsource(self) -> str:
        """The log source in words."""
        names = (("product", self.product), ("category", self.category), ("service", self.service))
        return ", ".join(f"{what} {name}" for what, name in names if name) or "none"


class RuleSet(msgspec.Struct):
    """All that some files hold: rules, correlations of them, and what is refused."""

    rules: list[Rule] = []
    chains: list[Chain] = []
    problems: list[Problem] = []
    warnings: list[Problem] = []


def load(paths: Sequence[str], placeholders: Placeholders | None = None) -> RuleSet:
    """The rules of files and folders. Raises `MLIDSError` E007 where one does not exist."""
    stamped = []
    for path in documents.files(paths):
        stat = path.stat()
        stamped.append((str(path), stat.st_size, stat.st_mtime_ns))
    given = {name: list(values) for name, values in (placeholders or {}).items()}
    return _loaded(tuple(stamped), msgspec.json.encode(given))


@lru_cache(maxsize=4)
def _loaded(stamped: tuple[tuple[str, int, int], ...], placeholders: bytes) -> RuleSet:
    """Kept, since every lane and every check of the settings asks for the same."""
    from pathlib import Path

    found: list[Document] = []
    problems: list[Problem] = []
    for path, _, _ in stamped:
        here, wrong = documents.read(Path(path))
        found += here
        problems += wrong
    made = assembled(found, msgspec.json.decode(placeholders))
    made.problems[:0] = problems
    return made


def parse(text: str | bytes, placeholders: Placeholders | None = None) -> RuleSet:
    """The rules of one text."""
    encoded = text.encode() if isinstance(text, str) else text
    found, problems = documents.parse(encoded)
    made = assembled(found, placeholders or {})
    made.problems[:0] = problems
    return made


def assembled(found: Sequence[Document], placeholders: Placeholders) -> RuleSet:
    """The rules of documents; filters are put into the rules that they are for."""
    made = RuleSet()
    filters = list(_filters(found, made))
    for document in found:
        if "filter" in document.data or "correlation" in document.data:
            continue
        try:
            made.rules.append(_rule(document, filters, placeholders, made))
        except RuleError as error:
            made.problems.append(_problem(document, error))
    for document in found:
        if "correlation" in document.data:
            try:
                made.chains.append(_chain(document, made))
            except RuleError as error:
                made.problems.append(_problem(document, error))
    _resolve(made, {(document.path, document.line): document for document in found})
    return made


def _problem(document: Document, error: RuleError) -> Problem:
    section = "correlation" if "correlation" in document.data else "detection"
    keys = (section, *error.part.split("/")) if error.part else (section,)
    if error.part in document.data or error.part in PARTS.values():
        keys = (error.part,)
    line = document.line_of(*keys)
    return Problem(document.path, line, str(error), str(document.data.get("title", "")))


def _filters(found: Sequence[Document], made: RuleSet) -> Iterator[Any]:
    from sigma.filters import SigmaFilter

    for document in found:
        if "filter" in document.data:
            try:
                yield SigmaFilter.from_dict(document.data)
            except Exception as error:  # pySigma raises errors of many kinds
                made.problems.append(_problem(document, RuleError(_words(error), "filter")))


def _rule(
    document: Document, filters: Sequence[Any], placeholders: Placeholders, made: RuleSet
) -> Rule:
    from sigma.rule import SigmaRule

    if "action" in document.data:
        raise RuleError("documents with 'action' are no longer part of Sigma", "action")
    data = {**document.data, "detection": _detections(document.data.get("detection"))}
    try:
        parsed = SigmaRule.from_dict(data, collect_errors=True)
        warnings = _judged(document, parsed.errors)
        for one in filters:
            one.apply_on_rule(parsed)
        node = compiling.compiled(parsed.detection, placeholders)
    except RuleError:
        raise
    except Exception as error:  # pySigma raises errors of many kinds, Python's own among them
        raise RuleError(_words(error), _culprit(data["detection"])) from None
    source = parsed.logsource
    logsource = (source.product or "", source.category or "", source.service or "")
    made.warnings += [Problem(document.path, document.line, one) for one in warnings]
    return Rule(_meta(document, parsed, warnings), logsource, node)


def _detections(given: Any) -> Any:
    """The detections as pySigma takes them."""
    if not isinstance(given, dict):
        return given
    # A time span of the old kind of aggregation is no detection; `utf16le` is `wide`.
    return {name: _renamed(one) for name, one in given.items() if name != "timeframe"}


def _renamed(given: Any) -> Any:
    if isinstance(given, list):
        return [_renamed(one) for one in given]
    if not isinstance(given, dict):
        return given
    return {
        "|".join("wide" if part == "utf16le" else part for part in str(key).split("|")): value
        for key, value in given.items()
    }


def _culprit(detections: Any) -> str:
    """The detection, or the field of it, that pySigma does not take."""
    from sigma.rule import SigmaDetection

    if not isinstance(detections, dict):
        return ""
    for name, given in detections.items():
        if name == "condition":
            continue
        for key, value in given.items() if isinstance(given, dict) else ((None, given),):
            try:
                SigmaDetection.from_definition(value if key is None else {key: value})
            except Exception:
                return f"{name}/{key}" if key else name
    return "condition"


def _judged(document: Document, errors: Sequence[Exception]) -> list[str]:
    """Warnings out of pySigma's errors. Raises `RuleError` for the first that is more."""
    warnings = []
    for error in errors:
        kind = type(error).__name__.removeprefix("Sigma").removesuffix("Error")
        part = PARTS.get(kind) or _culprit(_detections(document.data.get("detection")))
        # A value is of a tag or of a detection; the latter shows when it is read by itself.
        if kind not in HARMLESS or (kind == "Value" and part != "condition"):
            raise RuleError(_words(error), part)
        warnings.append(_words(error))
    return warnings


def _words(error: Exception) -> str:
    """An error of pySigma's in one line, without the place that it does not know."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) < 300 else text[:299] + "…"


def _meta(document: Document, parsed: Any, warnings: Sequence[str]) -> Meta:
    tags = tuple(str(tag) for tag in parsed.tags)
    # What pySigma does not know stays as it was written.
    level, status = (getattr(one, "name", "") for one in (parsed.level, parsed.status))
    return Meta(
        id=str(parsed.id or document.data.get("id") or PurePath(document.path).stem),
        title=str(parsed.title or document.data.get("title") or PurePath(document.path).stem),
        path=document.path,
        line=document.line,
        severity=SEVERITIES.get(level, Severity.MEDIUM),
        name=str(parsed.name or ""),
        level=level.lower(),
        status=status.lower(),
        description=" ".join(str(parsed.description or "").split()),
        tags=tags,
        techniques=tuple(dict.fromkeys(filter(None, map(_technique, tags)))),
        warnings=tuple(warnings),
    )


def _technique(tag: str) -> str:
    """``attack.t1059.004`` is T1059.004; other tags are none."""
    space, _, name = tag.partition(".")
    known = space == "attack" and name[:1] in "tT" and name[1:].replace(".", "", 1).isdecimal()
    return name.upper() if known else ""


def _chain(document: Document, made: RuleSet) -> Chain:
    from sigma.correlations import SigmaCorrelationRule

    try:
        parsed = SigmaCorrelationRule.from_dict(document.data, collect_errors=True)
    except RuleError:
        raise
    except Exception as error:
        raise RuleError(_words(error)) from None
    warnings = _judged_chain(parsed.errors)
    made.warnings += [Problem(document.path, document.line, one) for one in warnings]
    return chain(_meta(document, parsed, warnings), parsed)


def _judged_chain(errors: Sequence[Exception]) -> list[str]:
    warnings = []
    for error in errors:
        if type(error).__name__.removeprefix("Sigma").removesuffix("Error") not in HARMLESS:
            raise RuleError(_words(error))
        warnings.append(_words(error))
    return warnings


def _resolve(made: RuleSet, known: Mapping[tuple[str, int], Document]) -> None:
    """Give correlations the ids of what they name; drop those that name nothing, or themselves."""
    everything: list[Rule | Chain] = [*made.rules, *made.chains]
    names = {one.meta.name: one.meta.id for one in everything if one.meta.name}
    names |= {one.meta.id: one.meta.id for one in everything}
    good: list[Chain] = []
    waiting = list(made.chains)
    usable = {rule.meta.id for rule in made.rules}
    while waiting:  # those that build on others come after them
        ready = [one for one in waiting if one.resolve(names) <= usable]
        if not ready:
            break
        good += ready
        usable |= {one.meta.id for one in ready}
        waiting = [one for one in waiting if one not in ready]
    for one in waiting:
        missing = sorted(set(one.rules) - names.keys())
        reason = "it builds on a rule that is refused, or on itself"
        if missing:
            reason = f"there is no rule with the id or name {missing[0]}"
        error = RuleError(reason, "rules")
        made.problems.append(_problem(known[one.meta.path, one.meta.line], error))
    made.chains[:] = good
    silent = {name for one in good if not one.generate for name in one.members}
    for rule in everything:
        rule.told = rule.meta.id not in silent
