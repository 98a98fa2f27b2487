"""YAML with line numbers: the values of a document, and where each of its keys stands."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from mlids.errors import ConfigError

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Path = tuple[str, ...]

# A slip that a widely copied sample has: `host` stands one level above its `port` and `token`.
_SLIP = re.compile(r"^( +)host:(?=[^\n]*\n\1 +port:)", re.MULTILINE)
SLIP_ADVICE = "integrations.host, port and token belong below integrations.splunk"


class Document(NamedTuple):
    """A parsed configuration: text, values, node of each path, mistakes and warnings."""

    text: str
    values: dict[str, Any]
    nodes: dict[Path, Any]
    problems: list[str]
    warnings: list[str]

    def line(self, path: Path) -> int | None:
        """The line, from 1, on which a key stands."""
        node = self.nodes.get(path)
        return node.start_mark.line + 1 if node else None


def parse(text: str) -> Document:
    """Read a document. Raises `ConfigError` E002 where it is no YAML mapping."""
    text, warnings = _mended(text)
    loader = Loader(text)
    try:
        root = loader.get_single_node()
        document = Document(text, {}, {}, [], warnings)
        if root is None:
            return document
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError("E002", problems=["line 1: the file is no mapping of keys to values"])
        document.nodes[()] = root
        document.values.update(_mapping(loader, root, (), document))
        return document
    except yaml.YAMLError as error:
        raise ConfigError("E002", problems=[_described(error)]) from error
    except (ValueError, RecursionError, AttributeError) as error:  # the last of a time that is none
        raise ConfigError("E002", problems=[f"a value cannot be read: {error}"]) from error
    finally:
        loader.dispose()


def _mapping(loader: Any, node: Any, path: Path, document: Document) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        here = (*path, key)
        if key in values:
            line = key_node.start_mark.line + 1
            document.problems.append(f"line {line}: {'.'.join(here)} stands there twice")
        document.nodes[here] = value_node
        values[key] = _value(loader, value_node, here, document)
    return values


def _value(loader: Any, node: Any, path: Path, document: Document) -> Any:
    """What stands at a path; the elements of a list of mappings are `1`, `2` …"""
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, document)
    if isinstance(node, yaml.SequenceNode) and any(
        isinstance(one, yaml.MappingNode) for one in node.value
    ):
        made = []
        for number, one in enumerate(node.value, 1):
            document.nodes[*path, str(number)] = one
            made.append(_value(loader, one, (*path, str(number)), document))
        return made
    return loader.construct_object(node, deep=True)


def _mended(text: str) -> tuple[str, list[str]]:
    if not _SLIP.search(text):
        return text, []
    try:
        yaml.load(text, Loader=Loader)  # noqa: S506 - Loader is a safe one
    except yaml.YAMLError:
        return _SLIP.sub(r"\1\1host:", text), [f"{SLIP_ADVICE}; read as if they did"]
    return text, []


def _described(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "no readable YAML"
    return f"line {mark.line + 1}, column {mark.column + 1}: {what}" if mark else str(what)
