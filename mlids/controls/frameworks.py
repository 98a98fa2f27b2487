"""Frameworks as data: ``rules/compliance/<name>.yaml``, one standard, law or catalogue a file.

A control is there only where an intrusion detection system's log can say something about it. Titles
are ours; the number leads to the wording in the source that the file names. A check is named as in
`judging.CHECKS`, with what it needs to know beside.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from mlids.errors import MLIDSError

ENDING = ".yaml"
Kind = Literal["", "network", "files", "logs"]
Name = Literal[
    "watched",
    "complete",
    "failures",
    "alerted",
    "recorded",
    "proved",
    "retained",
    "copied",
    "clock",
    "seen",
    "guessing",
    "changes",
    "incidents",
]


class Check(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One question about the stored events.

    of: only where inputs of this kind were watched; types: of events; rules: globs of
    `Event.rule`; days: that records are kept; limit: failed logins in a row that are borne;
    silence: what it means that nothing was seen: that it holds, or nothing.
    """

    check: Name
    of: Kind = ""
    types: list[str] = []
    rules: list[str] = []
    days: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1)] = 10
    silence: Literal["pass", "unknown"] = "pass"


class Control(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One control: its number in the source, a title in our words, what MLIDS can show of it."""

    id: str
    title: str
    shows: str
    checks: Annotated[list[Check], msgspec.Meta(min_length=1)]


class Framework(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A standard, law or catalogue: `source` is the document, published in `year`, to be had at
    `url`.
    """

    framework: str
    version: str
    source: str
    url: str
    year: int
    controls: Annotated[list[Control], msgspec.Meta(min_length=1)]


def names() -> list[str]:
    """The frameworks that MLIDS ships, by the names of their files."""
    files = (resources.files("mlids") / "rules" / "compliance").iterdir()
    return sorted(f.name.removesuffix(ENDING) for f in files if f.name.endswith(ENDING))


@cache
def framework(name: str) -> Framework:
    """A framework that MLIDS ships by its name, or one of somebody's own by its path (``.yaml``).

    Raises `MLIDSError` E105 where there is none, E107 where it is broken.
    """
    if name in names():
        path = resources.files("mlids") / "rules" / "compliance" / f"{name}{ENDING}"
        return load(path.read_bytes(), f"{name}{ENDING}")
    try:
        return load(Path(name).read_bytes(), name)
    except OSError:
        known = f"there are: {', '.join(names())}; or give the path of a file of your own"
        raise MLIDSError("E105", f"no framework {name!r}", known) from None


def load(text: bytes, name: str = "framework") -> Framework:
    """The framework of a file. Raises `MLIDSError` E107 that names the file and what is wrong."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(text, Loader=loader)  # noqa: S506 (a safe loader, in C where there is one)
        return msgspec.convert(data, Framework)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError) as error:
        raise MLIDSError("E107", f"{name}: {error}") from None
