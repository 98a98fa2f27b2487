"""Rule files as they lie on the disk: YAML documents, and the line on which each key stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from mlids.errors import MLIDSError

SUFFIXES = (".yml", ".yaml")
EXAMPLES = ".examples"  # rule.examples.yaml: lines that rule.yaml must match, and must not
MOST_BYTES = 8 << 20  # of one file
MOST_NODES = 2_000_000  # values and letters of a document, what is referred to counted each time
DEEPEST = 40  # how far values may be nested
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Keys = tuple[str, ...]


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a rule, and where. line: from 1, 0 unknown."""

    path: str
    line: int
    reason: str
    title: str = ""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.reason}"


class RuleError(ValueError):
    """A rule that cannot be used. part: the name of the detection, or "condition"."""

    def __init__(self, reason: str, part: str = "") -> None:
        super().__init__(reason)
        self.part = part


class Document(NamedTuple):
    """One YAML document of a file."""

    path: str
    line: int
    data: dict[str, Any]
    lines: dict[Keys, int]

    def line_of(self, *keys: str) -> int:
        """The line of a key, or of the nearest key around it."""
        while keys:
            if keys in self.lines:
                return self.lines[keys]
            keys = keys[:-1]
        return self.line


def files(paths: Sequence[str]) -> list[Path]:
    """The rule files that are meant: folders are walked, in order of name.

    Raises `MLIDSError` E007 for a path that does not exist.
    """
    found: list[Path] = []
    for name in paths:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES)
            found += [one for one in inside if not one.stem.endswith(EXAMPLES) and one.is_file()]
        elif path.exists():
            found.append(path)
        else:
            hint = "correct detectors.sigma.rules, or the path on the command line"
            raise MLIDSError("E007", f"Sigma rules: {name} does not exist", hint)
    return list(dict.fromkeys(found))


def read(path: Path) -> tuple[list[Document], list[Problem]]:
    """The documents of a file, and what is wrong with the rest."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return [], [Problem(str(path), 0, f"the file has more than {MOST_BYTES >> 20} MiB")]
        text = path.read_bytes()
    except OSError as error:
        return [], [Problem(str(path), 0, error.strerror or str(error))]
    return parse(text, str(path))


def parse(text: bytes, path: str = "rules") -> tuple[list[Document], list[Problem]]:
    """The documents of a text, and what is wrong with the rest."""
    documents: list[Document] = []
    problems: list[Problem] = []
    try:
        for line, data, lines in _nodes(text):
            if isinstance(data, dict):
                documents.append(Document(path, line, data, lines))
            elif data is not None:
                problems.append(Problem(path, line, "the document is no mapping of keys to values"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).replace("\n", " ")
        problems.append(Problem(path, mark.line + 1 if mark else 0, f"no readable YAML: {what}"))
    except (ValueError, RecursionError, AttributeError) as error:  # the last of times that are none
        problems.append(Problem(path, 0, f"no readable YAML: {error}"))
    return documents, problems


def _nodes(text: bytes) -> Iterator[tuple[int, Any, dict[Keys, int]]]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            lines: dict[Keys, int] = {}
            _note(node, (), lines, [MOST_NODES])
            yield node.start_mark.line + 1, loader.construct_document(node), lines
    finally:
        loader.dispose()


def _note(node: Any, keys: Keys, lines: dict[Keys, int], left: list[int]) -> None:
    """Write down the lines of the keys, and refuse what stands there twice or too deep.

    left: values that there may still be; what is referred to counts each time.
    """
    if len(keys) > DEEPEST:
        raise ValueError("the document is nested too deeply")
    left[0] -= len(node.value)
    if left[0] < 0:
        raise ValueError("the document refers to its own parts too often")
    if isinstance(node, yaml.SequenceNode):
        for one in node.value:
            if not isinstance(one, yaml.ScalarNode):
                _note(one, (*keys, "-"), lines, left)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        here = (*keys, name)
        if name in seen:
            mark = key.start_mark
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {name!r} stands there twice", mark
            )
        seen.add(name)
        lines.setdefault(here, key.start_mark.line + 1)
        _note(value, here, lines, left)
