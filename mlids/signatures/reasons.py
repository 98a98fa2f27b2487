"""Why a rule does or does not match a line: for people who ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mlids.batches import LineBatch
from mlids.signatures.compiled import Compiled
from mlids.signatures.library import Library
from mlids.signatures.search import candidates, find


class Reason(NamedTuple):
    """One rule that looked at a line, whether it fired, and why or why not, in one sentence."""

    rule: str
    fired: bool
    why: str


def reasons(batch: LineBatch, rules: Library) -> Iterator[Reason]:
    """For a batch of one line each rule one of whose literals it holds."""
    fired = {hit.rule.name: hit for hit in find(batch, rules)}
    for number in candidates(batch, rules).get(0, []):
        rule = rules.rules[number]
        hit = fired.get(rule.name)
        if hit is None:
            yield Reason(f"{rule.kind}/{rule.name}", False, _why_not(batch, rule, list(fired)))
        else:
            values = {
                name: value.decode("utf-8", "backslashreplace")
                for name, value in hit.values.items()
            }
            told = ", ".join(f"{name} {value!r}" for name, value in values.items())
            lost = "; the address stands there more than once, so nobody is blamed"
            refused = rule.once and rule.tells_source and "src" not in values
            yield Reason(
                f"{rule.kind}/{rule.name}",
                True,
                f"matches{': ' if told else ''}{told}" + (lost if refused else ""),
            )


def _why_not(batch: LineBatch, rule: Compiled, fired: list[str]) -> str:
    assert batch.format
    if rule.formats and batch.format.name not in rule.formats:
        return f"looks only at lines of {', '.join(sorted(rule.formats))}"
    if rule.by_record:
        return _record(batch, rule)
    if rule.by_request:
        return "the line tells no such request: method, path, status or user differ"
    program = _program(batch)
    if not rule.of_program(program):
        whose = f"of {program.decode('latin-1')}" if program else "in a file of no program"
        return f"looks at {_where(rule)}; this line is {whose}"
    return "the pattern does not match the whole message"


def _record(batch: LineBatch, rule: Compiled) -> str:
    record = batch.records()[0]
    if not record:
        return "the line is no record with fields"
    for path, accepted in rule.conditions:
        if not accepted(record):
            return f"the field {path} is not what the rule asks for"
    return f"the text in {rule.rule.text or 'it'} does not match the pattern"


def _where(rule: Compiled) -> str:
    programs = rule.rule.programs or rule.of.programs
    named = f"messages of {', '.join(programs)}" if programs else ""
    return " and ".join(filter(None, (named, "files of its own" if rule.lines else "")))


def _program(batch: LineBatch) -> bytes | None:
    try:
        program: bytes | None = batch.column("program")[0]
    except KeyError:
        return None
    return program
