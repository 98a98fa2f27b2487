"""Conditions on the fields of a record, as data; compiled once into plain functions.

A condition is a mapping, all of whose entries must hold. A key is the path of a field: dots lead
inside, ``*`` means every value, a backslash makes a dot part of a name; lists on the way are gone
through, and it is enough that one of the values passes. What stands behind a key is::

    create                       # this value; numbers and yes/no are compared as such
    [create, update]             # any of these
    $allowed_users               # any of a list that has a name
    {prefix: [/etc, /root]}      # begins with one of these; likewise suffix, contains (text in it)
    {under: [/etc]}              # a path that is one of these or lies below it
    {regex: '(?i)passw(or)?d'}   # re2, found anywhere in the text
    {min: 400, max: 499}         # numbers from … to …
    {exists: yes}                # is there at all, and not empty
    {not: …}                     # none of the values passes

``any:``, ``all:`` and ``not:`` in place of a path take conditions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

Lists = Mapping[str, Sequence[Any]]
Holds = Callable[[Any], bool]
Path = tuple[str, ...]
MOST_VALUES = 1000  # of one field that are looked at
LONGEST = 16384  # characters of a text in which a pattern is searched
_DOT = re.compile(r"(?<!\\)\.")


def compiled(condition: Mapping[str, Any], lists: Lists) -> Holds:
    """What tells of a record whether the condition holds. Raises ValueError where it is none."""
    parts = [_entry(key, wanted, lists) for key, wanted in condition.items()]
    if not parts:
        raise ValueError("an empty condition")
    return lambda record: all(part(record) for part in parts)


def _entry(key: str, wanted: Any, lists: Lists) -> Holds:
    if key in ("any", "all"):
        several = [compiled(each, lists) for each in wanted]
        enough = any if key == "any" else all
        return lambda record: enough(each(record) for each in several)
    if key == "not":
        inner = compiled(wanted, lists)
        return lambda record: not inner(record)
    return _field(path(key), wanted, lists)


def path(text: str) -> Path:
    """The steps that a path takes."""
    return tuple(step.replace("\\.", ".") for step in _DOT.split(text))


def _field(steps: Path, wanted: Any, lists: Lists) -> Holds:
    if not isinstance(wanted, Mapping):
        passes = _is(wanted, lists)
        if len(steps) == 1 and steps[0] != "*":
            return _plain(steps[0], passes)
        return lambda record: any(map(passes, values(record, steps)))
    parts = [_operator(steps, name, value, lists) for name, value in wanted.items()]
    return lambda record: all(part(record) for part in parts)


def _plain(name: str, passes: Holds) -> Holds:
    """The most frequent test by far: a field of the record itself."""

    def holds(record: Any) -> bool:
        value = record.get(name)
        return any(map(passes, _flat([value]))) if isinstance(value, list) else passes(value)

    return holds


def _operator(steps: Path, name: str, value: Any, lists: Lists) -> Holds:
    if name == "exists":
        there = bool(value)
        return lambda record: _exists(values(record, steps)) is there
    if name == "not":
        inner = _field(steps, value, lists)
        return lambda record: not inner(record)
    passes = _test(name, value, lists)
    return lambda record: any(map(passes, values(record, steps)))


def _exists(found: list[Any]) -> bool:
    return any(value is not None and value not in ("", {}) for value in found)


def _test(name: str, value: Any, lists: Lists) -> Holds:
    if name in ("min", "max"):
        return _bound(name, value)
    if name == "regex":
        search = _expression(value)
        return lambda text: isinstance(text, str) and search(text[:LONGEST])
    texts = tuple(str(each) for each in _listed(value, lists))
    if name == "prefix":
        return lambda text: isinstance(text, str) and text.startswith(texts)
    if name == "suffix":
        return lambda text: isinstance(text, str) and text.endswith(texts)
    if name == "contains":
        return lambda text: isinstance(text, str) and any(each in text for each in texts)
    if name == "under":
        return lambda text: isinstance(text, str) and is_under(text, texts)
    raise ValueError(f"unknown test {name!r}")


def _bound(name: str, value: float) -> Holds:
    def passes(found: Any) -> bool:
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return found >= value if name == "min" else found <= value

    return passes


def _is(wanted: Any, lists: Lists) -> Holds:
    allowed = _listed(wanted, lists)
    texts = frozenset(each for each in allowed if isinstance(each, str))
    others = {(isinstance(each, bool), each) for each in allowed if not isinstance(each, str)}

    def passes(found: Any) -> bool:
        if type(found) is str:
            return found in texts
        if not others or found is None or isinstance(found, dict | list):
            return False
        return (isinstance(found, bool), found) in others

    return passes


def _listed(wanted: Any, lists: Lists) -> list[Any]:
    """The values that are meant, named lists among them."""
    found: list[Any] = []
    for each in wanted if isinstance(wanted, list) else [wanted]:
        if isinstance(each, str) and each.startswith("$"):
            if each[1:] not in lists:
                raise ValueError(f"no list is called {each[1:]!r}")
            found += lists[each[1:]]
        else:
            found.append(each)
    return found


def is_under(text: str, roots: Iterable[str]) -> bool:
    """Whether a path is one of these, or lies below one."""
    plain = "/" + "/".join(part for part in text.split("/") if part not in ("", "."))
    return any(plain == root or plain.startswith(root.rstrip("/") + "/") for root in roots)


def values(record: Any, steps: Path) -> list[Any]:
    """All values at a path; lists on the way and at its end are gone through."""
    found: list[Any] = [record]
    for step in steps:
        inside: list[Any] = []
        for value in _flat(found):
            if type(value) is not dict:
                continue
            if step == "*":
                inside += value.values()
            elif step in value:
                inside.append(value[step])
        if not inside:
            return []
        found = inside[:MOST_VALUES]
    return _flat(found)


def _flat(found: list[Any]) -> list[Any]:
    for value in found:
        if type(value) is list:
            break
    else:
        return found
    flat: list[Any] = []
    for value in found:
        if type(value) is list:
            flat += value
        else:
            flat.append(value)
        if len(flat) > MOST_VALUES:
            break
    return flat[:MOST_VALUES]


def _expression(pattern: str) -> Callable[[str], bool]:
    search = _searcher(pattern)
    return lambda text: search(text.encode("utf-8", "replace")) is not None


@cache
def _searcher(pattern: str) -> Callable[[bytes], Any]:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = 4 << 20
    try:
        found: Callable[[bytes], Any] = re2.compile(pattern.encode(), options).search
    except re2.error as error:
        raise ValueError(f"pattern does not compile: {error.args[0]!r}: {pattern}") from None
    return found
