"""Values of structured records, as the columns of a batch hold them: times, addresses, text."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

from mlids import addresses
from mlids.layouts import moments
from mlids.lines import stamps

NS = 1_000_000_000
LONGEST = 80  # letters of an address with its port
STAMP = 64  # bytes of a text in which its stamp must end
# Numbers count in the unit that puts them between 1973 and 5138; smaller ones are seconds.
UNITS = ((10**11, NS), (10**14, 10**6), (10**17, 10**3))
SUCCESS = frozenset(("success", "succeeded", "successful", "ok", "true", "allow", "allowed", "yes"))
FAILURE = frozenset(
    ("failure", "failed", "fail", "false", "deny", "denied", "refused", "error", "no", "rejected")
)
NOTHING = frozenset(("", "-", "--", "null", "(null)", "(empty)", "?"))

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,12}))? ?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,12})?", re.ASCII)
_PORTED = re.compile(
    r"(?:\[([0-9A-Fa-f:.%]{2,64})\]|(\d{1,3}(?:\.\d{1,3}){3}))(?::\d{1,5})?", re.ASCII
)


def moment(value: Any, zone: str = "UTC") -> int:
    """Nanoseconds since 1970 of a number or a text; 0 where it is no time.

    Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970, by their size. zone:
    IANA name of the zone of texts without one, "": this host's.
    """
    if isinstance(value, str):
        return _of_text(value, zone)
    if isinstance(value, bool):
        return 0
    if isinstance(value, int | float):
        return of_number(value)
    if isinstance(value, dict):  # as MongoDB writes dates
        inner = value.get("$date")
        return 0 if isinstance(inner, dict) else moment(inner, zone)
    return 0


def _of_text(value: str, zone: str) -> int:
    found = _ISO.fullmatch(value)
    if found is None:
        if _NUMBER.fullmatch(value):
            return of_number(float(value) if "." in value else int(value))
        return moments.moment(value[:STAMP].encode("ascii", "replace"), zone)
    date, clock, part, behind = found.groups()
    offset = b"Z" if behind == "UTC" else (behind or "").encode()
    try:
        second = stamps.iso_second(date.encode() + b"T" + clock.encode(), offset, zone)
    except (ValueError, OverflowError):
        return 0
    return _bounded(second * NS + (int(part[:9].ljust(9, "0")) if part else 0))


def of_number(value: float) -> int:
    """Nanoseconds since 1970 of a number of seconds, or of one of its parts (see `UNITS`)."""
    if isinstance(value, float) and not math.isfinite(value):
        return 0
    for limit, unit in UNITS:
        if value < limit:
            whole = int(value)
            return _bounded(whole * unit + round((value - whole) * 10**6) * (unit // 10**6 or 1))
    return _bounded(int(value))


def _bounded(time: int) -> int:
    return time if 0 < time < 1 << 63 else 0


def text(value: Any) -> bytes | None:
    """A value as bytes; of a list its first; None for nothing, a dash and what is nested."""
    if type(value) is str:
        return None if value in NOTHING else value.encode("utf-8", "replace")
    if isinstance(value, list):
        return text(value[0]) if value and not isinstance(value[0], list) else None
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int | float):
        return str(value).encode()
    return None


def address(value: Any) -> bytes | None:
    """The usual spelling of an address, its port left out; None where the text is none."""
    return _address(value) if isinstance(value, str) and len(value) <= LONGEST else None


@lru_cache(maxsize=65536)
def _address(value: str) -> bytes | None:
    found = addresses.normalise(value)
    if not found and (ported := _PORTED.fullmatch(value)):
        found = addresses.normalise(ported[1] or ported[2])
    return found.encode() or None


def outcome(value: Any) -> bytes | None:
    """``success`` or ``failure``, None where the value says neither."""
    if isinstance(value, bool):
        return b"success" if value else b"failure"
    word = value.lower() if isinstance(value, str) else ""
    if word in SUCCESS:
        return b"success"
    return b"failure" if word in FAILURE else None
