"""Rules of web attacks as data: ``rules/web/<technique>.yaml``, each rule with examples.

A file names the class of its attacks (a type of event), the technique, ATT&CK techniques, and what
its rules look at where they say nothing else. A rule has::

    id: union-select            # Event.rule is web_payload/<technique>-<id>
    form: sql                   # text, sql or shell: see `decoding`
    parts: [value, cookie]      # see `requests.KINDS`
    confidence: 0.9
    patterns: ['…']             # re2, searched in each layer (in lower case); any of them
    unless: ['…']               # a layer that holds one of these is let pass
    match: […]                  # values that it must find, two at least
    no_match: […]               # values that it must leave alone, two at least

A dot never matches beyond a layer. ``^`` and ``$`` are its ends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec
import re2

from mlids.errors import MLIDSError
from mlids.web.decoding import SHELL, SQL, TEXT
from mlids.web.requests import KINDS

Form = Literal["text", "sql", "shell"]
Examples = Annotated[list[str], msgspec.Meta(min_length=2)]
RULE_BYTES = 1 << 20  # hostile text fills these up, so that they bound what the process holds
FORMS = (TEXT, SQL, SHELL)


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One rule of a file (see the module)."""

    id: str
    form: Form | None = None
    parts: list[str] = []
    confidence: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9
    patterns: Annotated[list[str], msgspec.Meta(min_length=1)]
    unless: list[str] = []
    match: Examples
    no_match: Examples


class RuleFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A file of rules of one class."""

    type: str
    technique: str
    techniques: list[str]
    form: Form = "text"
    parts: list[str]
    words: dict[str, str] = {}
    """Pieces of patterns by name: ``{{name}}`` in a pattern stands for one."""
    rules: list[Rule]


class Compiled:
    """A rule that is ready to match."""

    def __init__(self, file: RuleFile, rule: Rule) -> None:
        self.rule = rule
        self.type, self.technique = file.type, file.technique
        self.techniques = tuple(file.techniques)
        self.name = f"{file.technique}-{rule.id}"
        self.form = rule.form or file.form
        self.parts = frozenset(rule.parts or file.parts)
        if self.parts - KINDS:
            raise ValueError(f"{self.name}: unknown parts {sorted(self.parts - KINDS)}")
        self.pattern = _joined(file, rule.patterns)
        self.unless = _joined(file, rule.unless)
        self._search = _searcher(expression(self.pattern, self.name))
        self._lets_pass = self.unless and _searcher(expression(self.unless, self.name))

    def find(self, layer: bytes) -> bytes | None:
        """The text in a layer that the rule is about; None where it has none."""
        span = self._search(layer)
        if span is None or (self._lets_pass and self._lets_pass(layer) is not None):
            return None
        return layer[span[0] : span[1]]


def _searcher(compiled: Any) -> Callable[[bytes], tuple[int, int] | None]:
    """Where a pattern first matches in a text."""
    # The object below re2's wrapper answers four times as fast; its absence only costs time.
    quick = getattr(compiled, "_regexp", None)
    anywhere = getattr(getattr(re2, "_Anchor", None), "UNANCHORED", None)
    if quick is None or anywhere is None:
        return _plain_searcher(compiled)

    def search(text: bytes) -> tuple[int, int] | None:
        spans = quick.Match(anywhere, text, 0, len(text))
        return spans[0] if spans and spans[0][0] >= 0 else None

    return search


def _plain_searcher(compiled: Any) -> Callable[[bytes], tuple[int, int] | None]:
    def search(text: bytes) -> tuple[int, int] | None:
        found = compiled.search(text)
        return found.span() if found else None

    return search


def _joined(file: RuleFile, patterns: list[str]) -> str:
    joined = "|".join(f"(?:{pattern})" for pattern in patterns)
    for name, piece in file.words.items():
        joined = joined.replace("{{" + name + "}}", f"(?:{piece})")
    return joined


def expression(pattern: str, name: str) -> Any:
    """A pattern over bytes, compiled. Raises ValueError that names the rule."""
    try:
        return re2.compile(pattern.encode(), options(RULE_BYTES))
    except re2.error as error:
        raise ValueError(f"{name}: pattern does not compile: {error.args[0]!r}") from None


@cache
def options(most_bytes: int) -> Any:
    """How patterns are read: bytes as characters; re2 remembers so much of what it met."""
    made = re2.Options()
    made.encoding = re2.Options.Encoding.LATIN1
    made.log_errors = False
    made.max_mem = most_bytes
    return made


def load(text: bytes, name: str = "rules") -> list[Compiled]:
    """The rules of one file. Raises `MLIDSError` E107 that names the file and what is wrong."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(text, Loader=loader)  # noqa: S506 (a safe loader, in C where there is one)
        file = msgspec.convert(data, RuleFile)
        return [Compiled(file, rule) for rule in file.rules]
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, AttributeError) as error:
        # PyYAML asks a time that is none for its parts, which is an AttributeError.
        raise MLIDSError("E107", f"{name}: {error}") from None


@cache
def rules() -> tuple[Compiled, ...]:
    """The rules that MLIDS ships, in the order of their files' names."""
    folder = resources.files("mlids") / "rules" / "web"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return tuple(
        compiled
        for file in files
        if file.name.endswith(".yaml")
        for compiled in load(file.read_bytes(), file.name)
    )
