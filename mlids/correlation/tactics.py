"""ATT&CK: which tactic a technique serves, and in which order tactics follow one another.

The facts stand in ``rules/attack/tactics.yaml``.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from typing import Any, NamedTuple

import msgspec


class Technique(msgspec.Struct, frozen=True):
    """One technique; its tactics stand in the order of the kill chain, the earliest first."""

    name: str
    tactics: list[str]


class _Tactic(msgspec.Struct, frozen=True):
    id: str
    tactic: str


class _Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order: list[_Tactic]
    techniques: dict[str, Technique]


class Step(NamedTuple):
    """The tactic that an event stands for, and the technique by which it does."""

    tactic: str
    technique: str


NO_STEP = Step("", "")


@cache
def _facts() -> _Facts:
    import yaml

    text = resources.files("mlids.rules").joinpath("attack/tactics.yaml").read_bytes()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return msgspec.convert(yaml.load(text, Loader=loader), _Facts)  # noqa: S506 - a safe loader


@cache
def order() -> dict[str, int]:
    """Each tactic with its place in the kill chain, counted from 0."""
    return {one.tactic: place for place, one in enumerate(_facts().order)}


@cache
def tactic_ids() -> dict[str, str]:
    """Each tactic with its ATT&CK id: TA0043 of reconnaissance."""
    return {one.tactic: one.id for one in _facts().order}


@cache
def techniques() -> dict[str, Technique]:
    """Every technique that is known, by its id."""
    places = order()
    return {
        name: Technique(one.name, sorted(one.tactics, key=places.__getitem__))
        for name, one in _facts().techniques.items()
    }


def technique(name: str) -> Technique | None:
    """The technique of an id (T1110.001), else the one that it is part of, else None."""
    known = techniques()
    return known.get(name) or known.get(name.partition(".")[0])


def step(names: Any, worked: bool) -> Step:
    """What an event with these techniques is a step of; `NO_STEP` where none of them is known.

    What was only tried counts as the earliest of its tactics, what worked as the furthest: a web
    attack that failed is no execution.
    """
    if not (names and isinstance(names, list)):
        return NO_STEP
    return _step(tuple(name for name in names if isinstance(name, str)), worked)


@lru_cache(maxsize=1024)
def _step(names: tuple[str, ...], worked: bool) -> Step:
    places = order()
    known = ((technique(name), name) for name in names)
    found = [Step(one.tactics[0], name) for one, name in known if one is not None]
    choose = max if worked else min
    return choose(found, key=lambda one: places[one.tactic], default=NO_STEP)
