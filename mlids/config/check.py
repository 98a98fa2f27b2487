"""Finds every mistake of a configuration at once, each with line, key and nearest right key."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from mlids.config.fields import fields

Path = tuple[str, ...]
Line = Callable[[Path], int | None]


def problems(values: Mapping[str, Any], kind: type[msgspec.Struct], line: Line) -> list[str]:
    """Every mistake in `values`, measured by the struct `kind`; `line` tells where a key stands."""
    return list(_Check(kind, line).section(values, kind, ()))


class _Check:
    def __init__(self, root: type[msgspec.Struct], line: Line, above: Path = ()) -> None:
        self.root = root
        self.line = line
        self.above = above  # where the root itself stands

    def section(
        self, values: Mapping[str, Any], kind: type[msgspec.Struct], path: Path
    ) -> Iterator[str]:
        known = {field.name: field for field in fields(kind)}
        for key, value in values.items():
            here = (*path, key)
            if key not in known:
                yield self._at(here, f" is unknown{nearest(here, self.root)}")
            elif is_section(known[key].type):
                yield from self._inner(value, known[key].type, here)
            elif (of := element(known[key].type)) is not None and isinstance(value, list):
                for number, one in enumerate(value, 1):
                    yield from self._element(one, of, (*here, str(number)))
            else:
                try:
                    msgspec.convert(value, known[key].type)
                except msgspec.ValidationError as error:
                    shown = "what stands there" if _is_secret(known[key].type) else repr(value)
                    yield self._at(here, f": {_plain(error)}, not {shown}")

    def _element(self, value: Any, kind: type[msgspec.Struct], path: Path) -> Iterator[str]:
        """One of a list of structs: its keys first, and what only shows in all of it together."""
        if not isinstance(value, Mapping):
            yield self._at(path, f": keys and values are expected, not {value!r}")
            return
        found = list(_Check(kind, self.line, (*self.above, *path)).section(value, kind, ()))
        yield from found
        if found:
            return
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            yield self._at(path, f": {_plain(error)}")

    def _inner(self, value: Any, kind: type[msgspec.Struct], path: Path) -> Iterator[str]:
        if isinstance(value, Mapping):
            yield from self.section(value, kind, path)
        elif value is not None:  # an empty section means its defaults
            yield self._at(path, f": a section of keys is expected, not {value!r}")

    def _at(self, path: Path, text: str) -> str:
        line, name = self.line((*self.above, *path)), ".".join((*self.above, *path))
        return f"line {line}: {name}{text}" if line else f"{name}{text}"


def is_section(kind: Any) -> bool:
    """True where a field's type is a struct, that is a section."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def element(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that a list is made of, None where it is of anything else."""
    info: Any = msgspec.inspect.type_info(kind)
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    of = getattr(info, "item_type", None)
    return of.cls if isinstance(of, msgspec.inspect.StructType) else None


def _is_secret(kind: Any) -> bool:
    about = getattr(msgspec.inspect.type_info(kind), "extra", None) or {}
    return bool(about.get("secret"))


def all_keys(kind: type[msgspec.Struct], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf key with its field, in order."""
    for field in fields(kind):
        here = (*path, field.name)
        if is_section(field.type):
            yield from all_keys(field.type, here)
        else:
            yield here, field


def nearest(path: Path, kind: type[msgspec.Struct]) -> str:
    """Advice: the right key that looks most like a wrong one, "" where none does."""
    wrong = ".".join(path)
    sections = {".".join(key[:n]) for key, _ in all_keys(kind) for n in range(1, len(key))}
    keys = [".".join(key) for key, _ in all_keys(kind)] + sorted(sections)
    siblings = [k for k in keys if k.count(".") == wrong.count(".")]
    close = difflib.get_close_matches(wrong, siblings, 1, 0.75) or [
        key for key in keys if key.rpartition(".")[2] == path[-1]
    ]
    close = close or difflib.get_close_matches(wrong, keys, 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _plain(error: msgspec.ValidationError) -> str:
    text = str(error).partition(" - at `$")[0]
    return text[:1].lower() + text[1:].rstrip(".")
