"""What a rule asks of one value: equal, within, a number, an address, an expression, a time.

A value is a pair of texts: as it stands in the record, and folded (`folding.fold`). Each predicate
says of which texts every value that it takes must hold one, so that a screen can look for those.
"""

# ruff: noqa: D102 - what the methods do is told at `Predicate`

from __future__ import annotations

import ipaddress
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from mlids.sigma import folding
from mlids.sigma.patterns import Expression

Text = tuple[str, str]  # as it stands there, and folded
Compare = Callable[[float, float], bool]
COMPARISONS: dict[str, Compare] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "neq": operator.ne,
}
LONGEST = 64  # letters of a text that may be a time or an address
SHORT = {2: 12, 3: 12, 4: 6, 5: 2}  # by length: as common as if so many more rules asked for it
MANY, ONE = "*", "?"  # wildcards in the parts of a `Glob`


class Predicate:
    """A question to one value. slow: looking its answer up takes less time than asking."""

    slow = False

    def holds(self, text: Text) -> bool:
        """Whether the value is such a one."""
        raise NotImplementedError  # abstract

    def literals(self, structured: bool) -> frozenset[bytes] | None:
        """Bytes of which the line of such a value holds one, in lower case; None: nothing known."""
        return None


class Equal(Predicate):
    """One of these texts. cased: as they are."""

    def __init__(self, wanted: Sequence[str], cased: bool = False) -> None:
        self.at = 0 if cased else 1
        self.wanted = frozenset(wanted if cased else map(folding.fold, wanted))

    def holds(self, text: Text) -> bool:
        return text[self.at] in self.wanted

    def literals(self, structured: bool) -> frozenset[bytes] | None:
        return folding.literals([folding.fold(one) for one in self.wanted], structured, whole=True)


class Part(Predicate):
    """One of these texts within the value: anywhere, at its start, or at its end."""

    def __init__(self, wanted: Sequence[str], where: str, cased: bool = False) -> None:
        self.at = 0 if cased else 1
        self.where = where
        self.wanted = tuple(wanted if cased else map(folding.fold, wanted))
        self.slow = where == "contains" and len(self.wanted) > 3

    def holds(self, text: Text) -> bool:
        value = text[self.at]
        if self.where == "contains":
            return any(one in value for one in self.wanted)
        if self.where == "startswith":
            return value.startswith(self.wanted)
        return value.endswith(self.wanted)

    def literals(self, structured: bool) -> frozenset[bytes] | None:
        return folding.literals([folding.fold(one) for one in self.wanted], structured)


class Glob(Predicate):
    """A text with wildcards. parts: texts, `MANY` and `ONE` as ("*",) and ("?",).

    search: it may stand anywhere in the value.
    """

    slow = True

    def __init__(
        self, parts: Sequence[str | tuple[str]], cased: bool = False, search: bool = False
    ) -> None:
        import re2

        self.at = 0 if cased else 1
        signs = {(MANY,): ".*", (ONE,): "."}
        texts = [one if cased or not isinstance(one, str) else folding.fold(one) for one in parts]
        self.texts = [one for one in texts if isinstance(one, str)]
        body = "".join(re2.escape(one) if isinstance(one, str) else signs[one] for one in texts)
        self.expression = Expression(body if search else rf"\A{body}\z", "s")

    def holds(self, text: Text) -> bool:
        return self.expression.search(text[self.at])

    def literals(self, structured: bool) -> frozenset[bytes] | None:
        known = [folding.literal(folding.fold(one), structured) for one in self.texts]
        best = max((one for one in known if one), key=len, default=None)
        return frozenset((best,)) if best else None


class Matching(Predicate):
    """A regular expression, somewhere in the value."""

    slow = True

    def __init__(self, pattern: str, flags: str = "") -> None:
        self.expression = Expression(pattern, flags)

    def holds(self, text: Text) -> bool:
        return self.expression.search(text[0])

    def literals(self, structured: bool) -> frozenset[bytes] | None:
        runs = folding.regex_runs(self.expression.pattern)
        known = [folding.literal(folding.fold(run), structured) for run in runs]
        best = max((one for one in known if one), key=len, default=None)
        return frozenset((best,)) if best else None


class Anything(Predicate):
    """Any text, an empty one too."""

    def holds(self, text: Text) -> bool:
        return True


class Compared(Predicate):
    """A number on one side of another. part: the part of a time that is the number."""

    def __init__(self, comparison: str, number: float, part: str = "") -> None:
        self.compare = COMPARISONS[comparison]
        self.number = number
        self.part = part

    def holds(self, text: Text) -> bool:
        if self.part:
            value = time_part(text[0], self.part)
            return value is not None and self.compare(value, self.number)
        try:
            return self.compare(float(text[0]), self.number)
        except ValueError:
            return False


class TimePart(Predicate):
    """A time whose minute, hour, day, week, month or year is this."""

    def __init__(self, part: str, number: int) -> None:
        self.part = part
        self.number = number

    def holds(self, text: Text) -> bool:
        return time_part(text[0], self.part) == self.number


class Network(Predicate):
    """An address of a network (CIDR); IPv4 addresses that are written as IPv6 are IPv4."""

    def __init__(self, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
        self.network = network

    def holds(self, text: Text) -> bool:
        address = _address(text[0])
        return address is not None and address in self.network


def either(sets: Sequence[frozenset[bytes] | None]) -> frozenset[bytes] | None:
    """Literals of which one must be there where one of several things must hold."""
    known = [one for one in sets if one is not None]
    return frozenset().union(*known) if len(known) == len(sets) else None


def both(
    sets: Sequence[frozenset[bytes] | None], common: Mapping[bytes, int]
) -> frozenset[bytes] | None:
    """The rarest of several sets, each of which must have one in the line.

    common: how many rules ask for a literal; what many ask for stands in many lines. So do texts of
    a few letters.
    """
    known = [one for one in sets if one]
    return min(known, key=lambda one: (_frequency(one, common), -min(map(len, one))), default=None)


def _frequency(literals: frozenset[bytes], common: Mapping[bytes, int]) -> int:
    """Roughly how often one of them will be met, where only their order counts."""
    return max(common.get(one, 1) + SHORT.get(len(one), 0) for one in literals)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    return _known_address(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=8192)
def _known_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    from mlids import addresses

    known = addresses.normalise(text)
    return ipaddress.ip_address(known) if known else None


def time_part(text: str, part: str) -> int | None:
    """The part of a time: minute, hour, day, week (ISO), month, year; None: the text is no time.

    A stamp with a zone counts as it is written; a number is seconds (or milliseconds …) since 1970
    in UTC.
    """
    return _time_part(text, part) if len(text) <= LONGEST else None


@lru_cache(maxsize=4096)
def _time_part(text: str, part: str) -> int | None:
    try:
        seconds = float(text)
        while (
            1e11 < abs(seconds) < float("inf")
        ):  # 5138: so it is milliseconds, microseconds, nanoseconds
            seconds /= 1000
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
    if part == "week":
        return moment.isocalendar().week
    return int(getattr(moment, part))
