"""Conditions on events, as rules of the user's name them, and the values that rules count by."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from mlids.events import Event, Severity

Globs = str | list[str]
SeverityName = Literal["LOW", "MEDIUM", "MIDDLE", "HIGH", "CRITICAL"]
LONGEST = 256  # characters of a value that is counted by: attackers choose them
DETAILS = ("ip", "user", "path", "target", "port", "service", "process")
KEYS = ("type", "severity", "source", "rule", "host")


class Match(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which events are meant: all that is named must fit; of a list, one; * and ? are wildcards."""

    type: Annotated[Globs, Meta(description="types of events")] = []
    severity: Annotated[SeverityName, Meta(description="of this severity and above")] = "LOW"
    source: Annotated[Globs, Meta(description="network, host, application, system")] = []
    rule: Annotated[Globs, Meta(description="rules that made them (Event.rule)")] = []
    tags: Annotated[Globs, Meta(description="tags, of which they have at least one")] = []


def matcher(match: Match) -> Callable[[Event], bool]:
    """Whether an event is meant, as a function that is quick to ask."""
    least = Severity(match.severity).rank
    keys = [
        (key, _pattern(globs))
        for key in ("type", "source", "rule")
        if (globs := _listed(match, key))
    ]
    tags = _pattern(_listed(match, "tags")) if match.tags else None

    def meant(event: Event) -> bool:
        if least and Severity(event["severity"]).rank < least:
            return False
        if any(not fits(str(event.get(key, ""))) for key, fits in keys):
            return False
        return tags is None or any(tags(str(tag)) for tag in event.get("tags", ()))

    return meant


def _listed(match: Match, key: str) -> list[str]:
    globs = getattr(match, key)
    return [globs] if isinstance(globs, str) else list(globs)


def _pattern(globs: Sequence[str]) -> Callable[[str], Any]:
    """Whether any of these globs fits a whole text."""
    compiled = re.compile("|".join(map(translate, globs)))
    fits = lru_cache(4096)(lambda text: compiled.match(text) is not None)
    return lambda text: fits(text[:LONGEST])  # what is remembered is bounded


def value(event: Event, field: str) -> str:
    """The value of a field, "" where there is none.

    field: ip, user, path, target, …; type, severity, source, rule, host; or a path into the event
    such as ``details.metadata.technique``.
    """
    if field in DETAILS:
        found = event["details"].get(field)
    elif field in KEYS:
        found = event.get(field)
    else:
        found = event
        for part in field.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    return "" if found is None or isinstance(found, dict | list) else str(found)[:LONGEST]


def known_field(field: str) -> bool:
    """Whether `value` can find anything there."""
    return field in DETAILS or field in KEYS or field.startswith("details.")


def key(event: Event, fields: Sequence[str]) -> tuple[str, ...] | None:
    """The values that a rule counts by; None where the event lacks one of them."""
    values = tuple(value(event, field) for field in fields)
    return values if all(values) else None


def entity_details(fields: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Those of the values that an event about them carries as its own details."""
    pairs = zip(fields, values, strict=True)
    return {field.removeprefix("details."): one for field, one in pairs if field not in KEYS}
