"""Spells: what was told of one entity without a long pause, so that two replays can be compared."""

from __future__ import annotations

import zlib
from bisect import bisect_left
from collections.abc import Iterator
from itertools import takewhile

import msgspec

from mlids import registry
from mlids.backtest.recorded import Recorded, recorded
from mlids.events import Event, Severity
from mlids.volume import NS

PAUSE_NS = 3600 * NS  # what comes later is another spell; brute force ends an attack then, too
MOST = 30_000
LONGEST = 1024  # characters of a text that are kept: names that logins tell are shorter
RULED = ("Rule Match", "Threshold Exceeded")  # types of which each rule is a matter of its own
WHOLE = 1 << 32
Key = tuple[str, str, str]  # type, plugin or rule, entity


class Spell(msgspec.Struct):
    """Events of one key; the rest is of the gravest of them, and of these of the latest."""

    key: Key
    plugin: str
    first_ns: int
    last_ns: int
    id: str
    rule: str
    severity: str
    explanation: str
    seen: Recorded
    ip: str
    count: int = 0

    def meets(self, other: Spell) -> bool:
        """Whether both may be of the same attack: no long pause lies between them."""
        apart = max(self.first_ns, other.first_ns) - min(self.last_ns, other.last_ns)
        return apart <= PAUSE_NS


class Spells:
    """The spells of one replay, at most `most`.

    Where there are more, those whose key has a small checksum stay: every replay keeps the same
    ones then, and what is compared is a fair sample (`left_out` counts the events of the others).
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.left_out = 0
        self.level = WHOLE
        self._count = 0
        self._by_key: dict[Key, list[Spell]] = {}  # each by time

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Spell]:
        return (spell for spells in self._by_key.values() for spell in spells)

    def add(self, plugin: str, event: Event) -> None:
        """Count an event."""
        key = key_of(plugin, event)
        if _checksum(key) >= self.level:
            self.left_out += 1
            return
        spells = self._by_key.setdefault(key, [])
        new = _spell(key, plugin, event)
        at = _first(spells, new)
        if at < len(spells) and spells[at].meets(new):
            spells[at] = _joined(spells[at], new)
            return
        spells.insert(at, new)
        self._count += 1
        if self._count > self.most:
            self.lower(self.level // 2)

    def lower(self, level: int) -> None:
        """Keep only keys with a checksum below the level."""
        self.level = min(self.level, level)
        for key in [key for key in self._by_key if _checksum(key) >= self.level]:
            spells = self._by_key.pop(key)
            self._count -= len(spells)
            self.left_out += sum(spell.count for spell in spells)

    def meeting(self, spell: Spell) -> list[Spell]:
        """The spells of the same key that may be the same attack."""
        spells = self._by_key.get(spell.key, [])
        return list(takewhile(spell.meets, spells[_first(spells, spell) :]))

    def without(self, other: Spells) -> list[Spell]:
        """Those that have no counterpart in the other replay."""
        return [spell for spell in self if not other.meeting(spell)]


def key_of(plugin: str, event: Event) -> Key:
    """What an event's spell is known by."""
    type = event["type"]
    rule = text(event.get("rule")) if type in RULED else plugin
    return type[:LONGEST], rule, event.entity[:LONGEST]


def plugin_of(event: Event) -> str:
    """The plugin that told an event, by its rule.

    Rules of products (``eve``, ``zeek-weird``) are those of the detector that takes in their logs.
    """
    name = text(event.get("rule")).partition("/")[0]
    return "ingested" if name.partition("-")[0] in registry.names("formats") else name


def text(value: object) -> str:
    """A text of an event, as long as it may be; "" for anything else."""
    return value[:LONGEST] if isinstance(value, str) else ""


def _spell(key: Key, plugin: str, event: Event) -> Spell:
    now = event.time_ns
    return Spell(
        key=key,
        plugin=plugin,
        first_ns=now,
        last_ns=now,
        id=text(event.get("id")),
        rule=text(event.get("rule")),
        severity=event["severity"],
        explanation=text(event.get("explanation")),
        seen=recorded(event),
        ip=text(event["details"].get("ip")),
        count=1,
    )


def _first(spells: list[Spell], of: Spell) -> int:
    """The first of the spells of a key that does not end long before another one begins."""
    return bisect_left(spells, of.first_ns - PAUSE_NS, key=lambda spell: spell.last_ns)


def _joined(old: Spell, new: Spell) -> Spell:
    graver = Severity(new.severity).rank >= Severity(old.severity).rank
    kept = msgspec.structs.replace(new if graver else old)
    kept.first_ns = min(old.first_ns, new.first_ns)
    kept.last_ns = max(old.last_ns, new.last_ns)
    kept.count = old.count + new.count
    return kept


def _checksum(key: Key) -> int:
    return zlib.crc32("\x1f".join(key).encode("utf-8", "surrogatepass"))
