"""Figures in words, as reports say them."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
NAMED = 3


def duration(seconds: float) -> str:
    """Seconds by their two largest units: ``2 d 3 h``, ``41 s``."""
    rest = round(seconds)
    parts: list[tuple[int, str]] = []
    for size, unit in _UNITS:
        if rest >= size or parts:
            parts.append((rest // size, unit))
            rest %= size
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def percent(share: float) -> str:
    """A share as ``93.2 %``; 100 % and 0 % are said only where they are exact."""
    rounded = round(100 * share, 1)
    if rounded >= 100 and share < 1:
        return "over 99.9 %"
    if rounded <= 0 and share > 0:
        return "under 0.1 %"
    return f"{rounded:g} %"


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 event``, ``1,200 events``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def named(names: Sequence[str], most: int = NAMED) -> str:
    """``a, b and c``, or ``a, b, c and 4 more``."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def moment(stamp: str) -> str:
    """An event's time for people: ``2025-01-13 10:30`` (UTC)."""
    return stamp[:16].replace("T", " ")
