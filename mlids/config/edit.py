"""Changes one value in the text of a YAML file and leaves every other byte as it was."""

from __future__ import annotations

from typing import Any

import yaml

from mlids.config.tree import Document, Path, parse
from mlids.errors import ConfigError


def with_value(document: Document, path: Path, value: Any) -> Document:
    """The document with the key set. Raises `ConfigError` E002 where the text cannot be changed."""
    node = document.nodes.get(path)
    text = _replaced(document.text, node, value) if node else _inserted(document, path, value)
    changed = parse(text)
    if _at(changed.values, path) != value:
        key = ".".join(path)
        raise ConfigError("E002", f"{key} cannot be changed in place; edit the file by hand")
    return changed


def scalar(value: Any) -> str:
    """A value as it stands in YAML, on one line; texts that YAML would misread are quoted."""
    style = None
    if isinstance(value, str) and not (value.isidentifier() and _plain(value) == value):
        style = '"'
    return _plain(value, style)


def _plain(value: Any, style: str | None = None) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, default_style=style, width=10**9)
    return text.removesuffix("...\n").rstrip("\n")


def _replaced(text: str, node: Any, value: Any) -> str:
    begin, end = node.start_mark.index, node.end_mark.index
    old = text[begin:end]
    end = begin + len(old.rstrip())  # the end mark of a block lies behind the blank lines
    gap = "" if begin == 0 or text[begin - 1] in " \t[{,\n" else " "
    if "\n" in old.rstrip() or text[:begin].rstrip(" ").endswith("\n"):
        # A block below its key moves up beside it.
        begin = len(text[:begin].rstrip())
        gap = " "
    return text[:begin] + gap + scalar(value) + text[end:]


def _inserted(document: Document, path: Path, value: Any) -> str:
    depth = max(n for n in range(len(path)) if path[:n] in document.nodes or n == 0)
    parent = document.nodes.get(path[:depth])
    missing = path[depth:]
    if parent is not None and not isinstance(parent, yaml.MappingNode):
        nested: Any = value
        for key in reversed(missing):
            nested = {key: nested}
        return _replaced(document.text, parent, nested)
    if parent is not None and parent.flow_style:
        entry = scalar({missing[0]: _nested(missing[1:], value)})[1:-1]
        end = parent.end_mark.index - 1
        comma = ", " if parent.value else ""
        return document.text[:end] + comma + entry + document.text[end:]
    column = parent.value[0][0].start_mark.column if parent is not None else 0
    at = _end_of(document.text, parent)
    lines = [f"{' ' * (column + 2 * n)}{key}:" for n, key in enumerate(missing)]
    lines[-1] += " " + scalar(value)
    head = document.text[:at]
    newline = "\n" if head and not head.endswith("\n") else ""
    return head + newline + "\n".join(lines) + "\n" + document.text[at:]


def _end_of(text: str, parent: Any) -> int:
    """Where a further entry of a block mapping goes: behind the line of its last value."""
    if parent is None:
        return len(text)
    last = parent.value[-1][1]
    while isinstance(last, yaml.MappingNode) and last.value and not last.flow_style:
        last = last.value[-1][1]
    end = last.start_mark.index + len(text[last.start_mark.index : last.end_mark.index].rstrip())
    newline = text.find("\n", end)
    return len(text) if newline < 0 else newline + 1


def _nested(path: Path, value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


def _at(values: Any, path: Path) -> Any:
    for key in path:
        values = values[key]
    return values
