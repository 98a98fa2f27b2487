"""Rules that are ready to match: a message, a record or a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from typing import Any

from mlids.lines.matching import Pattern
from mlids.signatures.rules import SHORTEST, WORDS, LoginRule, Rule, Scalar, Service

GROUPS = frozenset(
    ("user", "src", "port", "method", "count", "invalid", "target", "path", "what", "session")
)
SAMPLES = 3  # injections of a rule that blames an address
Values = dict[str, bytes]


class Compiled:
    """One rule. `match` and its sisters give what its groups hold, or None."""

    def __init__(self, service: Service, rule: Rule) -> None:
        self.rule = rule
        self.of = service
        self.service = rule.id.partition("-")[0] if service.family else service.service
        self.name = rule.id if service.family else f"{service.service}-{rule.id}"
        self.kind = "login" if isinstance(rule, LoginRule) else "log"
        self.literals = [literal.encode() for literal in rule.literals]
        self.starts = tuple(start.encode() for start in rule.starts)
        self.once = rule.once.encode()
        self.formats = frozenset(rule.formats or service.formats)
        programs = [name.encode() for name in rule.programs or service.programs]
        self.programs = frozenset(name for name in programs if not name.endswith(b"*"))
        self.families = tuple(name[:-1] for name in programs if name.endswith(b"*"))
        self.lines = not programs if service.lines is None else service.lines
        self.by_record = bool(rule.fields or rule.text)  # fields of records are asked
        self.by_request = rule.request is not None  # columns of access logs are asked
        self.by_message = not (self.by_record or self.by_request)
        self.pattern = Pattern(_spelt(rule.pattern, service.words)) if rule.pattern else None
        self._numbers = list(self.pattern.numbers.items()) if self.pattern else []
        # Whether the rule itself says where the address stands, if anywhere.
        self.tells_source = "src" in rule.take or any(name == "src" for name, _ in self._numbers)
        self.conditions = [(name, _condition(name, v)) for name, v in rule.fields.items()]
        self._text = rule.text.split(".") if rule.text else None
        self._take = [
            (group, [name.split(".") for name in ([names] if isinstance(names, str) else names)])
            for group, names in rule.take.items()
        ]
        request = rule.request
        self._path = Pattern(request.path) if request and request.path else None
        methods = request.method if request else []
        self._methods = {m.encode() for m in ([methods] if isinstance(methods, str) else methods)}
        self._statuses = {str(status).encode() for status in request.status} if request else set()
        self._check()

    def of_program(self, program: bytes | None) -> bool:
        """Whether lines of this program (None: of a file that is no syslog) are looked at."""
        if program is None:
            return self.lines
        return program in self.programs or program.startswith(self.families)

    def match(self, message: bytes) -> Values | None:
        """What a message (or a whole line) gives."""
        if self.pattern is None or (self.starts and not message.startswith(self.starts)):
            return None
        spans = self.pattern.spans(message)
        if spans is None:
            return None
        values: Values = {}
        for name, number in self._numbers:  # a comprehension is a call more, for each login
            begin, end = spans[number]
            if begin >= 0:
                values[name] = message[begin:end]
        if self.once and "src" in values and message.count(self.once) != 1:
            del values["src"]
        return values

    def match_record(self, record: Mapping[str, Any]) -> Values | None:
        """What a record gives."""
        if not all(holds(record) for _, holds in self.conditions):
            return None
        values: Values = {}
        if self.pattern is not None:
            text = _at(record, self._text or [])
            found = self.match(_bytes(text)) if isinstance(text, str) else None
            if found is None:
                return None
            values = found
        for group, paths in self._take:
            value = next((v for path in paths if (v := _at(record, path)) not in (None, "")), None)
            if value is not None:
                values[group] = _bytes(value)
        return values

    def match_request(
        self, method: bytes | None, target: bytes | None, status: bytes | None, user: bytes | None
    ) -> Values | None:
        """What a request gives: its user where the server knows one."""
        if self._methods and method not in self._methods:
            return None
        if self._statuses and status not in self._statuses:
            return None
        known = bool(user) and user != b"-"
        assert self.rule.request
        if self.rule.request.user == "known" and not known:
            return None
        path = (target or b"").partition(b"?")[0]
        if self._path is not None and self._path.spans(path) is None:
            return None
        return {"user": user} if known and user else {}

    def _check(self) -> None:
        rule = self.rule
        kinds = [bool(rule.pattern and not rule.text), self.by_record, self.by_request]
        if sum(kinds) != 1:
            raise ValueError(f"{self.name}: one of pattern, fields (or text) and request is needed")
        if not self.literals or any(len(literal) < SHORTEST for literal in self.literals):
            raise ValueError(f"{self.name}: holds needs literals of {SHORTEST} characters or more")
        groups = {name for name, _ in self._numbers} | rule.take.keys()
        if unknown := groups - GROUPS:
            raise ValueError(f"{self.name}: unknown groups {sorted(unknown)}")
        told = any(example.src for example in rule.match)  # by the format, if not by a group
        blames = "src" in groups or self.by_request or told
        if blames and len(rule.injections) < SAMPLES:
            raise ValueError(f"{self.name}: blames an address, so it needs three injections")


def _spelt(pattern: str, words: Mapping[str, str]) -> str:
    for name, meaning in {**words, **WORDS}.items():
        pattern = pattern.replace("{{" + name + "}}", meaning)
    if "{{" in pattern:
        raise ValueError(f"unknown word in {pattern!r}")
    return pattern


def _condition(name: str, wanted: Scalar | list[Scalar]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a record's field is one of the values wanted; all are compared as text."""
    path = name.split(".")
    texts = [_text(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
    exact = frozenset(text for text in texts if "*" not in text)
    wild = [Pattern(_wildcard(text)) for text in texts if "*" in text]

    def holds(record: Mapping[str, Any]) -> bool:
        text = _text(_at(record, path))
        if text in exact:
            return True
        return bool(wild) and any(one.spans(_bytes(text)) is not None for one in wild)

    return holds


def _wildcard(text: str) -> str:
    return ".*".join(translate(part)[4:-3] for part in text.split("*"))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bytes(value: Any) -> bytes:
    return _text(value).encode("utf-8", "backslashreplace")


def _at(record: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value under a dotted name: a key that itself holds the dots, or a nested one."""
    if len(path) > 1 and (whole := ".".join(path)) in record:
        return record[whole]
    value: Any = record
    for name in path:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, list) and name == "-1" and value:
            value = value[-1]
        else:
            return None
    return value
