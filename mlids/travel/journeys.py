"""Who was at two places sooner than anybody can travel.

Of each user the last verified login is kept, and the few places that he was at lately. A login is
held against the last verified one alone; the places only give a pair of them one name, so that
somebody who goes on logging in from both (a laptop at home, a phone whose traffic leaves in another
country) is one thing that goes on and not many.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec

from mlids.travel.places import Place, apart_km, distance_km
from mlids.volume import NS

KNOWN = 5  # places of a user that are told apart; towns near each other are one
MARKED = 8  # unverifiable logins since the last verified one that are named
NAME = 256  # letters of a user's name that tell users apart
FORGOTTEN_NS = 7 * 86_400 * NS  # without a login; a journey lasts a day at most
HALFWAY_KM = 20_016.0  # no two places are farther from each other


class Spot(NamedTuple):
    """Where a line stands: source, number from 1, byte offset."""

    source: str
    line: int
    offset: int


class Visit(NamedTuple):
    """A login from a place."""

    time_ns: int
    address: str
    place: Place
    spot: Spot


class Elsewhere(NamedTuple):
    """A login from an address whose user may be anywhere."""

    address: str
    spot: Spot


class Journey(NamedTuple):
    """Two logins that one person cannot have made.

    apart_km: the distance less what both places may be wrong by; speed_kmh: infinite within one
    second; between: unverifiable logins before the last of the two; places: names of both, sorted.
    """

    before: Visit
    after: Visit
    distance_km: float
    apart_km: float
    seconds: float
    speed_kmh: float
    between: tuple[Elsewhere, ...]
    places: tuple[str, str]


class _Traveller(msgspec.Struct, array_like=True):
    last: Visit | None = None
    known: list[Place] = []
    elsewhere: list[Elsewhere] = []
    seen_ns: int = 0


def account_name(user: str) -> str:
    """What users are told apart by; mail addresses know no case."""
    return (user.casefold() if "@" in user else user)[:NAME]


class Journeys:
    """The users of late, at most `users` of them (`evicted` counts those that went too early).

    min_speed_kmh, min_distance_km: from which on a journey is impossible.
    """

    def __init__(self, min_speed_kmh: float, min_distance_km: float, users: int) -> None:
        self.min_speed_kmh = min_speed_kmh
        self.min_distance_km = min_distance_km
        self.users = users
        self.evicted = 0
        self._useful_ns = int(HALFWAY_KM / min_speed_kmh * 3600 * NS)
        self._travellers: dict[str, _Traveller] = {}  # by user, ordered by last login

    def unverifiable(self, user: str, time_ns: int, address: str, spot: Spot) -> None:
        """A login from somewhere: nothing follows from it."""
        one = self._traveller(user, time_ns)
        if len(one.elsewhere) < MARKED:
            one.elsewhere.append(Elsewhere(address, spot))

    def arrive(self, user: str, visit: Visit) -> Journey | None:
        """A login from a place; what it shows to be impossible, if anything."""
        one = self._traveller(user, visit.time_ns)
        last, between = one.last, tuple(one.elsewhere)
        one.elsewhere.clear()
        was = self._name(one, last.place) if last else ""
        here = self._name(one, visit.place)
        if last is None:
            one.last = visit
            return None
        before, after = (last, visit) if last.time_ns <= visit.time_ns else (visit, last)
        one.last = after
        first, second = sorted((was, here))
        return self._journey(before, after, between, (first, second))

    def _journey(
        self, before: Visit, after: Visit, between: tuple[Elsewhere, ...], places: tuple[str, str]
    ) -> Journey | None:
        apart = apart_km(before.place, after.place)
        if apart < self.min_distance_km:
            return None
        seconds = (after.time_ns - before.time_ns) / NS
        speed = apart * 3600 / seconds if seconds >= 1 else math.inf
        if speed < self.min_speed_kmh:
            return None
        whole = distance_km(before.place, after.place)
        return Journey(before, after, whole, apart, seconds, speed, between, places)

    def _name(self, one: _Traveller, place: Place) -> str:
        """What a place is called: by the nearest known one that could be the same, or anew."""
        known = one.known
        near = min(known, key=lambda other: distance_km(other, place), default=None)
        if near is None or apart_km(near, place) >= self.min_distance_km:
            near = place
        else:
            known.remove(near)
        known.append(near)
        if len(known) > KNOWN:
            del known[0]
        return f"{near.latitude:.2f},{near.longitude:.2f}"

    def _traveller(self, user: str, time_ns: int) -> _Traveller:
        key = account_name(user)
        one = self._travellers.pop(key, None)
        if one is None or time_ns - one.seen_ns > FORGOTTEN_NS:
            one = _Traveller()
            self._make_room(time_ns)
        one.seen_ns = max(one.seen_ns, time_ns)
        self._travellers[key] = one
        return one

    def _make_room(self, now_ns: int) -> None:
        known = self._travellers
        while known:
            user, one = next(iter(known.items()))
            age = now_ns - one.seen_ns
            if age <= FORGOTTEN_NS and len(known) < self.users:
                return
            del known[user]
            self.evicted += age < self._useful_ns

    def save(self) -> list[Any]:
        """The state, as plain data."""
        known = self._travellers.items()
        return [[k, v.last, list(v.known), list(v.elsewhere), v.seen_ns] for k, v in known]

    def restore(self, state: list[Any]) -> None:
        """Take up a state that `save` gave."""
        self._travellers = {user: msgspec.convert(rest, _Traveller) for user, *rest in state}
