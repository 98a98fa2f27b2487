"""Suppressions: which events somebody chose not to store, why, and until when."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from mlids import addresses
from mlids.events import Event
from mlids.moments import format_time, parse_time
from mlids.volume import NS

DAY_NS = 86_400 * NS
LONGEST_NS = 366 * DAY_NS
UNITS = {"m": 60 * NS, "h": 3600 * NS, "d": DAY_NS, "w": 7 * DAY_NS}
CONDITIONS = ("type", "rule", "ip", "user", "path", "entity")
NEVER = ("Events Suppressed", "Configuration Changed")  # they are the account of suppressing
GRAVE = ("Incident",)  # with CRITICAL: only where it is said so explicitly
LONGEST = 512  # characters of a value that are looked at

Text = Annotated[str, Meta(max_length=1024)]


class Suppression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One suppression. Its conditions must all fit; type, rule, user and path may have wildcards.

    ip: an address or a network; entity: what `Event.entity` is, exactly; critical: CRITICAL events
    and incidents are meant too; times are ISO 8601 in UTC. Raises ValueError where no condition, no
    reason or a wrong time is given.
    """

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}$")]
    created: str
    until: str
    by: Text
    reason: Annotated[str, Meta(min_length=1, max_length=1024)]
    type: Text = ""
    rule: Text = ""
    ip: Text = ""
    user: Text = ""
    path: Text = ""
    entity: Text = ""
    critical: bool = False
    removed: str = ""
    removed_by: Text = ""

    def __post_init__(self) -> None:
        if not any(getattr(self, name) for name in CONDITIONS):
            raise ValueError("at least one condition is needed: what is to be suppressed")
        if self.ip:
            ipaddress.ip_network(self.ip, strict=False)
        if not 0 < parse_time(self.until) - parse_time(self.created) <= LONGEST_NS:
            raise ValueError("it must end after it began, and within a year")
        if self.removed:
            parse_time(self.removed)

    def state(self, now_ns: int) -> str:
        """active, expired or removed."""
        if self.removed:
            return "removed"
        return "active" if now_ns < parse_time(self.until) else "expired"

    @property
    def conditions(self) -> dict[str, str]:
        """The conditions that it has."""
        found = {name: getattr(self, name) for name in CONDITIONS}
        return {name: value for name, value in found.items() if value}

    @property
    def text(self) -> str:
        """Its conditions in a few words."""
        words = [f"{name} {value}" for name, value in self.conditions.items()]
        return ", ".join([*words, *(["also CRITICAL"] if self.critical else [])])


def is_grave(event: Event) -> bool:
    """Whether an event is suppressed by nothing that does not say so explicitly."""
    return event["severity"] == "CRITICAL" or event["type"] in GRAVE


class Suppressions:
    """Active suppressions, ready to ask; made anew for each change of the list."""

    def __init__(self, entries: Iterable[Suppression]) -> None:
        self._by_entity: dict[str, list[_Compiled]] = {}
        self._others: list[_Compiled] = []
        for entry in entries:
            compiled = _Compiled(entry)
            if entry.entity:
                self._by_entity.setdefault(entry.entity, []).append(compiled)
            else:
                self._others.append(compiled)

    def of(self, event: Event, now_ns: int) -> Suppression | None:
        """The suppression that an event falls under at this moment, None where there is none."""
        asked = self._by_entity.get(event.entity, ()) if self._by_entity else ()
        for one in (*asked, *self._others):
            if now_ns < one.until_ns and one.holds(event):
                return None if event["type"] in NEVER else one.entry
        return None


class _Compiled:
    def __init__(self, entry: Suppression) -> None:
        self.entry = entry
        self.until_ns = parse_time(entry.until)
        self._checks: list[Callable[[Event], Any]] = []
        for key in ("type", "rule"):
            if glob := getattr(entry, key):
                self._checks.append(_on_key(key, glob))
        for key in ("user", "path"):
            if glob := getattr(entry, key):
                self._checks.append(_on_detail(key, glob))
        if entry.ip:
            network = ipaddress.ip_network(entry.ip, strict=False)
            self._checks.append(lambda event: _inside(event["details"].get("ip"), network))

    def holds(self, event: Event) -> bool:
        """Whether all conditions fit; that of the entity was looked up already."""
        if not self.entry.critical and is_grave(event):
            return False
        return all(check(event) for check in self._checks)


def _on_key(key: str, glob: str) -> Callable[[Event], Any]:
    fits = pattern(glob)
    return lambda event: fits(event.get(key, ""))


def _on_detail(key: str, glob: str) -> Callable[[Event], Any]:
    fits = pattern(glob)
    return lambda event: fits(event["details"].get(key, ""))


def pattern(glob: str) -> Callable[[Any], bool]:
    """Whether a glob fits a whole text. No text at all fits none."""
    compiled = re.compile(translate(glob))
    fits = lru_cache(4096)(lambda text: compiled.match(text) is not None)
    return lambda value: bool(value) and fits(str(value)[:LONGEST])


def _inside(ip: Any, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    known = addresses.normalise(ip) if isinstance(ip, str) else ""
    return bool(known) and ipaddress.ip_address(known) in network


def until(now_ns: int, duration: str = "", moment: str = "") -> str:
    """When a suppression ends: after a duration (30m, 12h, 7d, 4w), or at an ISO 8601 time.

    Raises ValueError where it is none, lies in the past or is more than a year away.
    """
    if duration:
        found = re.fullmatch(r"(\d{1,6})([mhdw])", duration)
        if not found:
            raise ValueError(f"{duration!r} is no duration; say 30m, 12h, 7d or 4w")
        end = now_ns + int(found[1]) * UNITS[found[2]]
    else:
        try:
            end = parse_time(moment)
        except ValueError:
            raise ValueError(f"{moment!r} is no date; say 2025-02-13 or 2025-02-13T18:00") from None
    if end <= now_ns:
        raise ValueError("it would end before it begins")
    if end - now_ns > LONGEST_NS:
        raise ValueError("no suppression is longer than a year; it can be renewed")
    return format_time(end)
