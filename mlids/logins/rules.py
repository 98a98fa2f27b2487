"""Rules of logins as data: ``rules/login/<service>.yaml``, each rule with examples.

A file names the service, the programs that log for it and a literal that all their lines hold.
A rule has::

    id: failed                  # Event.rule is login/<service>-<id>
    starts: ["Failed "]         # how the message begins: looked up before the pattern is tried
    pattern: 'Failed …'         # re2, the whole message; groups user src port method count invalid
    outcome: failure            # or success
    sign: failed                # lines of one attempt differ in their sign (see attempts)
    exists: yes                 # does the user exist: yes, no, unknown; the group `invalid` says no
    method: password            # where the pattern has no such group; `user` likewise
    holds: failure;             # literal that the message holds, before the pattern is tried
    once: " from "              # text that must occur exactly once, or the address is not believed
    match: [{message: …, user: …, src: …}]     # examples, and the fields they must give
    no_match: […]               # messages it must leave alone
    injections: [{message: …, src: …}]         # what attackers write, and the one true address

so that another service is a few lines more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from mlids.errors import MLIDSError
from mlids.lines.matching import Pattern

KEY = 4  # bytes of a message by which rules are looked up
REPEATED = b"message repeated "
GROUPS = frozenset(("user", "src", "port", "method", "count", "invalid"))


class Example(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A message and the fields it must give."""

    message: str
    user: str = ""
    src: str = ""
    port: int = 0
    method: str = ""
    exists: bool | None = None
    count: int = 1


class Injection(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A message with text that an attacker chose, and the true address ("": none may be told)."""

    message: str
    src: str = ""


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One kind of message (see the module)."""

    id: str
    starts: list[str]
    pattern: str
    outcome: Literal["failure", "success"] = "failure"
    sign: str
    exists: bool | None = None
    method: str = ""
    user: str = ""
    once: str = ""
    holds: str = ""
    programs: list[str] = []
    match: list[Example]
    no_match: list[str] = []
    injections: list[Injection] = []


class Service(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A file of rules."""

    service: str
    programs: list[str]
    contains: str
    rules: list[Rule]
    no_logins: list[str] = []
    """Messages of these programs that are no login at all: no rule may match them."""


Spans = Sequence[tuple[int, int]]


class Compiled:
    """A rule that is ready to match."""

    def __init__(self, service: str, rule: Rule) -> None:
        self.rule = rule
        self.service = service
        self.name = f"{service}-{rule.id}"
        self.starts = tuple(start.encode() for start in rule.starts)
        self.once = rule.once.encode()
        self.holds = rule.holds.encode()
        self.pattern = Pattern(rule.pattern)
        places = self.pattern.numbers
        self.user, self.src, self.port = (places.get(n) for n in ("user", "src", "port"))
        self.method, self.count = places.get("method"), places.get("count")
        self.invalid = places.get("invalid")
        _check(self, places.keys() - GROUPS)

    def match(self, message: bytes) -> Spans | None:
        """Where the groups of the pattern are, if the message is of this kind."""
        if message.startswith(self.starts) and (not self.holds or self.holds in message):
            return self.pattern.spans(message)
        return None


Table = dict[bytes, dict[bytes, list[Compiled]]]  # by program, by the first bytes of the message


class ServiceRules:
    """The compiled rules of one service, to be looked up by program and beginning of a message."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.contains = service.contains.encode()
        self.rules = [Compiled(service.service, rule) for rule in service.rules]
        self.table: Table = {}
        for compiled in self.rules:
            for program in compiled.rule.programs or service.programs:
                keys = self.table.setdefault(program.encode(), {})
                for key in {start[:KEY] for start in compiled.starts}:
                    keys.setdefault(key, []).append(compiled)
        self.needs = _needs(self.rules)
        self.keys = {key for keys in self.table.values() for key in keys} | {REPEATED[:KEY]}

    def find(self, program: bytes, message: bytes) -> tuple[Compiled, Spans] | None:
        """The first rule that matches a message, and where the groups of its pattern are."""
        keys = self.table.get(program)
        if keys is None:
            return None
        for compiled in keys.get(message[:KEY], ()):
            spans = compiled.match(message)
            if spans is not None:
                return compiled, spans
        return None


@cache
def services() -> tuple[ServiceRules, ...]:
    """The rules that MLIDS ships, a service each. Raises `MLIDSError` E107 for a broken file."""
    folder = resources.files("mlids") / "rules" / "login"
    files = sorted((file for file in folder.iterdir()), key=lambda file: file.name)
    return tuple(load(f.read_bytes(), f.name) for f in files if f.name.endswith(".yaml"))


def load(text: bytes, name: str = "rules") -> ServiceRules:
    """The rules of one file. Raises `MLIDSError` E107 that names the file and what is wrong."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(text, Loader=loader)  # noqa: S506 (a safe loader, in C where there is one)
        return ServiceRules(msgspec.convert(data, Service))
    except (yaml.YAMLError, msgspec.ValidationError, ValueError) as error:
        raise MLIDSError("E107", f"{name}: {error}") from None


def _needs(rules: list[Compiled]) -> dict[bytes, list[bytes]]:
    """Beginnings of messages that only matter in lines which hold one of some literals."""
    needs: dict[bytes, list[bytes]] = {}
    keys = {start[:KEY] for compiled in rules for start in compiled.starts}
    for key in keys:
        known = [c for c in rules if any(start[:KEY] == key for start in c.starts)]
        if all(compiled.holds for compiled in known):
            needs[key] = [compiled.holds for compiled in known]
    return needs


def _check(compiled: Compiled, unknown: set[str]) -> None:
    if unknown:
        raise ValueError(f"{compiled.name}: unknown groups {sorted(unknown)}")
    if not compiled.starts or any(len(start) < KEY for start in compiled.starts):
        raise ValueError(f"{compiled.name}: starts needs literals of {KEY} characters or more")
    if compiled.src is not None and len(compiled.rule.injections) < 3:
        raise ValueError(f"{compiled.name}: blames an address, so it needs three injections")
