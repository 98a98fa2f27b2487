"""One record as rules see it: values by their Sigma names, found when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from mlids.sigma.folding import fold
from mlids.sigma.predicates import Text
from mlids.sigma.sources import DERIVED, STEM, Entry, Place

MOST_VALUES = 1000  # of one field, where lists lie in lists
DEEPEST = 32
ABSENT: tuple[Any, ...] = ()

Step = tuple[str, list[str], Place]  # a name, its parts, and what else is told of the place


class Reader:
    """Finds fields in the records of one entry: where they stand is worked out once a field."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.nothing = entry.nothing
        self._steps: dict[str, tuple[Step, ...]] = {}

    def values(self, record: Mapping[str, Any], field: str, source: str) -> Sequence[Any]:
        """What a record has under a Sigma name; empty where it has no such field."""
        steps = self._steps.get(field)
        if steps is None:
            places = self.entry.places(field)
            steps = tuple((one.name, one.name.split("."), one) for one in places)
            self._steps[field] = steps
        for name, parts, place in steps:
            if name in record:
                value = record[name]
                found = list(_each(value)) if isinstance(value, (list, tuple)) else (value,)
            elif place.value is not None:
                return (place.value,)
            elif name == STEM:
                return (stem_of(source),)
            elif len(parts) > 1:
                found = list(_walk(record, parts))
            else:
                continue
            if place.part:
                found = [_part(value, place.part) for value in found]
            if found:
                return found
        return ABSENT


class View:
    """A record as the rules for one entry see it.

    line: the raw line; source: where it stood. Short-lived.
    """

    __slots__ = ("_keywords", "_texts", "line", "reader", "record", "source")

    def __init__(self, record: Mapping[str, Any], reader: Reader, line: bytes, source: str) -> None:
        self.record = record
        self.reader = reader
        self.line = line
        self.source = source
        self._texts: dict[str, Sequence[Text]] = {}
        self._keywords: Sequence[Text] | None = None

    @property
    def entry(self) -> Entry:
        """The entry of the mapping that tells what the fields are called."""
        return self.reader.entry

    def values(self, field: str) -> Sequence[Any]:
        """What the record has under a Sigma name; empty where it has no such field."""
        return self.reader.values(self.record, field, self.source)

    def texts(self, field: str) -> Sequence[Text]:
        """The same as texts, each as it stands there and folded; nulls are left out."""
        known = self._texts.get(field)
        if known is None:
            known = self._texts[field] = self._read(field)
        return known

    def _read(self, field: str) -> Sequence[Text]:
        nothing = self.reader.nothing
        found: list[Text] = []
        for value in self.reader.values(self.record, field, self.source):
            if value is not None:
                text = value if isinstance(value, str) else text_of(value)
                if text != nothing or not nothing:
                    found.append((text, text.lower() if text.isascii() else fold(text)))
        return found

    def keywords(self) -> Sequence[Text]:
        """What keywords are searched in: the line, and values where the line spells them oddly."""
        if self._keywords is None:
            line = self.line.decode("utf-8", "backslashreplace")
            texts = [line]
            if "\\" in line or self.entry.hexadecimal:
                texts += [text_of(value) for value in leaves(self.record)]
            self._keywords = [(text, fold(text)) for text in texts]
        return self._keywords


@lru_cache(maxsize=256)
def stem_of(source: str) -> str:
    """The name of a file up to its first dot, as Zeek calls its logs."""
    return PurePath(source).name.partition(".")[0]


def text_of(value: Any) -> str:
    """A value as rules compare it: numbers in digits, true and false, nested ones as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (dict, list)):
        return as_json(value)
    return str(value)


def as_json(value: Any) -> str:
    """A record or a part of one as compact JSON."""
    import msgspec

    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except (TypeError, ValueError, RecursionError):
        return " ".join(str(leaf) for leaf in leaves(value))


def leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    """The innermost values of a record that are not null."""
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        for one in value.values():
            yield from leaves(one, depth + 1)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from leaves(one, depth + 1)
    elif value is not None:
        yield value


def _walk(record: Any, parts: Sequence[str]) -> Iterator[Any]:
    """The values at a dotted name; some of its dots may be in keys. Lists give each of theirs.

    A part that is a number takes that one of a list, ``-1`` its last.
    """
    stack: list[tuple[Any, int]] = [(record, 0)]
    given = 0
    while stack and given < MOST_VALUES:
        value, at = stack.pop()
        if at == len(parts):
            for one in _each(value):
                yield one
                given += 1
        elif isinstance(value, Mapping):
            stack += [
                (value[key], end)
                for end in range(at + 1, len(parts) + 1)
                if (key := ".".join(parts[at:end])) in value
            ]
        elif isinstance(value, (list, tuple)):
            if parts[at] == "-1" or parts[at].isdecimal():
                number = int(parts[at])
                stack += [(one, at + 1) for one in value[number : number + 1 or None]]
            else:
                stack += [(one, at) for one in reversed(value[:MOST_VALUES])]


def _each(value: Any, depth: int = 0) -> Iterator[Any]:
    """The value itself, or those of a list and of lists within it, in their order."""
    if isinstance(value, (list, tuple)):
        for one in value[:MOST_VALUES]:
            if depth < DEEPEST:
                yield from _each(one, depth + 1)
    else:
        yield value


def _part(value: Any, part: str) -> Any:
    """A part of a request's target (path, query, extension), or another value worked out."""
    if not isinstance(value, str):
        return value
    if part == "spaced":
        return value.replace("+", " ")
    if part in DERIVED:
        return _verdict(value, part)
    path, mark, query = value.partition("?")
    if part == "path":
        return path
    if part == "query":
        return query if mark else None
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2] if "." in name else None


def _verdict(prefix: str, part: str) -> str | None:
    """What a firewall did, by the words with which its owner marks the line; None: not told."""
    words = fold(prefix)
    blocked = any(word in words for word in ("block", "drop", "den", "reject"))
    if not blocked and not any(word in words for word in ("accept", "allow", "pass", "forward")):
        return None
    if part == "blocked":
        return "true" if blocked else "false"
    return "block" if blocked else "accept"
