"""Rules over log lines as data: what one holds, and how a file of them is read.

A file tells of one service::

    service: gitea              # what events call it
    programs: [gitea]           # tags of syslog lines; one may end in ``*``
    lines: true                 # also lines of files that are no syslog (where no programs: always)
    formats: [app]              # only lines of these log formats; none: of any
    family: true                # of several: each rule's id begins with its service's name
    group: mail                 # services whose lines tell of the same attempts (logins)
    words: {name: '…'}          # pieces of patterns: ``{{name}}`` stands for one
    no_match: ['…']             # messages of this service that no rule may match
    rules: […]

and a rule of a text::

    id: failed
    holds: ["Failed auth"]      # literals: one of them stands in the line, before all else is tried
    starts: ["Failed "]         # how the message begins, where that is known; also a literal
    pattern: 'Failed (?P<user>.*) from {{src}}'     # re2: the whole message, or the whole line
    whole: true                 # also lines of its own file that look like syslog's
    once: " from "              # text that must occur exactly once, or the address is not believed

Lines that are records (JSON, logfmt, CEF …) are asked by field instead, with dotted names::

    holds: ["user.login"]
    fields: {event: user.login, success: [false, "0"]}  # equal to one of these, ``*`` is a wildcard
    take: {user: user, src: addr.remote}    # which field gives which group
    #                             (a number leads into a list, -1 to its last)
    text: message               # the field that `pattern` is held against, if there is one

and access logs by request::

    holds: [/wp-login.php]
    request: {method: POST, path: '/wp-login\\.php', status: [200], user: known}

A line of an attacker's may hold anything. So patterns are anchored at both ends, and a rule that
blames an address carries three samples of text that tries to forge one (`injections`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Scalar = str | int | float | bool | None
SHORTEST = 4  # bytes of a literal
ADDRESS = r"[0-9A-Fa-f:.]{2,45}(?:%[\w.-]{1,16})?"
STAMP = (
    r"[\[(\"]?(?:[A-Z][a-z]{2},? )?"
    r"(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d?[-/.](?:\d\d?|[A-Z][a-z]{2})[-/.]\d{2,4}"
    r"|[A-Z][a-z]{2} {1,2}\d{1,2}(?:,? \d{4})?)?,?[T :-]{0,3}"
    r"(?:\d\d?:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?[AP]M)?)?"
    r"(?: ?(?:[A-Z]{1,5}|[+-]\d\d:?\d\d))?(?: \d{4})?[\])\"]?"
)
WORDS = {"ip": ADDRESS, "src": f"(?P<src>{ADDRESS})", "stamp": STAMP}
"""Pieces of patterns that every file may use; `stamp` also matches nothing."""


class Example(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A message (or whole line) and the fields it must give."""

    message: str
    user: str = ""
    src: str = ""
    port: int = 0
    method: str = ""
    exists: bool | None = None
    count: int = 1
    program: str = ""  # where it is not the service's first


class Injection(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A message with text that an attacker chose, and the true address ("": none may be told)."""

    message: str
    src: str = ""
    program: str = ""


class Request(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A request in an access log. path: re2, the whole path without its query."""

    method: str | list[str] = []
    path: str = ""
    status: list[int] = []
    user: Literal["known", "any"] = "any"
    """known: the server names a user, so that credentials were sent."""


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One kind of line (see the module)."""

    id: str
    holds: str | list[str] = []
    starts: list[str] = []
    pattern: str = ""
    text: str = ""
    fields: dict[str, Scalar | list[Scalar]] = {}
    request: Request | None = None
    take: dict[str, str | list[str]] = {}
    once: str = ""
    whole: bool = False
    """Hold the pattern against lines that look like syslog's as well: for a program's own file
    whose stamp is taken for syslog's. It must begin as no other program's lines do."""
    programs: list[str] = []
    formats: list[str] = []
    match: Annotated[list[Example], msgspec.Meta(min_length=1)]
    no_match: list[str] = []
    injections: list[Injection] = []

    @property
    def literals(self) -> list[str]:
        """Of these one stands in every line of the rule's kind."""
        held = [self.holds] if isinstance(self.holds, str) else self.holds
        return held or self.starts


class LoginRule(Rule, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A line that tells of a login."""

    outcome: Literal["failure", "success", "address"] = "failure"
    """address: the line tells where a session comes from; failures of the same `session` (a group
    of both patterns, or else the process) that name no address have this one."""
    sign: str = "line"
    """Lines of one attempt differ in their sign (see `mlids.logins.attempts`)."""
    exists: bool | None = None
    """Whether the user exists; the group `invalid` says no."""
    method: str = ""
    user: str = ""


class SignRule(Rule, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A line that is a sign of something else: an attack, a refusal, a crash."""

    title: str
    type: str = "Rule Match"
    severity: Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"] = "MEDIUM"
    techniques: list[str] = []
    tags: list[str] = []
    count: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    """How many within `window_s`, of one source, are a detection; 1: each line is one."""
    distinct: str = ""
    """Count different values of this group instead of lines."""
    window_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 600


class Service(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A file of rules."""

    service: str
    programs: list[str] = []
    lines: bool | None = None
    formats: list[str] = []
    group: str = ""
    family: bool = False
    """The rules are of several services: what their ids begin with, up to the first hyphen."""
    generic: bool = False
    """Asked after all others: rules that hold for anybody's service."""
    words: dict[str, str] = {}
    no_match: list[str] = []


class LoginService(Service, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A file of logins."""

    rules: list[LoginRule]


class SignService(Service, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A file of other signs."""

    rules: list[SignRule]


KINDS: dict[str, Any] = {"login": LoginService, "log": SignService}
"""What the folders of `mlids/rules` hold."""
