"""Which log formats provide which of Sigma's log sources, and under which names.

The table is ``rules/sigma/mapping.yaml`` (what it holds is told there); the setting
``detectors.sigma.sources`` adds entries for logs that only their owner knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

import msgspec

STEM = "@stem"  # a place: the name of the source file up to its first dot
RAW = "="  # what begins so is a name of the record itself
DERIVED = ("verdict", "blocked", "spaced")
OPEN = ("json_lines", "logfmt")  # formats that know nothing of what their lines are about
Side = Literal["application", "host", "network", "system"]


class Given(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"of": "from"}):
    """A field that is a part of another one, or always the same.

    spelled: the record does not hold it as it stands in the line.
    """

    of: str = ""
    part: Literal["", "path", "query", "extension", "verdict", "blocked", "spaced"] = ""
    value: str | None = None
    spelled: bool = False


Field = str | Given | list[str | Given]


class Place(NamedTuple):
    """Where a value is found in a record."""

    name: str
    part: str = ""
    value: str | None = None
    verbatim: bool = True


class Service(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which records are of a service: those where one of these names has one of these values."""

    names: list[str] = []
    values: list[str] = []


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What records of some formats are to Sigma."""

    formats: list[str] = []
    besides: list[str] = []  # formats that it does not tell of
    input: str = ""
    products: list[str] = []
    categories: list[str] = []
    services: dict[str, Service] = {}
    only: Service = Service()
    loose: bool = False  # what is not told of the log may be anything
    fields: dict[str, Field] = {}
    known: list[str] | None = []
    structured: bool = False
    json: bool = False
    each: str = ""
    hexadecimal: str = ""
    respelled: str = ""
    nothing: str = ""
    built: str = ""
    side: Side = "application"
    ip: list[str] = []
    user: list[str] = []
    target: list[str] = []

    def places(self, field: str) -> tuple[Place, ...]:
        """Where records hold a field of Sigma's; empty: they never do."""
        return _places(_Key(self), field)

    def takes(self, product: str, category: str, service: str) -> bool:
        """Whether a rule for this log source ("": any) is held against these records."""
        pairs = ((product, self.products), (category, self.categories), (service, self.services))
        stated = [(one, known) for one, known in pairs if one]
        if self.loose:
            right = all(not known or one in known for one, known in stated)
            return right and any(one in known for one, known in stated)
        if self.built and not category:
            return False
        return bool(stated) and all(one in known for one, known in stated)

    def conditions(self, service: str) -> list[Service]:
        """What a record must hold to be one of a service ("": any) of this entry."""
        return [one for one in (self.only, self.services.get(service)) if one and one.names]

    def covers(self, format: str, source: str) -> bool:
        """Whether lines of this format and source are such records."""
        if (self.formats and format not in self.formats) or format in self.besides:
            return False
        return not self.input or fnmatchcase(source, self.input)


class Source(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the user says of a log: which lines (a format, a pattern of paths), and what they are.

    product, category, service: as rules name them; fields: Sigma's names, and those of the log
    where they differ.
    """

    format: str = ""
    input: str = ""
    product: str = ""
    category: str = ""
    service: str = ""
    fields: dict[str, str] = {}


class Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The mapping, as it is written down."""

    addresses: list[str]
    users: list[str]
    entries: list[Entry]


class _Key:
    """An entry as a key of the cache: entries hold dicts, so they have no hash."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def __hash__(self) -> int:
        return id(self.entry)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.entry is self.entry


@cache
def _places(key: _Key, field: str) -> tuple[Place, ...]:
    entry = key.entry
    if field.startswith(RAW):
        return (Place(field[1:], verbatim=field[1:] != STEM),)
    named = entry.fields.get(field)
    if named is None:
        root = field.partition(".")[0]
        return (Place(field),) if entry.known is None or root in entry.known else ()
    return tuple(_place(one) for one in (named if isinstance(named, list) else [named]))


def _place(given: str | Given) -> Place:
    if isinstance(given, str):
        return Place(given, verbatim=given != STEM)
    verbatim = given.value is None and not given.spelled and given.part not in DERIVED
    return Place(given.of, given.part, given.value, verbatim)


@cache
def table() -> Table:
    """The mapping that MLIDS ships."""
    import yaml

    text = (resources.files("mlids") / "rules" / "sigma" / "mapping.yaml").read_bytes()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data = yaml.load(text, Loader=loader)  # noqa: S506 (a safe loader, in C where there is one)
    return msgspec.convert(data, Table)


def entries(own: Sequence[Source] = ()) -> tuple[Entry, ...]:
    """The user's entries and those of the mapping. Raises ValueError for a wrong one."""
    shipped = table()
    made = [entry for one in own for entry in _own(one, shipped)]
    return (*made, *shipped.entries)


def _own(source: Source, shipped: Table) -> Iterator[Entry]:
    """The entries of one source of the user's: one for each format that the lines may have."""
    if not (source.format or source.input):
        raise ValueError("a source names a format, an input (a pattern of paths), or both")
    if not (source.product or source.category or source.service):
        raise ValueError("a source names a product, a category or a service")
    told: dict[str, Any] = {
        "input": source.input,
        "products": [source.product] if source.product else [],
        "categories": [source.category] if source.category else [],
        "services": {source.service: Service()} if source.service else {},
        "only": Service(),
        "loose": True,
    }
    named: set[str] = set()
    for entry in shipped.entries:
        formats = [one for one in entry.formats if one not in named and not entry.built]
        formats = [one for one in formats if source.format in ("", one)]
        if formats and formats[0] not in OPEN:
            named.update(formats)
            fields = {**entry.fields, **source.fields}
            yield msgspec.structs.replace(entry, formats=formats, fields=fields, **told)
    if source.format not in named:
        rest = [source.format] if source.format else []
        yield Entry(
            formats=rest,
            besides=sorted(named),
            fields=dict(source.fields),
            known=None,
            structured=True,
            json=source.format == "json_lines",
            ip=shipped.addresses,
            user=shipped.users,
            **told,
        )
