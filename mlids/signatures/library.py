"""All rules together: read from files, and looked up by the literals that their lines hold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import ahocorasick_rs
import msgspec

from mlids.errors import MLIDSError
from mlids.signatures.compiled import Compiled
from mlids.signatures.rules import KINDS, Service


class Library:
    """Rules with the automaton of their literals.

    literals: each once; rules_of[n]: the rules whose lines may hold the n-th, in their order (the
    first that matches a line counts, of each kind).
    """

    def __init__(self, rules: Sequence[Compiled]) -> None:
        self.rules = sorted(rules, key=lambda rule: (rule.of.generic, rule.service))
        by_literal: dict[bytes, list[int]] = {}
        for number, rule in enumerate(self.rules):
            for literal in rule.literals:
                by_literal.setdefault(literal, []).append(number)
        self.literals = list(by_literal)
        self.rules_of = list(by_literal.values())
        self.beginning = [
            all(literal in self.rules[number].starts for number in numbers)
            for literal, numbers in by_literal.items()
        ]
        self._automaton = (
            ahocorasick_rs.BytesAhoCorasick(
                self.literals, implementation=ahocorasick_rs.Implementation.DFA
            )
            if self.literals
            else None
        )

    def find(self, data: bytes) -> list[tuple[int, int, int]]:
        """(literal, begin, end) of every literal in data, in the order of their ends."""
        if self._automaton is None:
            return []
        found: list[tuple[int, int, int]] = self._automaton.find_matches_as_indexes(
            data, overlapping=True
        )
        return found

    def of_kind(self, kind: str) -> list[Compiled]:
        """The rules of one kind: login or log."""
        return [rule for rule in self.rules if rule.kind == kind]


@cache
def library(folders: tuple[str, ...] = ()) -> Library:
    """The rules that MLIDS ships, and those of further files or folders.

    Raises `MLIDSError` E107 for a broken file. A folder of one's own holds ``login/*.yaml`` and
    ``log/*.yaml``.
    """
    found: list[Compiled] = []
    for kind in KINDS:
        folder = resources.files("mlids") / "rules" / kind
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".yaml"):
                found += load(file.read_bytes(), kind, file.name)
    for folder_name in folders:
        found += _own(Path(folder_name))
    return Library(found)


def _own(folder: Path) -> list[Compiled]:
    """The rules of somebody's own folder."""
    if not folder.is_dir():
        raise MLIDSError("E107", f"{folder}: there is no such folder of rules")
    found = []
    for kind in KINDS:
        for file in sorted(folder.glob(f"{kind}/*.y*ml")):
            found += load(file.read_bytes(), kind, str(file))
    return found


def load(text: bytes, kind: str = "login", name: str = "rules") -> list[Compiled]:
    """The rules of one file. Raises `MLIDSError` E107 that names the file and what is wrong."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data: Any = yaml.load(text, Loader=loader)  # noqa: S506 (a safe loader, in C where there is one)
        service: Service = msgspec.convert(data, KINDS[kind])
        rules = service.rules  # type: ignore[attr-defined]  # of each of KINDS
        return [Compiled(service, rule) for rule in rules]
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, AttributeError) as error:
        # PyYAML asks a time that is none for its parts, which is an AttributeError.
        raise MLIDSError("E107", f"{name}: {error}") from None
