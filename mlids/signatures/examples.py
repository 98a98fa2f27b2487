"""Rules held against their own examples, by the whole way that a line takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mlids import addresses
from mlids.batches import LineBatch, LogFormat
from mlids.signatures.compiled import Compiled
from mlids.signatures.library import Library
from mlids.signatures.rules import Example, Injection, LoginRule
from mlids.signatures.search import Hit, find

STAMP = "Jan 13 10:30:45 gate"
Formats = Callable[[bytes], LogFormat | None]
Batches = Callable[[bytes, LogFormat | None], LineBatch]


class Bench:
    """Puts messages into lines, as services write them, and looks which rule finds them.

    formats: tells the format of a line; batches: makes a batch of one line.
    """

    def __init__(self, library: Library, formats: Formats, batches: Batches) -> None:
        self.library = library
        self._formats = formats
        self._batches = batches

    def problems(self, rule: Compiled) -> Iterator[str]:
        """What does not hold of a rule's examples, one sentence each."""
        for example in rule.rule.match:
            for line in lines(rule, example.message, example.program):
                hit = self.hit(line, rule.kind)
                if hit is None or hit.rule.name != rule.name:
                    by = f" but {hit.rule.name} is" if hit else ""
                    yield f"{rule.name} is not found{by}: {line!r}"
                elif wrong := _wrong(hit, example):
                    yield f"{rule.name} gives {wrong}: {line!r}"
        for message in (*rule.rule.no_match, *rule.of.no_match):
            for line in lines(rule, message, ""):
                hit = self.hit(line, rule.kind)
                if hit is not None and hit.rule.name == rule.name:
                    yield f"{rule.name} is found, which it must not be: {line!r}"
        for sample in rule.rule.injections:
            yield from self._blamed(rule, sample)

    def _blamed(self, rule: Compiled, sample: Injection) -> Iterator[str]:
        for line in lines(rule, sample.message, sample.program):
            hit = self.hit(line, rule.kind)
            blamed = source(hit) if hit else ""
            if blamed not in ("", addresses.normalise(sample.src)) or (sample.src and not hit):
                yield f"{rule.name} blames {blamed or 'nobody'}: {line!r}"

    def hit(self, line: bytes, kind: str) -> Hit | None:
        """The rule of a kind that a line is found by."""
        batch = self._batches(line, self._formats(line))
        return next((hit for hit in find(batch, self.library) if hit.rule.kind == kind), None)


def lines(rule: Compiled, message: str, program: str) -> list[bytes]:
    """The lines in which a service writes a message: syslog's, a file's own, or both."""
    made = []
    tags = [program] if program else rule.rule.programs or rule.of.programs
    if tags:
        made.append(f"{STAMP} {tags[0].replace('*', 'x')}[4321]: {message}".encode())
    if rule.lines and not program:
        made.append(message.encode())
    return made


def source(hit: Hit) -> str:
    """The address that a line blames, normalised; "" where it blames none."""
    raw = hit.values.get("src") or (b"" if hit.rule.tells_source else hit.src or b"")
    text = raw.decode("utf-8", "backslashreplace")
    host, _, port = text.rpartition(":")
    known = addresses.normalise(text)
    return known or (addresses.normalise(host) if port.isdigit() else "")


def _wrong(hit: Hit, example: Example) -> str:
    """What an example does not give as it says."""
    rule, values = hit.rule.rule, hit.values
    told = {name: value.decode("utf-8", "backslashreplace") for name, value in values.items()}
    found = {"src": source(hit), "user": told.get("user", "")}
    wanted = {"src": addresses.normalise(example.src), "user": example.user}
    if isinstance(rule, LoginRule):
        found["user"] = told.get("user", rule.user)
        found["method"], wanted["method"] = told.get("method", rule.method), example.method
        exists = False if values.get("invalid") else rule.exists
        found["exists"], wanted["exists"] = str(exists), str(example.exists)
        found["count"], wanted["count"] = told.get("count", "1"), str(example.count)
        if example.port:
            found["port"], wanted["port"] = told.get("port", "0"), str(example.port)
    return ", ".join(
        f"{name} {found[name]!r} instead of {wanted[name]!r}"
        for name in wanted
        if found[name] != wanted[name]
    )
