"""Fields of the language: their names, where an event holds them, and what is compared there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import msgspec

from mlids.addresses import LONGEST, normalise

Kind = Literal["text", "list", "address", "severity", "time", "number"]
_DETAILS = ("ip", "target", "user", "path", "port", "protocol", "description")
_SHORT = {name: ("details", name) for name in _DETAILS} | {
    name: (name,)
    for name in (
        *("type", "severity", "source", "rule", "host", "id", "correlation_id", "tags"),
        *("techniques", "timestamp", "confidence", "explanation"),
    )
}
_OTHER_NAMES = {"tag": "tags", "technique": "techniques", "time": "timestamp"}
_ROOTS = ("details", "evidence")  # whose keys are named by dotted paths
NAMES = (*_SHORT, "details.<key>", "evidence.<key>")
# Fields with a column of their own beside a sealed segment: the others are read from the event.
_COLUMNS: dict[tuple[str, ...], tuple[str, Kind]] = {
    ("severity",): ("severity", "severity"),
    ("timestamp",): ("time", "time"),
    ("confidence",): ("confidence", "number"),
    ("tags",): ("tags", "list"),
    ("techniques",): ("techniques", "list"),
    ("details", "ip"): ("ip", "address"),
    ("details", "target"): ("target", "address"),
    **{
        (*root, name): (name, "text")
        for root, names in (
            ((), ("type", "source", "rule", "host")),
            (("details",), ("user", "path")),
        )
        for name in names
    },
}
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Field(NamedTuple):
    """One field. path: the keys that lead to it; column: "" where it has none."""

    path: tuple[str, ...]
    column: str = ""
    kind: Kind = "text"

    def values(self, event: Mapping[str, Any]) -> Iterable[Any]:
        """The values that stand there: none, one, or those of a list."""
        value: Any = event
        for key in self.path:
            if not isinstance(value, dict):
                return self._spread(event)
            if key not in value:
                return ()
            value = value[key]
        return self._spread(event) if isinstance(value, list | tuple | Mapping) else (value,)

    def _spread(self, event: Mapping[str, Any]) -> Iterator[Any]:
        """The same where lists or other mappings than dicts are on the way."""
        found: list[Any] = [event]
        for key in self.path:
            found = [v[key] for v in _leaves(found) if isinstance(v, Mapping) and key in v]
        return (value for value in _leaves(found) if not isinstance(value, Mapping))


def find(name: str) -> Field | None:
    """The field of a name; None where there is none."""
    name = _OTHER_NAMES.get(name, name)
    path = _SHORT.get(name) or tuple(name.split("."))
    if name in _SHORT or (len(path) > 1 and path[0] in _ROOTS and all(path)):
        return Field(path, *_COLUMNS.get(path, ("", "text")))
    return None


def nearest(name: str) -> str:
    """The right name that a wrong one is nearest to, "" where none is near."""
    known = [*_SHORT, *_OTHER_NAMES, *(f"details.{key}" for key in _DETAILS)]
    close = difflib.get_close_matches(name.lower()[:64], known, 1, 0.6)
    return close[0] if close else ""


def texts(event: Mapping[str, Any]) -> Iterator[str]:
    """The (casefolded) text of every value anywhere in an event; keys are none."""
    waiting: list[Any] = [event]  # a list, not recursion: events may be nested deeply
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        else:
            yield text_of(value).casefold()


def text_of(value: object) -> str:
    """The text of a value that is no list and no object: as JSON has it, strings without quotes."""
    return value if isinstance(value, str) else _encode(value).decode()


def number_of(value: object) -> float | int | None:
    """A value as a number, None where it is none; true and false are none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


@lru_cache(maxsize=65536)
def _address_key(text: str) -> str:
    import ipaddress

    plain = normalise(text)
    if not plain:
        return ""
    address = ipaddress.ip_address(plain)
    return f"{address.version}{address.packed.hex()}"


def address_key(text: str) -> str:
    """An address as a text that sorts as addresses do, "" where it is none.

    The version and the address in hexadecimal: ``40a010203`` is 10.1.2.3. The addresses of a
    network are those between its first and its last.
    """
    return _address_key(text) if len(text) <= LONGEST else ""


def _leaves(values: list[Any]) -> Iterator[Any]:
    waiting = values[::-1]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | tuple):
            waiting.extend(reversed(value))
        else:
            yield value
