"""The verdict on a request: which rules its parts break, once decoded.

All rules of a form are one `re2.Set`, which is asked about all layers of a request at once; only
the rules that it names are then looked for one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import re2

from mlids.web import decoding, rules
from mlids.web.decoding import Layers
from mlids.web.requests import AGENT, BODY, NAME, QUERY, REFERRER, VALUE, Part, Request
from mlids.web.rules import FORMS, Compiled

SHOWN = 200  # characters of what was found that an event carries
SET_BYTES = 16 << 20  # what re2 may remember of what each of the three sets met
SCAN = "Web Scan"
_UNSAFE = re.compile(rb"[^ -~]")
_COUNTS = re.compile(r"\{([01]),[0-9]{2,}\}")
SURE = 0.6  # a finding less sure than this is not HIGH because a page came back
_QUOTED = frozenset(("sqli", "xss", "traversal"))  # what people write about; commands just run
_BREAKS_OUT = re.compile(rb"[^'\"]*[\w)]['\"](?![A-Za-z])")  # unlike O'Brien and rock 'n' roll
_AGAIN = frozenset((AGENT, REFERRER))
_PLUS = frozenset((VALUE, NAME, QUERY, REFERRER, BODY))  # where a plus sign is a blank


class Finding(NamedTuple):
    """One broken rule: where, the decoded text around what it found (safe to print), how sure.

    bare: all of the text stands as somebody would write about such code: it begins with a word and
    breaks out of nothing.
    """

    type: str
    technique: str
    rule: str
    part: str
    text: str
    confidence: float
    techniques: tuple[str, ...]
    bare: bool = False

    @property
    def serious(self) -> bool:
        """Whether an answer that looks as if it worked is to be taken so: not where the text may
        be what somebody looked for, here or, as referrers tell, with a search engine.
        """
        quoted = self.technique in _QUOTED and (self.bare or self.part.startswith(REFERRER))
        return self.confidence >= SURE and not quoted


class Verdict(NamedTuple):
    """What was found in one request: of each class the surest, an attack before a scan.

    False where nothing was.
    """

    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        return bool(self.findings)

    @property
    def types(self) -> list[str]:
        """The classes that were found, the surest first."""
        return list(dict.fromkeys(finding.type for finding in self.findings))

    @property
    def main(self) -> Finding:
        """The finding that an event is about: an attack rather than a scan, then the surest."""
        return self.findings[0]


class Matcher:
    """The rules, ready to be asked. Holds nothing of what it was asked."""

    def __init__(self, compiled: Sequence[Compiled] | None = None) -> None:
        chosen = rules.rules() if compiled is None else compiled
        self.rules = chosen
        self._forms = []
        for number, form in enumerate(FORMS):
            of_form = [rule for rule in chosen if rule.form == form]
            if of_form:
                self._forms.append((number, of_form, _set(of_form)))

    def examine(self, request: Request) -> Verdict:
        """The verdict on a whole request."""
        return self.examine_parts(request.parts)

    def examine_parts(self, parts: Iterable[Part]) -> Verdict:
        """The verdict on some parts."""
        known: dict[tuple[bytes, bool], Layers] = {}  # a query may be a value as well
        decoded = [(part, _layers(part, known)) for part in parts]
        broken: list[tuple[Compiled, int]] = []
        for number, of_form, every in self._forms:
            text = b"\n".join([layer for _, layers in decoded for layer in layers[number]])
            broken += [(of_form[rule], number) for rule in every.Match(text) or ()]
        found: dict[str, Finding] = {}
        for rule, number in sorted(broken, key=_order) if len(broken) > 1 else broken:
            if rule.type not in found and (finding := _find(rule, number, decoded)):
                found[rule.type] = finding
        return Verdict(tuple(found.values()))


def _order(broken: tuple[Compiled, int]) -> tuple[bool, float, str]:
    rule = broken[0]
    return rule.type == SCAN, -rule.rule.confidence, rule.name


def _find(rule: Compiled, number: int, decoded: list[tuple[Part, Layers]]) -> Finding | None:
    for part, layers in decoded:
        if part.kind not in rule.parts:
            continue
        for layer in layers[number]:
            found = rule.find(layer)
            if found is not None:
                text = shown(found if len(found) > 3 else layer)
                return Finding(
                    rule.type,
                    rule.technique,
                    rule.name,
                    part.label,
                    text,
                    rule.rule.confidence,
                    rule.techniques,
                    _bare(layer),
                )
    return None


def _bare(layer: bytes) -> bool:
    """Whether a text begins with a word, ends no quote that it did not open, and no statement."""
    if not layer[:1].isalpha() or b"<" in layer or b"/*" in layer:
        return False
    return not layer.endswith((b"--", b"-- ", b"#", b";")) and _BREAKS_OUT.match(layer) is None


def _layers(part: Part, known: dict[tuple[bytes, bool], Layers]) -> Layers:
    """The layers of a part; agents and referrers come again and again. known: of this request."""
    key = (part.value, part.kind in _PLUS)
    if part.kind in _AGAIN and len(part.value) <= SHOWN:
        return _known_layers(*key)
    if key not in known:
        known[key] = decoding.layers(*key)
    return known[key]


@lru_cache(maxsize=2048)
def _known_layers(value: bytes, plus: bool) -> Layers:
    return decoding.layers(value, plus)


def _set(of_form: list[Compiled]) -> Any:
    every = re2.Set.SearchSet(rules.options(SET_BYTES))
    for rule in of_form:
        every.Add(f"(?m){_loose(rule.pattern)}".encode())
    every.Compile()
    return every


def _loose(pattern: str) -> str:
    """A pattern that finds at least as much: long counts cost a state each, and blur the others."""
    return _COUNTS.sub(lambda count: "+" if count[1] == "1" else "*", pattern)


def shown(text: bytes, most: int = SHOWN) -> str:
    """Text of an attacker's, safe to print and cut to size."""
    safe = _UNSAFE.sub(lambda found: f"\\x{found[0][0]:02x}".encode(), text[:most]).decode()
    return safe if len(text) <= most else safe[: most - 1] + "…"


@cache
def matcher() -> Matcher:
    """The matcher of the rules that MLIDS ships; made once a process."""
    return Matcher()
